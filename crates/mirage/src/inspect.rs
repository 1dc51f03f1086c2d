//! Preflight without a platform: the registry is asked from here, anonymously.

use std::time::Instant;

use futures_util::future::BoxFuture;
use mirage_control::Inspection;
use mirage_core::port::Registry;
use mirage_core::{Error, Platform, Reference, RegistryHost, Result};
use mirage_oci::client::{Authority, RegistryClient, RegistryOptions};
use serde_json::Value;

use crate::clock::SystemRandomness;
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
    let client = RegistryClient::new(registry_options()?, seed(&SystemRandomness), None, None)?;
    let start = Instant::now();
    let image = client.resolve(&reference, &platform).await?;
    Ok(mirage_api::inspection(Inspection { image, present: false, took: start.elapsed() }))
}

/// How registries are reached from this process.
pub(crate) fn registry_options() -> Result<RegistryOptions> {
    Ok(RegistryOptions {
        plain_http: listed(env::INSECURE_REGISTRIES)
            .map(|host| host.parse::<RegistryHost>())
            .collect::<Result<_, Error>>()?,
        authorities: listed(env::REGISTRY_CA)
            .map(|file| Authority { host: None, file: file.into() })
            .collect(),
        ..RegistryOptions::default()
    })
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
