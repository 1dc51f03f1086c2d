//! Metrics in the text format of Prometheus (0.0.4).
//!
//! Written by hand: the format is a line a number, and the sums are already there, so a library with
//! registries and atomics of its own would only be copied into.

use std::fmt::{Display, Write};

use mirage_control::{PlatformMetrics, ServiceTotals, Totals};
use mirage_core::LATENCY_BOUNDS_MICROS;

/// What it is served as.
pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The whole page.
pub(crate) fn text(metrics: &PlatformMetrics) -> String {
    let mut page = Page::default();
    page.family("mirage_info", "gauge", "The version of the control process.");
    page.line("mirage_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.family("mirage_deployments", "gauge", "Deployments that are remembered, by phase.");
    for (phase, count) in &metrics.deployments {
        page.line("mirage_deployments", &[("phase", phase.as_str())], *count);
    }
    for (name, kind, help, value) in [
        (
            "mirage_reconcile_rounds_total",
            "counter",
            "Times that the reconciler looked at a service.",
            metrics.rounds,
        ),
        ("mirage_events_total", "counter", "The number of the newest event.", metrics.events.unsigned_abs()),
        ("mirage_proxy_connections", "gauge", "Client connections at the proxy.", metrics.connections),
        (
            "mirage_proxy_unrouted_requests_total",
            "counter",
            "Requests that no service was found for.",
            metrics.unrouted,
        ),
        ("mirage_proxy_processes", "gauge", "Proxy processes that answer.", metrics.proxies as u64),
    ] {
        page.family(name, kind, help);
        page.line(name, &[], value);
    }
    services(&mut page, &metrics.services);
    page.text
}

/// A figure of a service.
type Number = fn(&ServiceTotals) -> f64;

fn services(page: &mut Page, services: &[ServiceTotals]) {
    let numbers: [(&str, &str, &str, Number); 5] = [
        ("mirage_service_instances", "gauge", "Instances that run.", |it| f64::from(it.instances)),
        ("mirage_service_cpu_seconds_total", "counter", "Processor time.", |it| {
            it.totals.cpu_micros as f64 / 1_000_000.0
        }),
        ("mirage_service_memory_bytes", "gauge", "Memory without file cache that could be given up.", |it| {
            it.totals.memory_bytes as f64
        }),
        (
            "mirage_service_network_receive_bytes_total",
            "counter",
            "Bytes that came to the instances.",
            |it| it.totals.received_bytes as f64,
        ),
        ("mirage_service_network_transmit_bytes_total", "counter", "Bytes that the instances sent.", |it| {
            it.totals.sent_bytes as f64
        }),
    ];
    for (name, kind, help, value) in numbers {
        page.family(name, kind, help);
        for service in services {
            page.line(name, &labels(service), value(service));
        }
    }
    // Services that nobody has asked anything are left out from here on: most of a page would be zeros.
    let asked: Vec<_> = services.iter().filter(|it| !it.totals.traffic.is_empty()).collect();
    counts(
        page,
        &asked,
        "mirage_service_requests_total",
        "Responses by class of status.",
        "class",
        |totals| ["1xx", "2xx", "3xx", "4xx", "5xx"].into_iter().zip(totals.traffic.classes).collect(),
    );
    let own = "Responses that the proxy made because no instance did.";
    counts(page, &asked, "mirage_service_proxy_errors_total", own, "status", |totals| {
        ["502", "503", "504"].into_iter().zip(totals.traffic.proxy_errors).collect()
    });
    counts(page, &asked, "mirage_service_body_bytes_total", "Bytes of bodies.", "direction", |totals| {
        vec![("request", totals.traffic.bytes_in), ("response", totals.traffic.bytes_out)]
    });
    latencies(page, &asked);
}

/// A family with one more label.
fn counts(
    page: &mut Page,
    services: &[&ServiceTotals],
    name: &str,
    help: &str,
    label: &str,
    of: impl Fn(&Totals) -> Vec<(&'static str, u64)>,
) {
    page.family(name, "counter", help);
    for service in services {
        for (value, count) in of(&service.totals) {
            let [project, environment, name_label] = labels(service);
            page.line(name, &[project, environment, name_label, (label, value)], count);
        }
    }
}

fn latencies(page: &mut Page, services: &[&ServiceTotals]) {
    let name = "mirage_service_request_duration_seconds";
    page.family(name, "histogram", "Time from the head of a request to the head of its response.");
    for service in services {
        let [project, environment, service_name] = labels(service);
        let latency = service.totals.traffic.latency;
        let bounds = LATENCY_BOUNDS_MICROS.iter().map(|micros| (*micros as f64 / 1_000_000.0).to_string());
        let mut sum = 0;
        for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(latency.buckets) {
            sum += count;
            let labels = [project, environment, service_name, ("le", bound.as_str())];
            page.line(&format!("{name}_bucket"), &labels, sum);
        }
        let labels = [project, environment, service_name];
        page.line(&format!("{name}_sum"), &labels, latency.sum_micros as f64 / 1_000_000.0);
        page.line(&format!("{name}_count"), &labels, sum);
    }
}

fn labels(service: &ServiceTotals) -> [(&str, &str); 3] {
    let path = &service.service;
    [
        ("project", path.project.as_str()),
        ("environment", path.environment.as_str()),
        ("service", path.name.as_str()),
    ]
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        // Writing into a text does not fail.
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(name);
        for (at, (label, value)) in labels.iter().enumerate() {
            let _ = write!(self.text, "{}{label}=\"{}\"", if at == 0 { '{' } else { ',' }, escaped(value));
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{close} {value}");
    }
}

/// A label's value: backslash, quote and line break have a backslash before them.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_stands_in_a_label_ends_where_the_label_does() {
        let mut page = Page::default();
        page.line("x", &[("a", "one\\two\"}\nthree"), ("b", "")], 1.5);
        assert_eq!(page.text, "x{a=\"one\\\\two\\\"}\\nthree\",b=\"\"} 1.5\n");
    }
}
