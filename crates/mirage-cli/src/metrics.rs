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
    let share = |errors: u64, requests: u64| (requests > 0).then(|| errors as f64 / requests as f64);
    let latency = |point: &MetricPoint| point.latency.as_ref().map(|latency| latency.p95_millis);
    let row = |name: &str, values: Vec<Option<f64>>, average: Option<f64>, show: &dyn Fn(f64) -> String| {
        let most = values.iter().flatten().copied().reduce(f64::max);
        let now = values.last().copied().flatten();
        let shown = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), show);
        vec![name.to_owned(), shown(now), shown(average), shown(most), line(metrics, &values)]
    };
    let of = |name: &str, value: &dyn Fn(&MetricPoint) -> f64, show: &dyn Fn(f64) -> String| {
        let values: Vec<Option<f64>> = points.iter().map(|point| Some(value(point))).collect();
        let average = mean(&values);
        row(name, values, average, show)
    };
    let errors: Vec<_> =
        points.iter().map(|point| share(point.status.server_error, point.requests)).collect();
    let total = |of: &dyn Fn(&MetricPoint) -> u64| points.iter().map(of).sum::<u64>();
    let all_errors = share(total(&|point| point.status.server_error), total(&|point| point.requests));
    let latencies: Vec<_> = points.iter().map(latency).collect();
    let latency = mean(&latencies);
    let span = metrics.until.duration_since(metrics.since);
    let heading = format!("{} UNTIL {:#}", metrics.since.strftime("%Y-%m-%d %H:%M"), span);
    vec![
        ["", "NOW", "AVERAGE", "MOST"].into_iter().map(str::to_owned).chain([heading]).collect(),
        of("processor", &|point| point.cpu, &percent),
        of("memory", &|point| point.memory_bytes as f64, &bytes),
        of("received", &|point| rate(point.received_bytes, point), &bytes_rate),
        of("sent", &|point| rate(point.sent_bytes, point), &bytes_rate),
        of("requests", &|point| point.request_rate, &requests),
        row("5xx", errors, all_errors, &percent),
        row("p95", latencies, latency, &millis),
    ]
}

/// The mean of what is known.
fn mean(values: &[Option<f64>]) -> Option<f64> {
    let known: Vec<f64> = values.iter().flatten().copied().collect();
    (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
}

/// How a figure went, a column for each part of the time asked for; a space where nothing is known.
fn line(metrics: &Metrics, values: &[Option<f64>]) -> String {
    let begin = metrics.since.as_second();
    let length = (metrics.until.as_second() - begin).max(1);
    let mut columns: [Option<f64>; WIDTH] = [None; WIDTH];
    for (point, value) in metrics.points.iter().zip(values) {
        let Some(value) = value else { continue };
        let at = (point.time.as_second() - begin).max(0) * WIDTH as i64 / length;
        let column = usize::try_from(at).unwrap_or(0).min(WIDTH - 1);
        columns[column] = Some(columns[column].unwrap_or(0.0).max(*value));
    }
    let most = values.iter().flatten().copied().fold(0.0, f64::max);
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
        let drawn = line(&metrics, &[0.0, 0.5, 1.0].map(Some));
        assert_eq!(drawn, format!("▁{}▅{}█", " ".repeat(19), " ".repeat(18)));
        let table = table(&metrics);
        assert_eq!(table[1][..4], ["processor", "100.0 %", "50.0 %", "100.0 %"]);
        assert_eq!(table[5][1..4], ["0.0/s", "0.0/s", "0.0/s"]);
    }

    #[test]
    fn an_average_is_of_what_is_known_and_errors_are_a_share_of_all_requests() {
        let point = |second: i64, requests: u64, errors: u64, p95: Option<f64>| {
            serde_json::json!({
                "time": jiff::Timestamp::from_second(second).unwrap(), "seconds": 60, "cpu": 0.0, "memoryBytes": 1,
                "receivedBytes": 0, "sentBytes": 0, "requests": requests, "requestRate": 0.0, "status": {"5xx": errors},
                "latency": p95.map(|millis| serde_json::json!({"p95Millis": millis})),
            })
        };
        let points = [point(0, 1, 1, Some(30.0)), point(60, 99, 0, Some(10.0)), point(120, 0, 0, None)];
        let text = serde_json::json!({
            "since": jiff::Timestamp::UNIX_EPOCH, "until": jiff::Timestamp::from_second(180).unwrap(), "points": points,
        });
        let table = table(&serde_json::from_value(text).unwrap());
        assert_eq!(table[6][..4], ["5xx", "-", "1.0 %", "100.0 %"]);
        assert_eq!(table[7][..4], ["p95", "-", "20.0 ms", "30.0 ms"]);
        assert!(table[7][4].ends_with(' '), "nothing is drawn where nothing is known");
    }
}
