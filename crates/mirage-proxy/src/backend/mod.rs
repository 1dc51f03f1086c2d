//! Connections of one worker thread to backends.

mod connect;
mod http1;
mod http2;
mod pool;
mod upload;

pub(crate) use connect::{ConnectError, connect};
pub(crate) use http1::{Http1, Http1Error, RequestHead, write_field};
pub(crate) use http2::{Http2Sender, send as send_http2};
pub(crate) use pool::{InFlight, Pool};
pub(crate) use upload::{Progress, Upload};
