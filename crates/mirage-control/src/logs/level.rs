//! How grave a line says it is, where it is JSON as programs write it.

use std::str::FromStr;

use mirage_core::{Code, Error};
use serde::Deserialize;
use serde_json::Value;

/// How grave, from the least on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Every step.
    Trace,
    /// For whoever looks for a mistake.
    Debug,
    /// What usually happens.
    Info,
    /// What may become a problem.
    Warn,
    /// A problem.
    Error,
    /// The end.
    Fatal,
}

/// Where programs write it. Other fields are passed over.
#[derive(Deserialize)]
struct Said {
    level: Option<Value>,
    severity: Option<Value>,
    lvl: Option<Value>,
    #[serde(rename = "log.level")]
    dotted: Option<Value>,
    log: Option<Value>,
}

impl LogLevel {
    /// The level that a line says it has: `level`, `severity`, `lvl`, or `log.level` of a JSON object, as a
    /// word or as a number of pino and bunyan.
    pub fn of(line: &str) -> Option<Self> {
        let line = line.trim_start();
        if !line.starts_with('{') {
            return None;
        }
        let said: Said = serde_json::from_str(line).ok()?;
        let nested = said.log.as_ref().and_then(|log| log.get("level"));
        let all =
            [said.level.as_ref(), said.severity.as_ref(), said.lvl.as_ref(), said.dotted.as_ref(), nested];
        all.into_iter().flatten().find_map(Self::from_value)
    }

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::String(word) => match word.parse() {
                Ok(number) => Self::from_number(number),
                Err(_) => Self::from_word(word),
            },
            Value::Number(number) => Self::from_number(number.as_i64()?),
            _ => None,
        }
    }

    /// Levels of pino and bunyan, and those between them.
    fn from_number(number: i64) -> Option<Self> {
        match number {
            10..20 => Some(Self::Trace),
            20..30 => Some(Self::Debug),
            30..40 => Some(Self::Info),
            40..50 => Some(Self::Warn),
            50..60 => Some(Self::Error),
            60..=100 => Some(Self::Fatal),
            _ => None,
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        // No word is longer, and a line may have a megabyte here.
        let word = word.get(..word.len().min(16))?.to_ascii_lowercase();
        match word.as_str() {
            "trace" | "verbose" => Some(Self::Trace),
            "debug" | "dbg" => Some(Self::Debug),
            "info" | "information" | "notice" | "default" => Some(Self::Info),
            "warn" | "warning" | "wrn" => Some(Self::Warn),
            "error" | "err" | "severe" => Some(Self::Error),
            "fatal" | "critical" | "crit" | "panic" | "alert" | "emergency" | "emerg" => Some(Self::Fatal),
            _ => None,
        }
    }
}

impl FromStr for LogLevel {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::from_word(text).ok_or_else(|| {
            Error::new(Code::InvalidRequest, "`level` is not a level of logs")
                .field("level")
                .hint("one of trace, debug, info, warn, error and fatal; lines of worse levels are shown too")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_say_their_level_in_many_ways() {
        for (line, level) in [
            (r#"{"level":"info","msg":"x"}"#, Some("info")),
            (r#"  {"level":50,"time":1}"#, Some("error")),
            (r#"{"severity":"WARNING"}"#, Some("warn")),
            (r#"{"lvl":"crit"}"#, Some("fatal")),
            (r#"{"log.level":"DEBUG"}"#, Some("debug")),
            (r#"{"log":{"level":"trace"}}"#, Some("trace")),
            (r#"{"level":"30"}"#, Some("info")),
            (r#"{"level":null,"severity":"error"}"#, Some("error")),
            (r#"{"level":"loud"}"#, None),
            (r#"{"level":3}"#, None),
            (r#"{"level":{"a":1}}"#, None),
            (r#"{"msg":"level"}"#, None),
            (r#"{"level":"info""#, None),
            ("level=info", None),
            ("", None),
        ] {
            assert_eq!(LogLevel::of(line).map(LogLevel::as_str), level, "{line}");
        }
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        assert_eq!(LogLevel::of(&deep), None, "depth is limited");
        assert_eq!(LogLevel::of(&format!("{{\"level\":\"{}\"}}", "ü".repeat(100))), None);
    }
}
