//! Preflight without a platform: the registry is asked from here, anonymously.

use std::time::Instant;

use futures_util::future::BoxFuture;
use mirage_control::Inspection;
use mirage_core::port::{Clock, Registry};
use mirage_core::{Error, Platform, Reference, RegistryHost, Result, Stock};
use mirage_oci::client::{Authority, RegistryClient, RegistryOptions};
use serde_json::Value;

use crate::clock::{SystemClock, SystemRandomness};
use crate::platform::seed;
use mirage_cli::config::env;

/// What an image is, asked from this process; the answer is the API's.
pub(crate) fn locally(image: String, platform: Option<String>) -> BoxFuture<'static, Result<Value>> {
    Box::pin(inspect(image, platform))
}

async fn inspect(image: String, platform: Option<String>) -> Result<Value> {
    let reference: Reference = image.parse()?;
    let platform = match &platform {
        Some(text) => text.parse()?,
        None => Platform::linux(std::env::consts::ARCH),
    };
    let options = RegistryOptions {
        plain_http: listed(env::INSECURE_REGISTRIES)
            .map(|host| host.parse::<RegistryHost>())
            .collect::<Result<_, Error>>()?,
        authorities: listed(env::REGISTRY_CA)
            .map(|file| Authority { host: None, file: file.into() })
            .collect(),
        ..RegistryOptions::default()
    };
    let client = RegistryClient::new(options, seed(&SystemRandomness), None, None)?;
    let start = Instant::now();
    let seen = client.inspect(&reference, &platform).await?;
    // What would be there to run it is not known; only what it says of itself is judged.
    let (target, now) = (Platform::linux(std::env::consts::ARCH), SystemClock.now());
    let found = Inspection::new(seen, Stock::default(), &target, now, start.elapsed());
    Ok(mirage_api::inspection(found))
}

fn listed(name: &str) -> impl Iterator<Item = String> {
    let text = env::read(name).unwrap_or_default();
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .into_iter()
}
