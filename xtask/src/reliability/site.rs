//! A registry, a platform and one service: where the trials take place.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::bed::{Container, Platform, PlatformOptions, Registry, Temper, containers, eventually, web};
use crate::load::Target;

/// A platform with a service whose versions are numbered, and a registry for them.
pub struct Site {
    /// Where the versions come from.
    pub registry: Registry,
    /// The platform.
    pub platform: Platform,
}

impl Site {
    /// The name of the service.
    const SERVICE: &str = "web";

    /// Starts both, and deploys version 0 with so many replicas.
    ///
    /// # Errors
    /// Where a part does not come up, or the service does not become active.
    pub fn start(binary: &Path, replicas: u32) -> Result<Self> {
        Self::start_with(binary, json!({"replicas": replicas}))
    }

    /// The same with these settings of the service.
    ///
    /// # Errors
    /// Where a part does not come up, or the service does not become active.
    pub fn start_with(binary: &Path, mut settings: Value) -> Result<Self> {
        let registry = Registry::start()?;
        let platform = Platform::start(binary, PlatformOptions::default())?;
        let site = Self { registry, platform };
        settings["healthcheck"] = json!({"path": "/", "intervalSeconds": 1});
        site.platform.create(Self::SERVICE, &site.push(0)?, settings)?;
        site.platform.until_served("web-production")?;
        Ok(site)
    }

    /// Pushes a version under a tag of its own; answers with its reference.
    ///
    /// # Errors
    /// Where skopeo refuses.
    pub fn push(&self, number: usize) -> Result<String> {
        self.push_as(number, &number.to_string())
    }

    /// The same under another tag.
    ///
    /// # Errors
    /// Where skopeo refuses.
    pub fn push_as(&self, number: usize, tag: &str) -> Result<String> {
        let reference = self.registry.reference(&format!("load/web:{tag}"));
        web(&version(number), Temper::Good).push(&reference)?;
        Ok(reference)
    }

    /// Begins to deploy a version; answers with the deployment's id.
    ///
    /// # Errors
    /// Where it is refused.
    pub fn begin(&self, reference: &str) -> Result<String> {
        self.platform.begin_deploy(Self::SERVICE, reference)
    }

    /// Deploys a version and waits until it is active.
    ///
    /// # Errors
    /// Where it is refused or fails.
    pub fn deploy(&self, reference: &str) -> Result<()> {
        self.platform.until_active(&self.begin(reference)?)
    }

    /// Goes back to the version before and waits until it is active.
    ///
    /// # Errors
    /// Where it is refused or fails.
    pub fn roll_back(&self) -> Result<()> {
        self.platform.until_active(&self.begin_rollback()?)
    }

    /// Begins to go back to the version before; answers with the deployment's id.
    ///
    /// # Errors
    /// Where it is refused.
    pub fn begin_rollback(&self) -> Result<String> {
        self.platform.begin_rollback(Self::SERVICE)
    }

    /// Whom a load asks.
    pub fn target(&self) -> Target {
        Target {
            port: self.platform.proxy_port(),
            host: format!("{}-production.localhost", Self::SERVICE),
            prefix: format!("{}-", Self::SERVICE),
        }
    }

    /// The containers that run, by the kernel.
    pub fn containers(&self) -> Vec<Container> {
        containers(&self.platform.data())
    }

    /// Waits until exactly so many containers run, all of this version.
    ///
    /// # Errors
    /// Where others still run after forty seconds.
    pub fn until_only(&self, number: usize, replicas: usize) -> Result<()> {
        let only = || self.runs_only(number, replicas).then_some(());
        if eventually("only the wanted containers", Duration::from_secs(40), only).is_err() {
            let version = version(number);
            bail!("{replicas} of `{version}` are to run, and there are {:?}", self.containers());
        }
        Ok(())
    }

    /// Whether exactly so many containers run now, all of this version.
    fn runs_only(&self, number: usize, replicas: usize) -> bool {
        let (version, running) = (version(number), self.containers());
        running.len() == replicas && running.iter().all(|one| one.version == version)
    }
}

/// The version of this number.
fn version(number: usize) -> String {
    format!("{}-{number}", Site::SERVICE)
}
