//! Lines as they are shown: text, with the colours its process asked for, and marks at what was looked for.

use jiff::Timestamp;
use maud::{Markup, html};
use mirage_control::{LogLevel, LogMarker, ServiceLine};

use crate::ansi::{Look, styled};

/// The longest text of a line that is shown, in characters.
const TEXT_MAX: usize = 4_000;
/// Lines that are laid out together.
const CHUNK: usize = 200;
/// Colours by which services are told apart, beside their names.
const COLOURS: usize = 6;

/// Makes lines of a log into markup.
pub(super) struct Painter {
    /// What is marked.
    pub(super) marker: Option<LogMarker>,
    /// The services, where there are several.
    pub(super) services: Vec<String>,
}

/// Lines that fit onto a page.
pub(super) struct Painted {
    /// The newest, in order.
    pub(super) lines: Vec<Markup>,
    /// How many older ones are left out.
    pub(super) left_out: usize,
}

impl Painter {
    /// The newest lines that have no more than so many bytes together; at least one.
    pub(super) fn newest(&self, lines: &[ServiceLine], most_bytes: usize, now: Timestamp) -> Painted {
        let mut painted: Vec<Markup> = Vec::new();
        let mut bytes = 0;
        for line in lines.iter().rev() {
            let markup = self.line(line, now);
            bytes += markup.0.len();
            if bytes > most_bytes && !painted.is_empty() {
                break;
            }
            painted.push(markup);
        }
        painted.reverse();
        Painted { left_out: lines.len() - painted.len(), lines: painted }
    }

    /// A line.
    pub(super) fn line(&self, wrote: &ServiceLine, now: Timestamp) -> Markup {
        let line = &wrote.line;
        let text = styled(&line.text, TEXT_MAX);
        let marks = self.marker.as_ref().map(|marker| marker.find(&text.text)).unwrap_or_default();
        let day = if same_day(line.time, now) { "" } else { "%m-%d " };
        let instance = line.instance.to_string();
        let mut start = 0;
        html! {
            @if line.lost_before {
                p.gap { "Lines are missing here: the size limit of the log took them away before they were read." }
            }
            div class=[level_class(&line.text)] {
                time title=(format!("{:.6} {}", line.time, instance.get(..8).unwrap_or(&instance))) {
                    (line.time.strftime(&format!("{day}%H:%M:%S%.3f")).to_string())
                }
                " "
                @if let Some(at) = self.services.iter().position(|name| name == wrote.service.as_str()) {
                    b class=(format!("s{}", at % COLOURS)) { (wrote.service) } " "
                }
                @for run in &text.runs {
                    @let parts = marked(&text.text, std::mem::replace(&mut start, run.end)..run.end, &marks);
                    @match look_class(run.look) {
                        Some(class) => span class=(class) { (parts) },
                        None => (parts),
                    }
                }
                @if text.is_cut { " " i { "… cut, the download has all of it" } }
            }
        }
    }
}

/// The text of a line in the colours its process asked for, and of it at most so many characters.
pub(crate) fn coloured(line: &str, most: usize) -> Markup {
    let text = styled(line, most);
    let mut start = 0;
    html! {
        @for run in &text.runs {
            @let part = text.text.get(std::mem::replace(&mut start, run.end)..run.end).unwrap_or_default();
            @match look_class(run.look) {
                Some(class) => span class=(class) { (part) },
                None => (part),
            }
        }
        @if text.is_cut { "…" }
    }
}

/// Lines in the groups in which they are laid out.
pub(super) fn grouped(lines: &[Markup]) -> Markup {
    html! {
        @for group in lines.chunks(CHUNK) { div.chunk { @for line in group { (line) } } }
    }
}

/// A line of a file.
pub(super) fn plain(wrote: &ServiceLine, with_service: bool) -> String {
    let line = &wrote.line;
    let text = styled(&line.text, usize::MAX).text;
    match with_service {
        true => format!("{:.6} {} {text}\n", line.time, wrote.service),
        false => format!("{:.6} {text}\n", line.time),
    }
}

/// A part of a text, with marks at what lies in it of these ranges, which are in order.
fn marked(text: &str, part: std::ops::Range<usize>, marks: &[std::ops::Range<usize>]) -> Markup {
    let within = |mark: &std::ops::Range<usize>| {
        let (from, to) = (mark.start.max(part.start), mark.end.min(part.end));
        (from < to).then_some(from..to)
    };
    let mut at = part.start;
    html! {
        @for mark in marks.iter().filter_map(within) {
            (text.get(std::mem::replace(&mut at, mark.end)..mark.start).unwrap_or_default())
            mark { (text.get(mark).unwrap_or_default()) }
        }
        (text.get(at..part.end).unwrap_or_default())
    }
}

/// The classes of a look: `c` and the number of the colour, `b` where it is bold.
fn look_class(look: Look) -> Option<String> {
    match (look.colour, look.bold) {
        (None, false) => None,
        (None, true) => Some("b".into()),
        (Some(colour), false) => Some(format!("c{colour}")),
        (Some(colour), true) => Some(format!("c{colour} b")),
    }
}

/// What makes grave lines stand out. The line itself has the word.
fn level_class(text: &str) -> Option<&'static str> {
    match LogLevel::of(text)? {
        LogLevel::Error | LogLevel::Fatal => Some("le"),
        LogLevel::Warn => Some("lw"),
        _ => None,
    }
}

fn same_day(one: Timestamp, other: Timestamp) -> bool {
    one.as_second().div_euclid(86_400) == other.as_second().div_euclid(86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_cross_the_borders_of_looks() {
        let text = "abcdef";
        let shown = |part, marks: &[(usize, usize)]| {
            let marks: Vec<_> = marks.iter().map(|(from, to)| *from..*to).collect();
            marked(text, part, &marks).into_string()
        };
        assert_eq!(shown(0..3, &[(1, 5)]), "a<mark>bc</mark>");
        assert_eq!(shown(3..6, &[(1, 5)]), "<mark>de</mark>f");
        assert_eq!(shown(0..6, &[(0, 1), (1, 2), (5, 6)]), "<mark>a</mark><mark>b</mark>cde<mark>f</mark>");
        assert_eq!(shown(2..4, &[(0, 1)]), "cd");
    }
}
