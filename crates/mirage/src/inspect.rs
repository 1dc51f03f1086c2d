//! Preflight without a platform: the registry is asked from here.

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::BoxFuture;
use mirage_control::Inspection;
use mirage_core::port::{Clock, Registry};
use mirage_core::{
    Code, CredentialChange, CredentialOutcome, Error, Platform, Reference, RegistryHost, Result, Stock,
};
use mirage_oci::client::{RegistryClient, RegistryOptions};
use serde_json::Value;

use crate::clock::{SystemClock, SystemRandomness};
use crate::platform::{authority, seed};
use mirage_cli::config::env;

/// What an image is, asked from this process; the answer is the API's.
pub(crate) fn locally(
    image: String,
    platform: Option<String>,
    login: CredentialChange,
) -> BoxFuture<'static, Result<Value>> {
    Box::pin(inspect(image, platform, login))
}

async fn inspect(image: String, platform: Option<String>, login: CredentialChange) -> Result<Value> {
    let reference: Reference = image.parse()?;
    let platform = match &platform {
        Some(text) => text.parse()?,
        None => Platform::linux(std::env::consts::ARCH),
    };
    let client =
        RegistryClient::new(registry_options()?, seed(&SystemRandomness), Arc::new(SystemClock), None, None)?;
    let start = Instant::now();
    let login = match login.decide(None, reference.host())? {
        CredentialOutcome::Replace(login) => Some(login),
        CredentialOutcome::Keep | CredentialOutcome::Remove => None,
    };
    let seen = client.inspect(&reference, &platform, login.as_ref()).await?;
    // What would be there to run it is not known; only what it says of itself is judged.
    let (target, now) = (Platform::linux(std::env::consts::ARCH), SystemClock.now());
    let found = Inspection::new(seen, Stock::default(), &target, now, start.elapsed());
    Ok(mirage_api::inspection(found))
}

/// How registries are reached from this process.
pub(crate) fn registry_options() -> Result<RegistryOptions> {
    Ok(RegistryOptions {
        plain_http: listed(env::INSECURE_REGISTRIES)
            .map(|host| host.parse::<RegistryHost>())
            .collect::<Result<_, Error>>()?,
        mirrors: listed(env::REGISTRY_MIRRORS).map(|text| text.parse()).collect::<Result<_, Error>>()?,
        authorities: listed(env::REGISTRY_CA)
            .map(|text| authority(&text))
            .collect::<Result<_, String>>()
            .map_err(|why| {
                Error::new(Code::InvalidRequest, format!("{} is wrong: {why}", env::REGISTRY_CA))
            })?,
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
