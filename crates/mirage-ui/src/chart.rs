//! Charts: from numbers to markup, and nothing else. A chart is drawn on the server as SVG that stretches with its
//! page while its texts keep their size, and its numbers stand in a table for whoever cannot see it.

mod scale;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use maud::{Markup, html};

pub(crate) use self::scale::Unit;
use self::scale::{nice, times};

/// Height of the whole, of what is above the lines, and of the lines, in pixels.
const HEIGHT: i64 = 150;
const ABOVE: i64 = 16;
const INNER: i64 = 112;
/// What the lines are drawn in, which is stretched to the width of the page.
const WIDTH: i64 = 1_000;
/// The most points of a line.
pub(crate) const POINTS_MAX: usize = 120;
/// The most marks.
const MARKS_MAX: usize = 8;
/// Marks that are closer than this to the one before them have no number, in hundredths of the width.
const APART: f64 = 5.0;
/// Rows of the table.
const ROWS: usize = 12;

/// What a chart shows.
pub(crate) struct Chart<'a> {
    /// Its name within the page, for ids.
    pub(crate) key: &'static str,
    /// Its title.
    pub(crate) title: &'static str,
    /// What its numbers are.
    pub(crate) unit: Unit,
    /// From when until when, in seconds since 1970.
    pub(crate) span: (i64, i64),
    /// How many seconds a point stands for.
    pub(crate) step: i64,
    /// The lines. Where there is none, nothing happened.
    pub(crate) lines: Vec<Line>,
    /// Moments that are marked, in order.
    pub(crate) marks: &'a [Mark],
}

/// A line of a chart.
pub(crate) struct Line {
    /// What it is.
    pub(crate) name: &'static str,
    /// Its colour: `s0` to `s5`.
    pub(crate) class: &'static str,
    /// Its points in order, each in seconds since 1970. Where one is missing there is a gap.
    pub(crate) points: Vec<(i64, f64)>,
}

/// A moment that is marked.
pub(crate) struct Mark {
    /// What tells it from others.
    pub(crate) id: String,
    /// When, in seconds since 1970.
    pub(crate) at: i64,
    /// A word for it.
    pub(crate) word: String,
    /// What happened.
    pub(crate) title: String,
    /// Where more of it is.
    pub(crate) path: String,
}

impl Chart<'_> {
    /// The picture, with its heading.
    pub(crate) fn picture(&self) -> Markup {
        let most = self.values().fold(0.0, f64::max);
        let scale = nice(most, self.unit);
        let is_empty = self.values().next().is_none();
        html! {
            div.head {
                h2 { (self.title) }
                @for (at, line) in self.lines.iter().enumerate().filter(|_| !is_empty) {
                    " " span class=(line.class) { (DASHES[at % DASHES.len()]) " " (line.name) }
                }
                @if let Some(now) = self.now() { " " span.quiet { "now " (now) } }
            }
            @if is_empty { p.none { "None in this time." } } @else {
                svg width="100%" height=(HEIGHT) {
                    g role="img" {
                        title { (self.said(most)) }
                        @for tick in &scale {
                            @let y = ABOVE + INNER - height(*tick, &scale);
                            line.grid x1="0" x2="100%" y1=(y) y2=(y) {}
                            // A line near zero would cross it.
                            @if *tick > 0.0 { text x="2" y=(y - 3) { (self.unit.tell(*tick)) } }
                        }
                        @for (at, text) in times(self.span) {
                            text x=(self.percent(at)) y=(HEIGHT - 6) text-anchor="middle" { (text) }
                        }
                        svg y=(ABOVE) width="100%" height=(INNER) viewBox=(format!("0 0 {WIDTH} {INNER}"))
                            preserveAspectRatio="none" {
                            @for (at, line) in self.lines.iter().enumerate() {
                                path class=(format!("{} d{}", line.class, at % DASHES.len()))
                                    d=(self.path(line, &scale)) {}
                            }
                        }
                    }
                    (self.marked())
                }
            }
        }
    }

    /// The numbers: the most in each of a few stretches.
    pub(crate) fn table(&self) -> Markup {
        let (from, until) = self.span;
        let rows = i64::try_from(ROWS).unwrap_or(1);
        let stretch = ((until - from) / rows).max(self.step).max(1);
        let most = |line: &Line, begin: i64| {
            let within = line.points.iter().filter(|(at, _)| (begin..begin + stretch).contains(at));
            within.map(|(_, value)| *value).filter(|value| value.is_finite()).reduce(f64::max)
        };
        if self.values().next().is_none() {
            return html! { p.quiet { "None in this time." } };
        }
        let begins = (0..rows).map(|at| from + at * stretch).filter(|begin| *begin < until);
        html! {
            table {
                caption { "The most in " (span(stretch)) " each; times are UTC" }
                thead { tr { th scope="col" { "From" } @for line in &self.lines { th scope="col" { (line.name) } } } }
                tbody {
                    @for begin in begins {
                        tr {
                            th scope="row" { (moment(begin, "%m-%d %H:%M")) }
                            @for line in &self.lines {
                                td { @if let Some(most) = most(line, begin) { (self.unit.tell(most)) } @else { "–" } }
                            }
                        }
                    }
                }
            }
        }
    }

    /// What somebody hears who does not see it.
    fn said(&self, most: f64) -> String {
        let now = self.now().map(|now| format!(", now {now}")).unwrap_or_default();
        format!("{}: at most {}{now}", self.title, self.unit.tell(most))
    }

    /// The last value of each line, where it is from the end of the time.
    fn now(&self) -> Option<String> {
        let is_new = |at: i64| at >= self.span.1 - 2 * self.step;
        let last = self.lines.iter().filter_map(|line| line.points.last()).filter(|(at, _)| is_new(*at));
        let told: Vec<String> =
            last.filter(|(_, value)| value.is_finite()).map(|(_, value)| self.unit.tell(*value)).collect();
        (!told.is_empty()).then(|| told.join(" · "))
    }

    fn values(&self) -> impl Iterator<Item = f64> + '_ {
        self.lines
            .iter()
            .flat_map(|line| line.points.iter().map(|(_, value)| *value))
            .filter(|it| it.is_finite())
    }

    /// A line as the commands that draw it. After a gap it begins anew.
    fn path(&self, line: &Line, scale: &[f64]) -> String {
        let skipped = line.points.len().saturating_sub(POINTS_MAX);
        let points: Vec<&(i64, f64)> =
            line.points.iter().skip(skipped).filter(|(_, value)| value.is_finite()).collect();
        let gap = self.gap(&points);
        let mut path = String::new();
        for (at, (time, value)) in points.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|at| points.get(at));
            let is_first = before.is_none_or(|(before, _)| time - before > gap);
            let is_last = points.get(at + 1).is_none_or(|(next, _)| next - time > gap);
            path.push(if is_first { 'M' } else { ' ' });
            let x = (self.share(*time) * WIDTH as f64).round() as i64;
            path.push_str(&format!("{x},{}", INNER - height(*value, scale)));
            if is_first && is_last {
                // A point alone.
                path.push_str("h3");
            }
        }
        path
    }

    /// The distance of points from which on there is a gap. Of older times there are fewer of them.
    fn gap(&self, points: &[&(i64, f64)]) -> i64 {
        let mut apart: Vec<i64> = points.windows(2).map(|two| two[1].0 - two[0].0).collect();
        apart.sort_unstable();
        let usual = apart.get(apart.len() / 2).copied().unwrap_or(self.step);
        usual.min(self.step * 12).max(self.step) * 2
    }

    fn marked(&self) -> Markup {
        let within = |mark: &&Mark| mark.at >= self.span.0 && mark.at <= self.span.1;
        let within: Vec<&Mark> = self.marks.iter().filter(within).collect();
        let mut last = -APART;
        let shown = within.iter().skip(within.len().saturating_sub(MARKS_MAX)).map(|mark| {
            let at = self.share(mark.at) * 100.0;
            let is_apart = at - last >= APART;
            if is_apart {
                last = at;
            }
            (mark, self.percent(mark.at), is_apart)
        });
        html! {
            @for (mark, x, is_apart) in shown {
                a #{ (self.key) "-" (mark.id) } href=(mark.path) {
                    title { (mark.title) }
                    line.mark x1=(x) x2=(x) y1=(ABOVE - 2) y2=(ABOVE + INNER) {}
                    @if is_apart { text.mark x=(x) y=(ABOVE - 5) text-anchor="middle" { (mark.word) } }
                }
            }
        }
    }

    /// Where a moment is, from 0 to 1.
    fn share(&self, at: i64) -> f64 {
        let (from, until) = self.span;
        ((at - from) as f64 / (until - from).max(1) as f64).clamp(0.0, 1.0)
    }

    fn percent(&self, at: i64) -> String {
        format!("{:.1}%", self.share(at) * 100.0)
    }
}

/// How the first, second and third line are dashed, as their names show it.
const DASHES: [&str; 3] = ["━━", "╍╍", "┅┅"];

/// How high a value is drawn, in pixels.
fn height(value: f64, scale: &[f64]) -> i64 {
    let top = scale.last().copied().filter(|top| *top > 0.0).unwrap_or(1.0);
    ((value / top).clamp(0.0, 1.0) * INNER as f64).round() as i64
}

fn moment(at: i64, form: &str) -> String {
    Timestamp::from_second(at).map(|time| time.strftime(form).to_string()).unwrap_or_default()
}

fn span(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} seconds"),
        120..7_200 => format!("{} minutes", seconds / 60),
        _ => format!("{} hours", seconds / 3_600),
    }
}
