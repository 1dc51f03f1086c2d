//! `mirage serve`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use mirage_control::TrustedProxy;
use mirage_core::{Code, Error, RegistryHost, Result};
use mirage_engine::network::Subnet;
use tokio::signal::unix::{SignalKind, signal};

use crate::platform::{Acme, Authority, LETS_ENCRYPT, Mirror, Platform, PlatformOptions, Url, authority};
use crate::systemd::{Handed, Manager};
use mirage_cli::config::env;
use mirage_cli::{Global, Printer};

/// Run the platform on this machine
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  mirage serve\n  mirage serve --data-dir ./data --listen 127.0.0.1:7071 --proxy-listen 127.0.0.1:8081"
)]
pub(crate) struct ServeArgs {
    /// Address of API and registry
    #[arg(long, env = env::LISTEN, value_name = "ADDRESS", default_value = "127.0.0.1:7070")]
    pub(crate) listen: SocketAddr,
    /// Address at which services answer
    #[arg(long, env = env::PROXY_LISTEN, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) proxy_listen: SocketAddr,
    /// Address at which services answer over TLS, for domains that have a certificate (default: none)
    #[arg(long, env = env::PROXY_TLS_LISTEN, value_name = "ADDRESS")]
    pub(crate) proxy_tls_listen: Option<SocketAddr>,
    /// Directory of the certificate authority that is asked by ACME; by using one you agree to its terms
    #[arg(long, env = env::ACME_DIRECTORY, value_name = "URL", default_value = LETS_ENCRYPT, value_parser = directory)]
    pub(crate) acme_directory: String,
    /// Where that authority may write to about certificates
    #[arg(long, env = env::ACME_EMAIL, value_name = "ADDRESS")]
    pub(crate) acme_email: Option<String>,
    /// PEM file with the authorities that the directory's own address is checked against (default: the system's)
    #[arg(long, env = env::ACME_CA, value_name = "FILE")]
    pub(crate) acme_ca: Option<PathBuf>,
    /// Services answer at SERVICE-ENVIRONMENT and this
    #[arg(long, env = env::BASE_DOMAIN, value_name = "DOMAIN", default_value = "localhost")]
    pub(crate) base_domain: String,
    /// Addresses of services, such as 10.210.0.0/16 (default: a free block)
    #[arg(long, env = env::NETWORK, value_name = "SUBNET", value_parser = subnet)]
    pub(crate) network: Option<Subnet>,
    /// Run containers with this OCI runtime (runc, crun, runsc) instead of the built-in one
    #[arg(long, env = env::RUNTIME, value_name = "PATH")]
    pub(crate) runtime: Option<PathBuf>,
    /// Registries to ask over plain HTTP; loopback ones always are
    #[arg(long = "insecure-registry", env = env::INSECURE_REGISTRIES, value_name = "HOST", value_delimiter = ',', value_parser = registry_host)]
    pub(crate) insecure_registries: Vec<RegistryHost>,
    /// Another name under which others reach the built-in registry, such as `mirage.example:7070`
    #[arg(long = "registry-name", env = env::REGISTRY_NAMES, value_name = "HOST", value_delimiter = ',', value_parser = registry_host)]
    pub(crate) registry_names: Vec<RegistryHost>,
    /// Registry to ask before another one, which is asked where this one does not help: `docker.io=mirror.example`, with a
    /// path where repositories are below one; may be repeated, the first is asked first
    #[arg(long = "registry-mirror", env = env::REGISTRY_MIRRORS, value_name = "HOST=MIRROR[/PATH]", value_delimiter = ',', value_parser = mirror)]
    pub(crate) registry_mirrors: Vec<Mirror>,
    /// PEM files with the authorities of registries; `HOST=FILE` for one registry, which then needs TLS on loopback too
    #[arg(long, env = env::REGISTRY_CA, value_name = "[HOST=]FILE", value_delimiter = ',', value_parser = authority)]
    pub(crate) registry_ca: Vec<Authority>,
    /// Where passwords for Amazon ECR are made, instead of at AWS
    #[arg(long, env = env::ECR_ENDPOINT, value_name = "URL")]
    pub(crate) ecr_endpoint: Option<Url>,
    /// Collector to send traces of deployments to by OTLP over HTTP (default: none are made)
    #[arg(long, env = env::OTLP_ENDPOINT, value_name = "URL", hide_env_values = true)]
    pub(crate) otlp_endpoint: Option<String>,
    /// Proxy in front of the pages, or network of such, whose `X-Forwarded-For` says from where somebody logs in; may be
    /// repeated. Without it, everybody behind a proxy is one address
    #[arg(long = "trusted-proxy", env = env::TRUSTED_PROXIES, value_name = "ADDRESS[/BITS]", value_delimiter = ',', value_parser = trusted_proxy)]
    pub(crate) trusted_proxies: Vec<TrustedProxy>,
}

impl ServeArgs {
    /// The platform these words ask for.
    ///
    /// # Errors
    /// `INVALID_REQUEST` where the collector for traces has an address that cannot be one.
    pub(crate) fn options(&self, global: &Global, handed: Handed) -> Result<PlatformOptions> {
        Ok(PlatformOptions {
            data: global.data_dir(),
            listen: handed.api_address().unwrap_or(self.listen),
            proxy_listen: handed.proxy_address().unwrap_or(self.proxy_listen),
            proxy_tls_listen: handed.proxy_tls_address().or(self.proxy_tls_listen),
            acme: Acme {
                directory: self.acme_directory.clone(),
                email: self.acme_email.clone(),
                roots: self.acme_ca.clone(),
            },
            base_domain: self.base_domain.clone(),
            network: self.network,
            runtime: self.runtime.clone(),
            insecure_registries: self.insecure_registries.clone(),
            registry_names: self.registry_names.clone(),
            registry_mirrors: self.registry_mirrors.clone(),
            registry_ca: self.registry_ca.clone(),
            ecr_endpoint: self.ecr_endpoint.clone(),
            // Not read by clap, which quotes what it refuses: there may be a password in it.
            otlp_endpoint: self.otlp_endpoint.as_deref().map(str::parse).transpose()?,
            trusted_proxies: self.trusted_proxies.clone(),
            handed,
        })
    }
}

pub(crate) fn run(args: ServeArgs, global: &Global) -> Result<ExitCode> {
    needs_root("serve")?;
    crate::memory::keep_private()?;
    let (handed, manager) = (Handed::take()?, Manager::of_this_process());
    crate::logging::start();
    let options = args.options(global, handed)?;
    let printer = Printer::plain();
    runtime()?.block_on(async move {
        let mut ends = Ends::listen()?;
        let data = options.data.clone();
        let platform = Platform::start(options).await?;
        printer.note(&format!("API       http://{}", platform.listen));
        printer.note(&format!("pages     http://{}/", platform.listen));
        printer.note(&format!(
            "services  http://SERVICE-ENVIRONMENT.{}:{}",
            args.base_domain,
            platform.proxy_listen.port()
        ));
        if let Some(tls) = platform.proxy_tls_listen {
            printer.note(&format!("domains   https://DOMAIN:{}", tls.port()));
        }
        printer.note(&format!("token     {}", data.join("admin.token").display()));
        printer.note("ready; Ctrl-C stops deciding, services go on (`mirage down` stops them)");
        manager.ready(&format!("API on {}, services on {}", platform.listen, platform.proxy_listen));
        tokio::select! {
            () = ends.wait() => {}
            () = platform.while_well(&manager) => {}
        }
        manager.stopping();
        platform.stop().await;
        Ok(ExitCode::SUCCESS)
    })
}

/// The signals that mean "stop".
pub(crate) struct Ends {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Ends {
    pub(crate) fn listen() -> Result<Self> {
        let on = |kind| signal(kind).map_err(|error| Error::internal("listen for signals", error));
        Ok(Self {
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
            hangup: on(SignalKind::hangup())?,
        })
    }

    pub(crate) async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// The runtime of the control plane: it waits far more than it computes.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(64)
        .enable_all()
        .build()
        .map_err(|error| Error::internal("start a runtime", error))
}

/// One sentence for whoever is not root, and what works without.
pub(crate) fn needs_root(verb: &str) -> Result<()> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    Err(Error::new(
        Code::TargetUnavailable,
        format!("`mirage {verb}` needs root, because it makes namespaces, networks and mounts for containers"),
    )
    .hint(format!(
        "run it as `sudo mirage {verb}`; `mirage inspect`, `mirage registry`, and every verb with {} set to a running platform work without",
        env::URL
    )))
}

fn subnet(text: &str) -> Result<Subnet, String> {
    text.parse().map_err(|error: Error| error.message().to_owned())
}

/// Accounts and orders go there: in plain text anybody on the way could answer instead.
fn directory(text: &str) -> Result<String, String> {
    let rest =
        text.strip_prefix("https://").filter(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace));
    rest.map(|_| text.to_owned()).ok_or_else(|| "it must begin with `https://`".to_owned())
}

fn registry_host(text: &str) -> Result<RegistryHost, String> {
    text.parse().map_err(|error: Error| error.message().to_owned())
}

fn trusted_proxy(text: &str) -> Result<TrustedProxy, String> {
    text.parse().map_err(|error: Error| error.message().to_owned())
}

fn mirror(text: &str) -> Result<Mirror, String> {
    text.parse().map_err(|error: Error| error.message().to_owned())
}
