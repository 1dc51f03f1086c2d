//! Logs, as they are written.

use xtask::browser::{Page, button, checkbox, field, of_role};

use super::seat::Seat;
use crate::sample::{SERVE, script};

/// The numbers of the lines on the page, in their order.
fn numbers(text: &str) -> Vec<u32> {
    let number = |line: &str| {
        let rest = line.split_once("number ")?.1;
        rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
    };
    text.lines().filter_map(number).collect()
}

#[test]
fn a_log_is_followed_through_a_line_that_is_cut_and_has_each_line_once() {
    let Some(seat) = Seat::take("a log is followed through a line that is cut, and has each line once")
    else {
        return;
    };
    let stage = &seat.stage;
    let counts = "(n=0; while :; do n=$((n + 1)); echo \"number $n\"; usleep 50000; done) &";
    let reference = seat.pushed("acme/counts:1", &script(&format!("{counts} {SERVE}")));
    stage.done(&["deploy", &reference, "--name", "counts"]);
    let relay = seat.browser.reach(stage.platform.api_port()).unwrap();
    let page = seat.browser.open_by(&relay).unwrap();
    page.log_in(&stage.platform.token()).unwrap();
    page.visit("/projects/default/production/counts/logs").unwrap();
    let last = || anyhow::Ok(numbers(&page.text()?).last().copied().unwrap_or_default());
    let until_after = |number: u32| {
        page.until_so("more lines", || Ok(last()? > number)).unwrap();
        last().unwrap()
    };
    let begun = until_after(0);
    let live = until_after(begun + 5);
    relay.cut();
    page.until_text("Not live, reconnecting").unwrap();
    let told = stage.done(&["logs", "counts"]).stdout;
    let missed = numbers(&told).last().copied().unwrap();
    assert!(missed > live, "it writes on while nobody listens");
    relay.mend();
    let end = until_after(missed + 5);
    page.until_so("no more of being cut off", || Ok(!page.text()?.contains("Not live"))).unwrap();
    let all = numbers(&page.text().unwrap());
    let wanted: Vec<u32> = (all[0]..=all[0] + u32::try_from(all.len()).unwrap() - 1).collect();
    assert!(all.len() > 10 && all.last() >= Some(&end));
    assert_eq!(all, wanted, "each line once");
    // What the browser says of a line that is cut is what was to be tried.
    let told = page.complaints();
    assert!(told.iter().all(|it| it.contains("net::ERR_")), "{told:?}");

    page.write("Search", "number 7").unwrap();
    page.anew(|| page.press("Enter")).unwrap();
    page.until_text("number 7").unwrap();
    assert_eq!(page.written("Search").unwrap(), "number 7");
    assert!(page.has(&field("Level")).unwrap());
    let found = numbers(&page.text().unwrap());
    assert!(found.iter().all(|number| number.to_string().starts_with('7')), "{found:?}");
    seat.is_content();
}

/// Each tenth line says that it is an error.
const TALKS: &str = r#"
say() { case $(($1 % 10)) in 0) echo "{\"level\":\"error\",\"msg\":\"number $1\"}" ;; *) echo "number $1" ;; esac; }
n=0; while [ $n -lt 200 ]; do n=$((n + 1)); say $n; done
(while :; do n=$((n + 1)); say $n; usleep 50000; done) &"#;

#[test]
fn a_log_holds_still_while_it_is_read_and_is_narrowed_joined_and_saved() {
    let Some(seat) = Seat::take("a log holds still while it is read, and is narrowed, joined and saved")
    else {
        return;
    };
    let (page, stage) = (&seat.page, &seat.stage);
    let talks = seat.pushed("acme/talks:1", &script(&format!("{TALKS}\n{SERVE}")));
    let other = seat.pushed("acme/other:1", &script(&format!("echo it is another; {SERVE}")));
    stage.done(&["deploy", &talks, "--name", "talks"]);
    stage.done(&["deploy", &other, "--name", "other"]);
    let logs = "/projects/default/production/talks/logs";
    page.visit(logs).unwrap();
    let more = |count: usize| {
        let wanted = page.log_lines().unwrap().0 + count;
        page.until_so("more lines", || Ok(page.log_lines()?.0 >= wanted)).unwrap();
        page.log_top().unwrap()
    };
    let to_end = button("go to the end").ending();
    let first = more(5);
    assert!(more(5) > first, "it goes along with what is written");
    assert!(!page.has(&to_end).unwrap());
    // Whoever turns the wheel reads: nothing moves under their eyes.
    let place = page.place(&of_role(&["log"], "Lines")).unwrap();
    page.turn_wheel(place, -200.0, 3).unwrap();
    page.until(&to_end).unwrap();
    let held = more(5);
    assert_eq!(more(10), held, "it holds still");
    page.click(&to_end).unwrap();
    page.until_gone(&to_end).unwrap();
    let end = more(5);
    assert!(end > held && more(5) > end, "it goes on");

    // What is long stands on one row at once, and after it was asked for.
    assert!(!is_on_one_row(page));
    page.click(&checkbox("Long lines on one row")).unwrap();
    assert!(is_on_one_row(page));
    page.choose("Level", "Error").unwrap();
    page.follow(&button("Show")).unwrap();
    assert!(is_on_one_row(page));
    page.click(&checkbox("Long lines on one row")).unwrap();
    assert!(!is_on_one_row(page));
    more(2);
    let errors = numbers(&page.text().unwrap());
    assert!(errors.len() > 20 && errors.iter().all(|number| number % 10 == 0), "{errors:?}");
    let (name, file) = downloaded(page);
    assert_eq!(name, "talks.log");
    let saved = numbers(&file);
    assert_eq!(saved[..20], errors[..20], "the file has the same lines");
    assert!(
        file.lines().all(|line| line.starts_with("20") && line.contains(r#"Z {"level":"error","#)),
        "{file}"
    );

    page.visit(logs).unwrap();
    page.click(&of_role(&["DisclosureTriangle"], "Together with other services")).unwrap();
    page.click(&checkbox("other")).unwrap();
    page.follow(&button("Show")).unwrap();
    for words in ["other it is another", "talks number", r#"talks {"level":"error""#] {
        page.until_text(words).unwrap();
    }
    let (_, file) = downloaded(page);
    let saved = numbers(&file);
    assert_eq!(saved[..200], (1..=200).collect::<Vec<_>>(), "from the first line on");
    assert!(file.contains("Z other it is another") && file.contains("Z talks number 1\n"), "{file}");
    seat.is_content();
}

/// Name and content of the file that the link on the page leads to.
fn downloaded(page: &Page) -> (String, String) {
    let links = page.links().unwrap();
    page.file(links.iter().find(|link| link.contains("/logs/download")).unwrap()).unwrap()
}

/// Whether lines of the log are not wrapped.
fn is_on_one_row(page: &Page) -> bool {
    let markup = page.markup().unwrap();
    let (before, after) = markup.split_once("role=\"log\"").unwrap();
    let tag = format!("{}{}", before.rsplit('<').next().unwrap(), after.split('>').next().unwrap());
    let classes = tag.split_once("class=\"").map_or("", |(_, rest)| rest.split('"').next().unwrap());
    classes.contains("nowrap")
}
