//! A proxy that lives and says nothing any more, as one does whose threads wait for each other.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use xtask::bed::{Layer, Platform, PlatformOptions, Registry, eventually, may_run_as_root};

use crate::sample::{pushed, web};
use crate::stage::Stage;
use crate::upgrade::install;

impl Stage {
    /// Stops the proxy in its tracks, and answers which process that is.
    fn stun_proxy(&self) -> u32 {
        let proxy = self.proxy();
        stun(proxy);
        proxy
    }

    fn has_process(&self, id: u32) -> bool {
        self.platform.processes().iter().any(|(known, _)| *known == id)
    }
}

fn stun(process: u32) {
    kill(Pid::from_raw(process.cast_signed()), Signal::SIGSTOP).unwrap();
}

#[test]
fn a_proxy_that_is_stuck_keeps_neither_services_nor_a_start_nor_the_end_waiting() {
    if !may_run_as_root("a proxy that is stuck keeps neither services nor a start nor the end waiting") {
        return;
    }
    let folder = tempfile::Builder::new().prefix("mirage-stuck-").tempdir().unwrap();
    let binary = folder.path().join("mirage");
    install(&binary);
    let platform = Platform::start(&binary, PlatformOptions::default()).unwrap();
    let mut stage = Stage { registry: Registry::start().unwrap(), platform };
    let slow = "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\nhalf'; exec sleep 600\n";
    let mut image = web("goes on");
    image.layers.push(Layer::new().directory("www/cgi-bin", 0o755).file("www/cgi-bin/slow", 0o755, slow));
    let reference = pushed(&stage.registry, "acme/web:1", &image);
    stage.done(&["deploy", &reference, "--name", "web"]);

    // Control notices while it runs.
    let stuck = stage.stun_proxy();
    let replaced = || (stage.proxy() != stuck && !stage.has_process(stuck)).then_some(());
    eventually("another proxy", Duration::from_secs(120), replaced).unwrap();
    assert_eq!(stage.served("web"), "goes on");

    // And so does one that is started.
    stage.platform.stop_control().unwrap();
    let stuck = stage.stun_proxy();
    stage.platform.serve().unwrap();
    assert!(!stage.has_process(stuck));
    assert_eq!(stage.served("web"), "goes on");

    // One before still has a request when another one takes its place, and both are stuck when all is to end.
    let before = stage.proxy();
    let mut line = TcpStream::connect(("127.0.0.1", stage.platform.proxy_port())).unwrap();
    write!(line, "GET /cgi-bin/slow HTTP/1.1\r\nHost: web-production.localhost\r\n\r\n").unwrap();
    let mut answer = [0; 12];
    line.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    install(&binary);
    stage.platform.stop_control().unwrap();
    stage.platform.serve().unwrap();
    assert_ne!(stage.proxy(), before);
    assert!(stage.has_process(before), "it has a request to finish");
    stun(before);
    stage.stun_proxy();
    assert_eq!(stage.platform.down().unwrap(), Vec::<String>::new());
}
