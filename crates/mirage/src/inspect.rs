//! Preflight without a platform: the registry is asked from here, anonymously.

use std::time::Instant;

use mirage_control::Inspection;
use mirage_core::port::Registry;
use mirage_core::{Error, Platform, Reference, RegistryHost, Result};
use mirage_oci::client::{Authority, RegistryClient, RegistryOptions};

use crate::cli::wire::{InspectImage, Inspection as Answer, Told};
use crate::clock::SystemRandomness;
use crate::config::env;
use crate::platform::seed;

/// What an image is, asked from this process.
pub(crate) async fn locally(request: InspectImage) -> Result<Told<Answer>> {
    let reference: Reference = request.image.parse()?;
    let platform = match &request.platform {
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
    let image = client.resolve(&reference, &platform).await?;
    let found = mirage_api::inspection(Inspection { image, present: false, took: start.elapsed() });
    serde_json::from_value(found).map_err(|error| Error::internal("show what was found", error))
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
