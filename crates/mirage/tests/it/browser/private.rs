//! An image that its registry does not show to everybody.

use xtask::bed::{PlatformOptions, Registry};
use xtask::browser::button;

use super::seat::Seat;
use super::wizard::{begin, deploy};
use crate::sample::{pushed_with_login, web};
use crate::stage::Stage;

#[test]
fn a_private_image_opens_the_login_and_runs_when_the_password_is_right() {
    let test = "a private image opens the login, and runs when the password is right";
    let Some(seat) = Seat::at(test, |test| Stage::set_closed(test, PlatformOptions::default())) else {
        return;
    };
    let page = &seat.page;
    let reference = pushed_with_login(&seat.stage.registry, "acme/private:1", &web("private"));
    let (user, password) = Registry::LOGIN;
    begin(page, &reference);
    // Nobody opens it: the registry's answer does.
    page.until_text("needs a login").unwrap();
    page.until_text("The registry wants a login first.").unwrap();
    page.write("User name", user).unwrap();
    page.write("Password or token", "wrong words").unwrap();
    page.anew(|| page.press("Enter")).unwrap();
    page.until_text("does not accept the login").unwrap();
    assert!(!page.markup().unwrap().contains("wrong words"));
    assert_eq!(page.written("User name").unwrap(), user);
    // Once one was typed, this is another. Whoever leaves the field is answered.
    page.write("Another password", password).unwrap();
    page.press("Tab").unwrap();
    page.until_text("Latest or exactly this").unwrap();
    page.reload().unwrap();
    assert!(!page.markup().unwrap().contains(password), "a password never comes back");
    page.until_text("Latest or exactly this").unwrap();
    page.follow(&button("Next: settings")).unwrap();
    page.follow(&button("Next: review")).unwrap();
    page.until_text(&format!("{user} with the password that was typed")).unwrap();
    assert!(!page.markup().unwrap().contains(password), "a password never comes back");
    deploy(page, "private");
    assert_eq!(seat.stage.served("private"), "private");
    seat.is_content();
}
