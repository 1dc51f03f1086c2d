//! `mirage metrics NAME`

use clap::Args;
use mirage_core::{Result, human_bytes};

use super::Context;
use super::api::segment;
use super::args::{seconds, since};
use super::wire::{MetricPoint, Metrics, Told};

/// Columns of a line that is drawn.
const WIDTH: usize = 40;

/// From nothing to the most.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Show what a service did and used
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mirage metrics web\n  mirage metrics web --since 7d --step 6h --json")]
pub struct MetricsArgs {
    /// The service: a name, an id, or project/environment/name
    name: String,
    /// Since this time, or so long ago: 10m, 2h, 7d (default: 1h)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Until this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// How long a point is, 10s at least
    #[arg(long, value_name = "SPAN", value_parser = seconds)]
    step: Option<f64>,
}

pub(crate) async fn run(args: MetricsArgs, context: Context) -> Result<()> {
    let now = context.surroundings.clock.now();
    let mut path = format!("/api/services/{}/metrics?", segment(&args.name));
    for (name, text) in [("since", &args.since), ("until", &args.until)] {
        if let Some(text) = text {
            path += &format!("{name}={}&", segment(&since(text, now)?.to_string()));
        }
    }
    if let Some(step) = args.step {
        path += &format!("step={}", step.ceil() as u64);
    }
    let metrics: Told<Metrics> = context.api.get(path.trim_end_matches(['?', '&'])).await?;
    if context.printer.json {
        context.printer.json(&metrics);
        return Ok(());
    }
    if metrics.points.is_empty() {
        context
            .printer
            .note("nothing is known of this time: metrics begin some seconds after the first instance");
        return Ok(());
    }
    context.printer.table(&table(&metrics));
    Ok(())
}

/// A row a figure: now, the average, the most, and how it went.
fn table(metrics: &Metrics) -> Vec<Vec<String>> {
    let points = &metrics.points;
    let rate = |bytes: u64, point: &MetricPoint| bytes as f64 / f64::from(point.seconds.max(1));
    let percent = |cores: f64| format!("{:.1} %", cores * 100.0);
    let bytes = |bytes: f64| human_bytes(bytes as u64);
    let bytes_rate = |bytes: f64| format!("{}/s", human_bytes(bytes as u64));
    let requests = |rate: f64| format!("{rate:.1}/s");
    let millis = |millis: f64| format!("{millis:.1} ms");
    let errors = |point: &MetricPoint| match point.requests {
        0 => 0.0,
        requests => point.status.server_error as f64 / requests as f64,
    };
    let of = |name: &str, value: &dyn Fn(&MetricPoint) -> f64, show: &dyn Fn(f64) -> String| {
        let values: Vec<f64> = points.iter().map(value).collect();
        let most = values.iter().copied().fold(0.0, f64::max);
        let average = values.iter().sum::<f64>() / values.len() as f64;
        let now = values.last().copied().unwrap_or(0.0);
        vec![name.to_owned(), show(now), show(average), show(most), line(metrics, &values)]
    };
    let span = metrics.until.duration_since(metrics.since);
    let heading = format!("{} UNTIL {:#}", metrics.since.strftime("%Y-%m-%d %H:%M"), span);
    vec![
        ["", "NOW", "AVERAGE", "MOST"].into_iter().map(str::to_owned).chain([heading]).collect(),
        of("processor", &|point| point.cpu, &percent),
        of("memory", &|point| point.memory_bytes as f64, &bytes),
        of("received", &|point| rate(point.received_bytes, point), &bytes_rate),
        of("sent", &|point| rate(point.sent_bytes, point), &bytes_rate),
        of("requests", &|point| point.request_rate, &requests),
        of("5xx", &errors, &percent),
        of("p95", &|point| point.latency.as_ref().map_or(0.0, |latency| latency.p95_millis), &millis),
    ]
}

/// How a figure went, a column for each part of the time asked for; a space where nothing is known.
fn line(metrics: &Metrics, values: &[f64]) -> String {
    let begin = metrics.since.as_second();
    let length = (metrics.until.as_second() - begin).max(1);
    let mut columns: [Option<f64>; WIDTH] = [None; WIDTH];
    for (point, value) in metrics.points.iter().zip(values) {
        let at = (point.time.as_second() - begin).max(0) * WIDTH as i64 / length;
        let column = usize::try_from(at).unwrap_or(0).min(WIDTH - 1);
        columns[column] = Some(columns[column].unwrap_or(0.0).max(*value));
    }
    let most = values.iter().copied().fold(0.0, f64::max);
    let bar = |value: f64| match most > 0.0 {
        true => BARS[((value / most * 7.0).round() as usize).min(7)],
        false => BARS[0],
    };
    columns.iter().map(|value| value.map_or(' ', bar)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_high_as_the_most_and_empty_where_nothing_is_known() {
        let points: Vec<_> = [(0, 0.0), (1_800, 0.5), (3_599, 1.0)]
            .map(|(second, cpu)| {
                serde_json::json!({
                    "time": jiff::Timestamp::from_second(second).unwrap(), "seconds": 60, "cpu": cpu, "memoryBytes": 1,
                    "receivedBytes": 0, "sentBytes": 0, "requests": 0, "requestRate": 0.0, "status": {"5xx": 0},
                })
            })
            .into();
        let text = serde_json::json!({
            "since": jiff::Timestamp::UNIX_EPOCH, "until": jiff::Timestamp::from_second(3_600).unwrap(), "points": points,
        });
        let metrics: Metrics = serde_json::from_value(text).unwrap();
        let drawn = line(&metrics, &[0.0, 0.5, 1.0]);
        assert_eq!(drawn, format!("▁{}▅{}█", " ".repeat(19), " ".repeat(18)));
        let table = table(&metrics);
        assert_eq!(table[1][..4], ["processor", "100.0 %", "50.0 %", "100.0 %"]);
        assert_eq!(table[5][1..4], ["0.0/s", "0.0/s", "0.0/s"]);
    }
}
