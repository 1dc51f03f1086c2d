//! Traces of deployments for a collector that speaks OTLP over HTTP with JSON (OpenTelemetry Protocol 1.x).
//!
//! Nothing depends on it: a collector that is down, slow or hostile costs a line in the log each time that changes.

mod encode;
mod endpoint;
mod export;

#[cfg(test)]
mod tests;

pub(crate) use endpoint::Endpoint;
pub(crate) use export::Exporter;
