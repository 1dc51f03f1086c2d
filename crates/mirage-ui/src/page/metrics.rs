//! `/projects/{project}/{environment}/{service}/metrics`: what a service does and uses.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{Html, Response};
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use mirage_control::{
    Actor, Control, DeploymentView, EventSearch, MetricQuery, MetricSeries, ServiceRef, ServiceView,
};
use mirage_core::{Code, Error, Figures, MetricPoint, Result};
use serde::Deserialize;

use super::At;
use super::service::{Named, Tab, named, service_frame};
use crate::chart::{Chart, Line, Mark, Unit};
use crate::fault::{Fault, unreadable};
use crate::link;
use crate::live::{Pieces, follow, live};
use crate::visitor::Visitor;

/// Times that can be looked at: as an address names them, in words, in seconds.
const SPANS: [(&str, &str, i64); 4] = [
    ("1h", "1 hour", 3_600),
    ("6h", "6 hours", 21_600),
    ("24h", "24 hours", 86_400),
    ("7d", "7 days", 604_800),
];
/// Deployments that are looked at for marks.
const DEPLOYMENTS: u32 = 20;
/// Classes of status, and their colours.
const CLASSES: [(&str, &str); 5] =
    [("1xx", "s5"), ("2xx", "s1"), ("3xx", "s0"), ("4xx", "s2"), ("5xx", "s3")];

/// Which time is wanted.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    span: Option<String>,
}

/// `GET /projects/{project}/{environment}/{service}/metrics`
pub(crate) async fn page(
    State(control): State<Control>,
    visitor: Visitor,
    At(at): At<Named>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Html<String>, Fault> {
    let (name, words, seconds) = span(wanted)?;
    let view = named(&control, &visitor, at).await?;
    let shown = Shown::of(&control, visitor.actor(), &ServiceRef::Id(view.service.id), seconds).await?;
    let path = format!("{}/metrics", link::service(&view));
    let body = html! {
        nav.tabs aria-label="Time" {
            ul {
                @for (known, label, _) in SPANS {
                    li {
                        a href=(format!("{path}?span={known}")) aria-current=[(known == name).then_some("page")] {
                            (label)
                        }
                    }
                }
            }
        }
        (shown.markup(&view, words))
    };
    let stream = format!("/live{path}?span={name}");
    let twin = [format!("mirage metrics {} --since {name}", link::spoken(&view))];
    Ok(service_frame(&view, &visitor, Tab::Metrics, control.now(), (Some(&stream), &twin), &body))
}

/// `GET /live/projects/{project}/{environment}/{service}/metrics`
pub(crate) async fn stream(
    State(control): State<Control>,
    visitor: Visitor,
    At(at): At<Named>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Fault> {
    let (_, words, seconds) = span(wanted)?;
    let view = named(&control, &visitor, at).await?;
    let id = ServiceRef::Id(view.service.id);
    let search = EventSearch { service: Some(id.clone()), ..EventSearch::default() };
    let (asked, actor) = (control.clone(), visitor.actor().clone());
    let render = move || {
        let (control, actor, id, view) = (asked.clone(), actor.clone(), id.clone(), view.clone());
        async move {
            let shown = Shown::of(&control, &actor, &id, seconds).await?;
            Ok(Pieces { pieces: shown.pieces(&view, words), ..Pieces::default() })
        }
    };
    follow(&control, &visitor, &search, render).await
}

/// What is known.
struct Shown {
    series: MetricSeries,
    marks: Vec<Mark>,
}

impl Shown {
    async fn of(control: &Control, actor: &Actor, wanted: &ServiceRef, seconds: i64) -> Result<Self> {
        let until = control.now();
        let since = until.checked_sub(SignedDuration::from_secs(seconds));
        let since = since.map_err(|error| Error::internal("tell the time", error))?;
        let query = MetricQuery { since: Some(since), until: Some(until), step_seconds: None };
        let series = control.metrics(actor, wanted, &query).await?;
        let deployments = control.deployments(actor, wanted, None, DEPLOYMENTS).await?;
        let mut marks: Vec<Mark> = deployments.items.iter().map(mark).collect();
        marks.sort_by_key(|mark| mark.at);
        Ok(Self { series, marks })
    }

    /// The charts, each in the element that a stream changes. The table of one stays open when it does.
    fn markup(&self, view: &ServiceView, words: &str) -> Markup {
        let charts = self.charts();
        html! {
            (live("metrics-state", &self.state(view, words)))
            div.charts {
                @for chart in &charts {
                    div.chart {
                        (live(chart.key, &chart.picture()))
                        details {
                            summary { "Numbers" }
                            (live(&format!("{}-numbers", chart.key), &chart.table()))
                        }
                    }
                }
            }
        }
    }

    /// The same, by the ids of the elements.
    fn pieces(&self, view: &ServiceView, words: &str) -> Vec<(String, Markup)> {
        let charts = self.charts();
        let of = |chart: &Chart<'_>| {
            [(chart.key.to_owned(), chart.picture()), (format!("{}-numbers", chart.key), chart.table())]
        };
        let state = ("metrics-state".to_owned(), self.state(view, words));
        std::iter::once(state).chain(charts.iter().flat_map(of)).collect()
    }

    /// What is to be said about all of them.
    fn state(&self, view: &ServiceView, words: &str) -> Markup {
        // Nobody says “the last 1 hour”.
        let span_in_words = words.strip_prefix("1 ").unwrap_or(words);
        html! {
            @if self.series.points.is_empty() {
                div.empty {
                    p { strong { "Nothing is known of the last " (span_in_words) "." } }
                    p {
                        "While instances of " (view.service.name) " run, what they do and use is looked at every ten \
                         seconds and kept for a week. "
                        @if view.instances.is_empty() { "None runs now: " } @else { "The first numbers are on their way: " }
                        code { "mirage status " (link::spoken(view)) }
                    }
                }
            } @else {
                p.quiet { "The last " (span_in_words) ", a point for each " (step(self.series.step_seconds)) ". Times are UTC." }
            }
        }
    }

    fn charts(&self) -> [Chart<'_>; 5] {
        let one = |name, class, of: &dyn Fn(&MetricPoint) -> Option<f64>| self.line(name, class, of);
        let quantile = |share: f64| {
            move |point: &MetricPoint| {
                point.figures.traffic.latency.quantile(share).map(|micros| micros as f64 / 1_000.0)
            }
        };
        let bytes = |of: fn(&Figures) -> u64| {
            move |point: &MetricPoint| Some(a_second(of(&point.figures) as f64, point))
        };
        let cpu = |point: &MetricPoint| Some(a_second(point.figures.cpu_micros as f64 / 1e6, point));
        let memory = |point: &MetricPoint| Some(point.figures.memory_bytes as f64);
        let (received, sent) = (bytes(|it| it.received_bytes), bytes(|it| it.sent_bytes));
        let latency = [("p50", "s0", 0.5), ("p95", "s4", 0.95), ("p99", "s2", 0.99)]
            .map(|(name, class, share)| self.line(name, class, &quantile(share)));
        [
            self.chart("cpu", "Processors", Unit::Processors, vec![one("used", "s0", &cpu)]),
            self.chart("memory", "Memory", Unit::Bytes, vec![one("held", "s5", &memory)]),
            self.chart("requests", "Requests", Unit::Rate, self.requests()),
            self.chart("latency", "Latency", Unit::Millis, latency.into()),
            self.chart(
                "network",
                "Network",
                Unit::ByteRate,
                vec![one("received", "s0", &received), one("sent", "s1", &sent)],
            ),
        ]
    }

    /// A line for each class of status that there was.
    fn requests(&self) -> Vec<Line> {
        let was_there =
            |class: usize| self.series.points.iter().any(|it| it.figures.traffic.classes[class] > 0);
        let line = |(class, (name, colour)): (usize, (&'static str, &'static str))| {
            self.line(name, colour, &|it| Some(a_second(it.figures.traffic.classes[class] as f64, it)))
        };
        CLASSES.into_iter().enumerate().filter(|(class, _)| was_there(*class)).map(line).collect()
    }

    fn line(
        &self,
        name: &'static str,
        class: &'static str,
        of: &dyn Fn(&MetricPoint) -> Option<f64>,
    ) -> Line {
        let point = |point: &MetricPoint| Some((point.time.as_second(), of(point)?));
        Line { name, class, points: self.series.points.iter().filter_map(point).collect() }
    }

    fn chart(&self, key: &'static str, title: &'static str, unit: Unit, lines: Vec<Line>) -> Chart<'_> {
        let span = (self.series.since.as_second(), self.series.until.as_second());
        let step = i64::from(self.series.step_seconds);
        Chart { key, title, unit, span, step, lines, marks: &self.marks }
    }
}

fn mark(view: &DeploymentView) -> Mark {
    let deployment = &view.deployment;
    let (number, at) = (deployment.revision, deployment.created_at);
    Mark {
        id: deployment.id.to_string(),
        at: at.as_second(),
        word: format!("#{number}"),
        title: format!("{} of #{number}, {}, {}", deployment.trigger, deployment.phase, told(at)),
        path: link::deployment(deployment.id),
    }
}

fn told(at: Timestamp) -> String {
    format!("{at:.0}")
}

fn a_second(number: f64, point: &MetricPoint) -> f64 {
    number / f64::from(point.seconds.max(1))
}

fn step(seconds: u32) -> String {
    match seconds {
        ..60 => format!("{seconds} seconds"),
        60 => "minute".into(),
        61..3_600 => format!("{} minutes", seconds / 60),
        3_600 => "hour".into(),
        _ => format!("{} hours", seconds / 3_600),
    }
}

fn span(wanted: Result<Query<Wanted>, QueryRejection>) -> Result<(&'static str, &'static str, i64)> {
    let Query(wanted) = wanted.map_err(|_| unreadable("what follows `?` in the address"))?;
    let Some(text) = wanted.span else { return Ok(SPANS[0]) };
    let known = SPANS.into_iter().find(|(name, _, _)| *name == text);
    known.ok_or_else(|| {
        Error::new(Code::InvalidRequest, "`span` is no time that is shown").hint("1h, 6h, 24h or 7d")
    })
}
