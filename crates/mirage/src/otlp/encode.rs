//! Spans as the JSON of OTLP: identities are hexadecimal, 64-bit numbers are texts.

use jiff::Timestamp;
use mirage_core::{Span, SpanOutcome, SpanValue};
use serde_json::{Value, json};

/// The longest text of an attribute, in characters.
const LONGEST: usize = 1000;
/// `SPAN_KIND_INTERNAL`
const INTERNAL: u32 = 1;

/// One `ExportTraceServiceRequest`.
pub(super) fn request(spans: &[Span]) -> Value {
    let version = env!("CARGO_PKG_VERSION");
    json!({"resourceSpans": [{
        "resource": {"attributes": [text("service.name", "mirage"), text("service.version", version)]},
        "scopeSpans": [{
            "scope": {"name": "mirage", "version": version},
            "spans": spans.iter().map(span).collect::<Vec<_>>(),
        }],
    }]})
}

fn span(span: &Span) -> Value {
    let attributes = span.attributes.iter().map(|(name, value)| match value {
        SpanValue::Text(value) => text(name, value),
        SpanValue::Number(value) => json!({"key": name, "value": {"intValue": value.to_string()}}),
    });
    let mut told = json!({
        "traceId": hex(&span.trace),
        "spanId": hex(&span.id),
        "name": clip(&span.name),
        "kind": INTERNAL,
        "startTimeUnixNano": nanoseconds(span.started_at),
        "endTimeUnixNano": nanoseconds(span.ended_at),
        "attributes": attributes.collect::<Vec<_>>(),
        "status": match span.outcome {
            SpanOutcome::Open => json!({}),
            SpanOutcome::Good => json!({"code": 1}),
            SpanOutcome::Bad(None) => json!({"code": 2}),
            SpanOutcome::Bad(Some(code)) => json!({"code": 2, "message": code.as_str()}),
        },
    });
    if let Some(parent) = span.parent {
        told["parentSpanId"] = hex(&parent).into();
    }
    told
}

fn text(name: &str, value: &str) -> Value {
    json!({"key": name, "value": {"stringValue": clip(value)}})
}

fn clip(text: &str) -> &str {
    text.char_indices().nth(LONGEST).map_or(text, |(end, _)| &text[..end])
}

/// Since 1970. There is no time before that in OTLP.
fn nanoseconds(time: Timestamp) -> String {
    time.as_nanosecond().max(0).to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use mirage_core::Code;

    use super::*;

    #[test]
    fn a_span_is_told_in_the_words_of_the_protocol() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let part = Span {
            trace: [0xab; 16],
            id: [0, 0, 0, 0, 0, 0, 1, 2],
            parent: Some([0, 0, 0, 0, 0, 0, 1, 1]),
            name: "start".into(),
            started_at: at("2026-11-22T01:00:00.000001Z"),
            ended_at: at("2026-11-22T01:00:00.25Z"),
            attributes: vec![
                ("mirage.service", SpanValue::Text("ä".repeat(2000))),
                ("mirage.revision", SpanValue::Number(i64::MAX)),
            ],
            outcome: SpanOutcome::Bad(Some(Code::StartFailed)),
        };
        let whole = Span { parent: None, outcome: SpanOutcome::Good, attributes: Vec::new(), ..part.clone() };
        let told = request(&[whole, part]);
        let resource = &told["resourceSpans"][0]["resource"]["attributes"];
        assert_eq!(resource[0], json!({"key": "service.name", "value": {"stringValue": "mirage"}}));
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(resource[1], json!({"key": "service.version", "value": {"stringValue": version}}));
        let spans = &told["resourceSpans"][0]["scopeSpans"][0]["spans"];
        assert_eq!(
            spans[0],
            json!({
                "traceId": "abababababababababababababababab",
                "spanId": "0000000000000102",
                "name": "start",
                "kind": 1,
                "startTimeUnixNano": "1795309200000001000",
                "endTimeUnixNano": "1795309200250000000",
                "attributes": [],
                "status": {"code": 1},
            })
        );
        assert_eq!(spans[1]["parentSpanId"], "0000000000000101");
        assert_eq!(spans[1]["status"], json!({"code": 2, "message": "START_FAILED"}));
        let [service, revision] = &spans[1]["attributes"].as_array().unwrap()[..] else { panic!("two") };
        assert_eq!(service["value"]["stringValue"].as_str().unwrap(), "ä".repeat(1000));
        assert_eq!(
            *revision,
            json!({"key": "mirage.revision", "value": {"intValue": "9223372036854775807"}})
        );
    }
}
