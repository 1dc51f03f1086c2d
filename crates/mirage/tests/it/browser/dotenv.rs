//! Variables, as somebody has them in a file.

use xtask::browser::{button, heading};

use super::seat::Seat;
use super::wizard::{begin, deploy};
use crate::sample::{SERVE, script};

/// As it lies beside the source of many programs.
const FILE: &str = "\
# The shop

GREETING=hello
export REGION=north
QUOTED=\"two words, and a # in them\"
SINGLE='it costs $5'
EMPTY=
  # how many at once
WORKERS = 4   # as many as cores
URL=postgres://shop@db:5432/shop?sslmode=disable#main
NOTE=\"first line
second line\"
";

/// Has its variables on its page.
const TELLS: &str = "printf '%s|' \"$GREETING\" \"$REGION\" \"$QUOTED\" \"$SINGLE\" \"$EMPTY\" \"$WORKERS\" \"$URL\" \
                     \"$NOTE\" > /www/index.html";

#[test]
fn a_pasted_env_file_becomes_the_variables_of_the_process() {
    let Some(seat) = Seat::take("a pasted .env file becomes the variables of the process") else { return };
    let page = &seat.page;
    let reference = seat.pushed("acme/tells:1", &script(&format!("{TELLS}; {SERVE}")));
    begin(page, &reference);
    page.until_text("Latest or exactly this").unwrap();
    page.follow(&button("Next: settings")).unwrap();
    page.follow(&button("As .env text")).unwrap();
    page.write("Plain variables", "GREETING=hello\nthis is no line\n").unwrap();
    page.follow(&button("Next: review")).unwrap();
    page.until_text("line 2 is not a variable").unwrap();
    page.write("Plain variables", FILE).unwrap();
    // As rows they are what was meant.
    page.follow(&button("Rows")).unwrap();
    for (number, name, value) in [
        (1, "GREETING", "hello"),
        (2, "REGION", "north"),
        (3, "QUOTED", "two words, and a # in them"),
        (4, "SINGLE", "it costs $5"),
        (5, "EMPTY", ""),
        (6, "WORKERS", "4"),
        (7, "URL", "postgres://shop@db:5432/shop?sslmode=disable#main"),
        (8, "NOTE", "first line\nsecond line"),
    ] {
        assert_eq!(page.written(&format!("Name of variable {number}")).unwrap(), name);
        assert_eq!(page.written(&format!("Value of variable {number}")).unwrap(), value);
    }
    page.follow(&button("As .env text")).unwrap();
    page.follow(&button("Next: review")).unwrap();
    deploy(page, "tells");
    let told = "north|two words, and a # in them|it costs $5||4|postgres://shop@db:5432/shop?sslmode=disable#main|\
                first line\nsecond line|";
    assert_eq!(seat.stage.served("tells"), format!("hello|{told}"));

    // On the page of the service the same text is there, and another one may be pasted.
    page.visit("/projects/default/production/tells/variables?as=text").unwrap();
    let text = page.written("Plain variables").unwrap();
    assert!(
        text.contains("QUOTED=two words, and a # in them") || text.contains("QUOTED=\"two words"),
        "{text}"
    );
    page.write("Plain variables", &FILE.replace("=hello", "='good morning' # since spring")).unwrap();
    page.follow(&button("Save and deploy")).unwrap();
    page.until(&heading("tells #2")).unwrap();
    page.until_text("tells #2 is active").unwrap();
    assert_eq!(seat.stage.served("tells"), format!("good morning|{told}"));
    seat.is_content();
}
