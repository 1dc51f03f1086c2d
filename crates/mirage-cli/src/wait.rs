//! Waiting until a service is as it was asked to be.

use std::time::{Duration, Instant};

use mirage_core::{Code, Error, Result};

use super::Context;
use super::wire::{Service, Told};

const PAUSE: Duration = Duration::from_millis(50);

/// Looks at a service until `done` says so. `None`: the service is gone.
pub(crate) async fn until(
    context: &Context,
    id: &str,
    limit: Duration,
    done: impl Fn(&Service) -> bool,
) -> Result<Option<Told<Service>>> {
    let start = Instant::now();
    loop {
        let service: Told<Service> = match context.api.get_again(&format!("/api/services/{id}")).await {
            Ok(service) => service,
            Err(error) if error.code() == Code::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if done(&service) {
            return Ok(Some(service));
        }
        if start.elapsed() > limit {
            let message =
                format!("`{}` is still {} after {} s", service.name, service.status, limit.as_secs());
            return Err(Error::new(Code::DeadlineExceeded, message).hint(format!(
                "look at it with `mirage status {}` and `mirage logs {}`",
                service.name, service.name
            )));
        }
        tokio::time::sleep(PAUSE).await;
    }
}
