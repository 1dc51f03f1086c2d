//! What is said over a shim's socket: a line of JSON each.
//!
//! A shim sends its [`super::ShimState`] to whoever connects and again after every change; the last
//! one is `exited`, then it closes. A client sends [`Request`]s and gets no answer to them but the
//! changed state.

use serde::{Deserialize, Serialize};

/// The longest line either side accepts, in bytes, line break included.
pub(super) const MAX_LINE: usize = 16 * 1024;

/// What a client asks of a shim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Request {
    /// `{"stop":{"signal":15,"graceMillis":10000}}`: signal the first process, wait, then kill
    /// everything. Asked again, the earlier deadline wins.
    Stop {
        /// Signal number; without it the image's stop signal.
        #[serde(default)]
        signal: Option<i32>,
        /// Milliseconds until the kill.
        grace_millis: u64,
    },
    /// `{"kill":{}}`: kill everything now.
    Kill {},
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_look_the_way_they_are_documented() {
        let read = |text| serde_json::from_str::<Request>(text).unwrap();
        let stop = Request::Stop { signal: Some(15), grace_millis: 10_000 };
        assert_eq!(serde_json::to_string(&stop).unwrap(), r#"{"stop":{"signal":15,"graceMillis":10000}}"#);
        assert_eq!(read(r#"{"stop":{"graceMillis":5}}"#), Request::Stop { signal: None, grace_millis: 5 });
        assert_eq!(read(r#"{"kill":{}}"#), Request::Kill {});
        assert!(serde_json::from_str::<Request>(r#"{"bye":true}"#).is_err());
    }
}
