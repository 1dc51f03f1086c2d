//! `mirage registry`: the built-in registry without anything that needs root.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;
use http::HeaderMap;
use mirage_control::access::AdminToken;
use mirage_core::Result;
use mirage_oci::content::{ContentStore, StoreConfig};
use mirage_oci::registry::{Access, Decision, Gate, RegistryState, Repositories, UploadLimits, Uploads};

use crate::clock::{SystemClock, SystemRandomness};
use crate::platform::{Node, admin_token, bind};
use crate::serve::{Ends, runtime};
use mirage_cli::config::{env, run_dir};
use mirage_cli::{Global, Printer};

/// Run the image registry alone; needs no root
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mirage registry\n  mirage registry --listen 127.0.0.1:5000 --data-dir ./images"
)]
pub(crate) struct RegistryArgs {
    /// Address of the registry
    #[arg(long, env = env::LISTEN, value_name = "ADDRESS", default_value = "127.0.0.1:7070")]
    listen: SocketAddr,
}

pub(crate) fn run(args: RegistryArgs, global: &Global) -> Result<ExitCode> {
    crate::logging::start();
    let data = global.data_dir();
    let node = Node::open(&data)?;
    let token = admin_token(&data, &SystemRandomness)?;
    let store = ContentStore::open(StoreConfig {
        root: data.join("content"),
        run: run_dir(&data),
        layer_format: None,
    })?;
    let repositories = Repositories::open(store.root())?;
    let printer = Printer::plain();
    runtime()?.block_on(async move {
        let mut ends = Ends::listen()?;
        let uploads =
            Uploads::new(UploadLimits::default(), Arc::new(SystemClock), Arc::new(SystemRandomness));
        let gate = Arc::new(TokenGate(AdminToken::new(&token)));
        let app = mirage_oci::registry::router(RegistryState {
            store,
            repositories,
            gate,
            uploads,
            on_push: None,
            through: None,
        });
        let app = mirage_api::guarded(app);
        let listener = bind(args.listen, "listen", "the registry").await?;
        printer.note(&format!("registry  http://{}/v2/", args.listen));
        printer.note(&format!("password  {} (any user name)", data.join("admin.token").display()));
        tokio::select! {
            served = axum::serve(listener, app) => {
                if let Err(error) = served {
                    tracing::error!(%error, "the registry stopped");
                }
            }
            () = ends.wait() => {}
        }
        drop(node);
        Ok(ExitCode::SUCCESS)
    })
}

/// Whoever has the token of the data folder may do everything; nobody else may do anything.
struct TokenGate(AdminToken);

#[async_trait]
impl Gate for TokenGate {
    async fn decide(&self, headers: &HeaderMap, _access: &Access) -> Decision {
        match mirage_api::token_of(headers) {
            Some(token) if self.0.is(&token) => Decision::Allow,
            _ => Decision::Unauthenticated,
        }
    }
}
