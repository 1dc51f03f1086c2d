//! Who is told how deployments went.

use crate::trace::Span;

/// A tracing system, seen from the control plane.
pub trait TraceSink: Send + Sync {
    /// Takes these spans. Never waits: what there is no room for is lost, and nothing depends on it.
    fn accept(&self, spans: Vec<Span>);
}
