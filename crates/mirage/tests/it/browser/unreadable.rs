//! Images that cannot be had: why, what to do, and that nothing follows before.

use xtask::bed::Registry;
use xtask::browser::{button, field, of_role};

use super::seat::Seat;
use super::wizard::begin;
use crate::sample::{pushed, pushed_with_login, web};

#[test]
fn the_next_step_is_closed_until_the_image_can_be_read_and_each_refusal_says_what_to_do() {
    let test = "the next step is closed until the image can be read, and each refusal says what to do";
    let Some(seat) = Seat::take(test) else { return };
    let page = &seat.page;
    let good = seat.pushed("acme/web:1", &web("it is read"));
    let mut foreign = web("for another processor");
    foreign.architecture = "s390x".to_owned();
    let foreign = seat.pushed("acme/foreign:1", &foreign);
    let mut gone = Registry::start().unwrap();
    let elsewhere = pushed(&gone, "acme/web:1", &web("back again"));
    gone.stop();
    let closed = Registry::start_with_login().unwrap();
    let private = pushed_with_login(&closed, "acme/web:1", &web("private"));

    begin(page, &seat.stage.registry.reference("acme/nobody:1"));
    let settings = page.path().unwrap().replace("/image", "/settings");
    let unread = "The image could not be read.";
    for (image, code, words, hint, why) in [
        (seat.stage.registry.reference("acme/nobody:1"), "IMAGE_NOT_FOUND", "has no", "check the", unread),
        (seat.stage.registry.reference("acme/web:9"), "IMAGE_NOT_FOUND", "has no image", "the tag", unread),
        (
            elsewhere.clone(),
            "REGISTRY_UNREACHABLE",
            "nothing answers at the registry",
            "check that the registry runs",
            unread,
        ),
        (foreign, "NO_MATCHING_PLATFORM", "is offered for linux/s390x", "build it for this platform", unread),
        (
            private,
            "REGISTRY_AUTH_ERROR",
            "without a login",
            "needs a user name",
            "The registry wants a login first.",
        ),
    ] {
        page.write("Image", &image).unwrap();
        for said in [code, words, hint, why] {
            page.until_text(said).unwrap();
        }
        assert!(page.is_off(&button("Next: settings")).unwrap(), "{image}");
        // The fields of the login are open for whom they help, and for nobody else.
        assert_eq!(page.has(&field("User name")).unwrap(), code == "REGISTRY_AUTH_ERROR", "{image}");
    }
    // Nobody gets there by its address either.
    page.visit(&settings).unwrap();
    page.until(&field("Image")).unwrap();

    // A registry that is back is asked again.
    page.write("Image", &elsewhere).unwrap();
    page.until_text("nothing answers at the registry").unwrap();
    gone.resume().unwrap();
    page.follow(&button("Check image")).unwrap();
    page.until_text("found").unwrap();
    assert!(!page.is_off(&button("Next: settings")).unwrap());

    // The tags that there are can be chosen from.
    page.write("Image", &seat.stage.registry.reference("acme/web:9")).unwrap();
    page.until_text("IMAGE_NOT_FOUND").unwrap();
    page.click(&of_role(&["DisclosureTriangle"], "Tags of this repository")).unwrap();
    page.follow(&button("1")).unwrap();
    page.until_text("Latest or exactly this").unwrap();
    assert_eq!(page.written("Image").unwrap(), good);
    page.follow(&button("Next: settings")).unwrap();
    assert_eq!(page.path().unwrap(), settings);
    seat.is_content();
}
