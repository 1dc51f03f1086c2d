//! The proxy without the rest of Mirage, for measuring:
//! `cargo run --release -p mirage-proxy --example standalone -- RUN LISTEN HOST=BACKEND…`

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use mirage_core::port::Randomness;
use mirage_core::{Backend, InstanceId, Route, RouteTable, ServiceId};
use mirage_proxy::{ProxyConfig, ProxyHandle};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let run = PathBuf::from(arguments.next().context("the run folder is missing")?);
    let listen = arguments.next().context("the address to listen on is missing")?.parse()?;
    let routes = arguments.map(|text| route(&text)).collect::<anyhow::Result<_>>()?;
    let table = RouteTable { generation: 1, routes, zones: Vec::new() };

    let handle = ProxyHandle::new(&run);
    let publishing = std::thread::spawn(move || publish(&handle, &table));
    let config = ProxyConfig::new(vec![listen], run, Arc::new(Urandom));
    mirage_proxy::run(config).map_err(|error| anyhow!("{error:?}"))?;
    publishing.join().map_err(|_| anyhow!("publishing broke off"))?
}

fn route(text: &str) -> anyhow::Result<Route> {
    let (host, address) =
        text.split_once('=').context("a route looks like `web.localhost=127.0.0.1:3000`")?;
    Ok(Route {
        host: host.to_owned(),
        service: ServiceId::from_random([1; 16]),
        service_name: host.to_owned(),
        backends: vec![Backend { instance: InstanceId::from_random([2; 16]), address: address.parse()? }],
    })
}

fn publish(handle: &ProxyHandle, table: &RouteTable) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        handle.ready(Duration::from_secs(10)).await.map_err(|error| anyhow!("{error:?}"))?;
        handle.publish_anew(table).await.map_err(|error| anyhow!("{error:?}"))
    })
}

struct Urandom;

impl Randomness for Urandom {
    fn bytes32(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
        read.map_or([0; 32], |()| bytes)
    }
}
