//! A control plane over a world.

use std::sync::Arc;

use mirage_control::access::AdminToken;
use mirage_control::{Control, Pack, Ports, Settings, Setup};
use mirage_core::Platform;
use mirage_store::{KeySource, Store, Vault};

use crate::World;

/// Starts a control plane whose ports are all `world`, whose store is in memory, and whose administrator has `token`.
/// Its services are at `localhost:8080`, its built-in registry at `127.0.0.1:7070`; it believes the proxy
/// at `10.0.0.1`.
pub async fn control(world: &Arc<World>, token: &str, pack: Pack, setup: Setup) -> (Store, Control) {
    let machine = Arc::clone(world);
    let ports = Ports {
        registry: world.clone(),
        images: world.clone(),
        engine: world.clone(),
        volumes: world.clone(),
        router: world.clone(),
        authority: world.clone(),
        clock: world.clone(),
        random: world.clone(),
        machine: Arc::new(move || machine.findings.lock().unwrap().clone()),
        pack,
        traces: None,
    };
    let settings = Settings {
        platform: Platform::linux("x86_64"),
        base_domain: "localhost".into(),
        proxy_port: 8080,
        proxy_tls_port: None,
        admin_token: AdminToken::new(token),
        registry_hosts: ["127.0.0.1:7070".parse().unwrap()].into(),
        trusted_proxies: vec!["10.0.0.1".parse().unwrap()],
        setup,
    };
    let store = Store::in_memory().await.unwrap();
    let keys = KeySource::Given { variable: "MIRAGE_VAULT_KEY", keys: "5a".repeat(32).into() };
    let vault = Vault::open(&store, keys, world.clone()).await.unwrap();
    let control = Control::start(store.clone(), vault, ports, settings).await.unwrap();
    (store, control)
}
