//! Where the software comes from: an image, or one day a repository.

use xtask::browser::{button, field, heading, link};

use super::seat::Seat;

#[test]
fn an_image_and_a_repository_stand_side_by_side_and_the_one_that_is_yet_to_come_says_what_to_do_today() {
    let test =
        "an image and a repository stand side by side, and the one that is yet to come says what to do";
    let Some(seat) = Seat::take(test) else { return };
    let page = &seat.page;
    for scripts in [true, false] {
        page.let_scripts_run(scripts).unwrap();
        page.visit("/projects").unwrap();
        page.follow(&link("New service")).unwrap();
        page.until(&heading("Docker image")).unwrap();
        page.until(&heading("Source repository")).unwrap();
        page.until(&button("Use a Docker image")).unwrap();
        page.until_text("Builds are not there yet.").unwrap();
        page.follow(&link("What to do with source today")).unwrap();
        page.until(&heading("Source repository")).unwrap();
        page.until_text("Mirage does not build from source yet.").unwrap();
        // The words to type are those of this platform.
        let own = format!("127.0.0.1:{}/default/web:1", seat.stage.platform.api_port());
        page.until_text(&format!("docker push {own}")).unwrap();
        page.follow(&link("Deploy an image instead")).unwrap();
        page.until(&field("Image")).unwrap();
        assert_eq!(page.path().unwrap(), "/new");
    }
    seat.is_content();
}
