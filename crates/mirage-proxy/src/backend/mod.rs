//! Connections of one worker thread to backends.

mod connect;
mod driver;
mod http1;
mod http2;
mod pool;
mod upload;

pub(crate) use connect::{ConnectError, connect};
pub(crate) use http1::{Answered, Http1, SendFailure, builder as http1_builder};
pub(crate) use http2::{Http2Sender, send as send_http2};
pub(crate) use pool::{InFlight, Pool};
pub(crate) use upload::{Progress, Upload};
