//! Metrics in answers.

use jiff::Timestamp;
use mirage_control::MetricSeries;
use mirage_core::MetricPoint;
use serde::Serialize;
use utoipa::ToSchema;

/// What a service did and used.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metrics {
    /// From when on.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// Until when.
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
    /// Seconds that a point stands for. Of older times there are fewer and longer ones.
    step_seconds: u32,
    /// The stretches of time of which something is known, oldest first.
    points: Vec<Point>,
}

/// A service in a stretch of time, all its instances together.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Point {
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// Seconds of it that were looked at; rates are over these.
    seconds: u32,
    /// Processors in use on average: 1.5 is one and a half.
    cpu: f64,
    /// The most memory held at once, in bytes, without the file cache that could be given up.
    memory_bytes: u64,
    /// Bytes that came in over the network of the instances.
    received_bytes: u64,
    /// Bytes that went out over it.
    sent_bytes: u64,
    /// Requests through the proxy.
    requests: u64,
    /// Requests a second.
    request_rate: f64,
    /// Responses by class of status.
    status: Classes,
    /// Responses among them that the proxy made because no instance did.
    proxy_errors: ProxyErrors,
    /// Bytes of request bodies.
    request_bytes: u64,
    /// Bytes of response bodies.
    response_bytes: u64,
    /// Time to the head of the response; absent without requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency: Option<Latency>,
}

/// Responses by class of status.
#[derive(Serialize, ToSchema)]
struct Classes {
    /// Connections that left HTTP.
    #[serde(rename = "1xx")]
    informational: u64,
    /// Success.
    #[serde(rename = "2xx")]
    success: u64,
    /// Elsewhere.
    #[serde(rename = "3xx")]
    redirection: u64,
    /// The client's fault.
    #[serde(rename = "4xx")]
    client_error: u64,
    /// The service's fault, or the proxy's.
    #[serde(rename = "5xx")]
    server_error: u64,
}

/// Responses that the proxy made because no instance did.
#[derive(Serialize, ToSchema)]
struct ProxyErrors {
    /// The instance refused or broke off.
    #[serde(rename = "502")]
    bad_gateway: u64,
    /// There was no instance.
    #[serde(rename = "503")]
    unavailable: u64,
    /// The instance took too long.
    #[serde(rename = "504")]
    timeout: u64,
}

/// Milliseconds that this share of the requests did not exceed, from buckets of doubling width.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Latency {
    /// Half of them.
    p50_millis: f64,
    /// 95 of a hundred.
    p95_millis: f64,
    /// 99 of a hundred.
    p99_millis: f64,
    /// On average.
    mean_millis: f64,
}

impl From<MetricSeries> for Metrics {
    fn from(series: MetricSeries) -> Self {
        let points = series.points.into_iter().map(Point::from).collect();
        Self { since: series.since, until: series.until, step_seconds: series.step_seconds, points }
    }
}

impl From<MetricPoint> for Point {
    fn from(MetricPoint { time, seconds, figures }: MetricPoint) -> Self {
        let traffic = figures.traffic;
        let per_second = |number: f64| number / f64::from(seconds.max(1));
        let [informational, success, redirection, client_error, server_error] = traffic.classes;
        let [bad_gateway, unavailable, timeout] = traffic.proxy_errors;
        let requests = traffic.requests();
        let millis = |micros: u64| micros as f64 / 1_000.0;
        let quantile = |share| traffic.latency.quantile(share).map(millis);
        let latency = || {
            Some(Latency {
                p50_millis: quantile(0.5)?,
                p95_millis: quantile(0.95)?,
                p99_millis: quantile(0.99)?,
                mean_millis: millis(traffic.latency.sum_micros)
                    / traffic.latency.buckets.iter().sum::<u64>() as f64,
            })
        };
        Self {
            time,
            seconds,
            cpu: per_second(figures.cpu_micros as f64 / 1_000_000.0),
            memory_bytes: figures.memory_bytes,
            received_bytes: figures.received_bytes,
            sent_bytes: figures.sent_bytes,
            requests,
            request_rate: per_second(requests as f64),
            status: Classes { informational, success, redirection, client_error, server_error },
            proxy_errors: ProxyErrors { bad_gateway, unavailable, timeout },
            request_bytes: traffic.bytes_in,
            response_bytes: traffic.bytes_out,
            latency: latency(),
        }
    }
}
