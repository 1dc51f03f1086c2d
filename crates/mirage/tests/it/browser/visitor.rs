//! Who may look.

use xtask::browser::{button, heading, link};

use super::seat::Seat;

#[test]
fn somebody_logs_in_is_led_to_where_they_wanted_to_go_and_logs_out() {
    let Some(seat) = Seat::take("somebody logs in, is led to where they wanted to go, and logs out") else {
        return;
    };
    let token = seat.stage.platform.token();
    for scripts in [true, false] {
        // Somebody else, who has no cookie.
        let page = seat.browser.open(seat.stage.platform.api_port()).unwrap();
        page.let_scripts_run(scripts).unwrap();
        page.visit("/events").unwrap();
        page.until(&heading("Log in")).unwrap();
        page.write("Token", "wrong").unwrap();
        page.follow(&button("Log in")).unwrap();
        page.until_text("the token is not valid").unwrap();
        assert_eq!(page.written("Token").unwrap(), "", "what was typed does not come back");
        let told = page.complaints();
        assert!(told.iter().all(|it| it.contains("status of 401")), "{told:?}");

        page.write("Token", &token).unwrap();
        page.anew(|| page.press("Enter")).unwrap();
        page.until(&heading("Events")).unwrap();
        assert!(!page.markup().unwrap().contains(&token));
        page.follow(&link("Projects")).unwrap();
        page.until(&heading("Projects")).unwrap();
        page.follow(&button("Log out")).unwrap();
        page.visit("/projects").unwrap();
        page.until(&heading("Log in")).unwrap();
        assert_eq!(page.complaints(), Vec::<String>::new());
    }
    seat.is_content();
}
