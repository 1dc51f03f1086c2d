//! Logs, as they are written.

use xtask::browser::field;

use super::seat::Seat;
use crate::sample::{SERVE, script};

/// The numbers of the lines on the page, in their order.
fn numbers(text: &str) -> Vec<u32> {
    let lines = text.lines().filter_map(|line| line.split_once("number ")?.1.trim().parse().ok());
    lines.collect()
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
