//! Text of others that would be markup, in a browser that would run it.

use serde_json::json;
use xtask::browser::{Page, button};

use super::seat::Seat;
use super::wizard::begin;
use crate::sample::{script, web};

/// Each would change the page, or ask for a file that is not there.
const ATTACKS: [&str; 2] = [
    "<script>document.body.textContent='struck'</script>",
    "<img src=x onerror=\"document.body.textContent='struck'\">",
];

#[test]
fn what_images_and_processes_say_is_text_to_a_browser_and_nothing_of_it_is_run() {
    let test = "what images and processes say is text to a browser, and nothing of it is run";
    let Some(seat) = Seat::take(test) else { return };
    let (page, stage) = (&seat.page, &seat.stage);
    let [script_tag, image_tag] = ATTACKS;
    // Some lines are there when the page is made, the others come while it is looked at.
    let says = format!("cat <<'END'\n{script_tag} before\n{image_tag} before\nEND\n");
    let goes_on = says.replace("before", "live");
    let text = format!("{says}(while :; do usleep 300000; {goes_on}done) &\nexec httpd -f -p 8080 -h /www");
    let labels = json!({
        "org.opencontainers.image.title": script_tag,
        "org.opencontainers.image.description": image_tag,
        "org.opencontainers.image.version": image_tag,
    });
    let reference = seat.pushed("acme/foul:1", &script(&text).set("Labels", labels));
    begin(page, &reference);
    page.until_text("Latest or exactly this").unwrap();
    shows(page, &[script_tag]);
    page.follow(&button("Next: settings")).unwrap();
    for (at, attack) in ATTACKS.iter().enumerate() {
        page.write(&format!("Name of variable {}", at + 1), &format!("ATTACK_{at}")).unwrap();
        page.write(&format!("Value of variable {}", at + 1), attack).unwrap();
    }
    page.write("Name", "foul").unwrap();
    page.follow(&button("Next: review")).unwrap();
    page.follow(&button("Deploy")).unwrap();
    page.until_text("foul #1 is active").unwrap();

    let of_service = |tab: &str| format!("/projects/default/production/foul{tab}");
    page.visit(&of_service("/variables")).unwrap();
    assert_eq!(page.written("Value of ATTACK_0").unwrap(), script_tag);
    assert_eq!(page.written("Value of ATTACK_1").unwrap(), image_tag);
    page.visit(&of_service("/logs")).unwrap();
    shows(page, &[&format!("{script_tag} before"), &format!("{image_tag} before")]);
    shows(page, &[&format!("{script_tag} live"), &format!("{image_tag} live")]);
    page.write("Search", image_tag).unwrap();
    page.anew(|| page.press("Enter")).unwrap();
    shows(page, &[&format!("{image_tag} live")]);
    assert_eq!(page.written("Search").unwrap(), image_tag);

    // Why it failed quotes the image, on every page that says so.
    let names = ATTACKS.join(" ");
    let broken = seat.pushed("acme/foul:2", &web("never").entrypoint(&[&names]));
    let told = stage.platform.cli(&["deploy", &broken, "--name", "foul"]).unwrap();
    assert_eq!(told.code, 1, "{}", told.stderr);
    page.visit(&of_service("")).unwrap();
    page.until_text("Deployment #2 failed").unwrap();
    shows(page, &ATTACKS);
    page.visit("/events").unwrap();
    page.until_text("failed").unwrap();
    shows(page, &[script_tag]);
    page.visit(&of_service("/deployments")).unwrap();
    page.until_text("failed").unwrap();
    assert_eq!(page.complaints(), Vec::<String>::new());
    seat.is_content();
}

/// These words come to be read on the page, and the browser has nothing to complain about: it neither ran nor fetched
/// anything of them.
fn shows(page: &Page, words: &[&str]) {
    words.iter().for_each(|words| page.until_text(words).unwrap());
    assert!(!page.text().unwrap().starts_with("struck"));
    assert_eq!(page.complaints(), Vec::<String>::new());
}
