//! Whether what is written can be read, in light and in dark.

use std::collections::HashMap;

use crate::asset::STYLE;

/// What WCAG asks of text that is not large.
const ENOUGH: f64 = 4.5;

/// The colours in which text is written, and those on which.
fn pairs() -> Vec<(String, String)> {
    let grounds = ["canvas", "surface", "raised"];
    let inks = ["ink", "ink-2", "ink-3", "accent"];
    let mut pairs: Vec<(String, String)> =
        grounds.iter().flat_map(|on| inks.map(|ink| (ink.to_owned(), (*on).to_owned()))).collect();
    for state in ["ok", "busy", "wait", "warn", "bad"] {
        pairs.extend(["ink", state].map(|ink| (ink.to_owned(), format!("{state}-tint"))));
    }
    pairs.extend(grounds.map(|on| ("bad".to_owned(), on.to_owned())));
    // Lines of logs, under the pointer too, and of charts.
    for hue in ["ok", "busy", "warn", "violet", "cyan"] {
        pairs.extend(["surface", "raised"].map(|on| (hue.to_owned(), on.to_owned())));
    }
    // A badge in a banner, a link in a notice.
    pairs.push(("accent".into(), "bad-tint".into()));
    pairs.push(("on-accent".into(), "accent".into()));
    pairs
}

#[test]
fn every_pair_of_colours_that_meets_can_be_read() {
    let (light, dark) = tokens(STYLE.text());
    let mut poor = Vec::new();
    for (scheme, tokens) in [("light", &light), ("dark", &dark)] {
        for (ink, on) in pairs() {
            let ratio = contrast(tokens[&ink], tokens[&on]);
            if ratio < ENOUGH {
                poor.push(format!("{scheme}: {ink} on {on} is {ratio:.2} : 1"));
            }
        }
        for on in ["canvas", "surface"] {
            for mark in ["focus", "line-strong"] {
                let ratio = contrast(tokens[mark], tokens[on]);
                assert!(ratio >= 3.0, "{scheme}: {mark} on {on} is {ratio:.2} : 1");
            }
        }
    }
    assert!(poor.is_empty(), "{poor:#?}");
}

#[test]
fn white_on_black_is_the_most_there_is() {
    assert!((contrast([1.0, 0.0, 0.0], [0.0, 0.0, 0.0]) - 21.0).abs() < 0.01);
    assert!((contrast([0.5, 0.1, 20.0], [0.5, 0.1, 20.0]) - 1.0).abs() < 0.01);
}

/// `--name:light-dark(oklch(lightness chroma hue), oklch(lightness chroma hue));`, in light and in dark.
fn tokens(css: &str) -> (HashMap<String, [f64; 3]>, HashMap<String, [f64; 3]>) {
    let colour = |text: &str| -> [f64; 3] {
        let parts: Vec<f64> = text.split(' ').map(|part| part.parse().unwrap()).collect();
        parts.try_into().unwrap()
    };
    let token = |line: &str| {
        let (name, rest) = line.trim().strip_prefix("--")?.split_once(":light-dark(oklch(")?;
        let (light, dark) = rest.strip_suffix("));")?.split_once("), oklch(")?;
        let name = name.to_owned();
        Some(((name.clone(), colour(light)), (name, colour(dark))))
    };
    css.lines().filter_map(token).unzip()
}

fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// The relative luminance of a colour, as a screen of sRGB shows it.
fn luminance([lightness, chroma, hue]: [f64; 3]) -> f64 {
    let (a, b) = (chroma * hue.to_radians().cos(), chroma * hue.to_radians().sin());
    let l = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
    let m = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
    let s = (lightness - 0.089_484_177_5 * a - 1.291_485_548 * b).powi(3);
    let red = 4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s;
    let green = -1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s;
    let blue = -0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701 * s;
    // What no screen can show is clipped.
    let seen = |light: f64| light.clamp(0.0, 1.0);
    0.2126 * seen(red) + 0.7152 * seen(green) + 0.0722 * seen(blue)
}
