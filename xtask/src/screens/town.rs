//! A platform as somebody might have it: services that are well, one that fails, one on its way, a worker, data, domains.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;

use crate::bed::{Image, Layer, Platform, PlatformOptions, Registry};

/// The platform, and the registry behind the names of registries that everybody knows.
pub struct Town {
    /// With everything in it.
    pub platform: Platform,
    /// Where the images are.
    pub registry: Registry,
}

/// Writes some lines, then serves.
const SHOP: &str = r#"line() {
  case $(($1 % 9)) in
    0) echo "WARN  cache: 31 % of the last 1000 requests missed" ;;
    3) printf '\033[32mINFO\033[0m  GET /cart/%s \033[1m200\033[0m 12 ms\n' "$1" ;;
    5) echo "{\"level\":\"info\",\"msg\":\"order placed\",\"order\":$((4000 + $1)),\"ms\":41}" ;;
    7) echo "ERROR payment: no answer from api:8080 within 3000 ms, trying again" >&2 ;;
    *) echo "INFO  GET /products/$((100 + $1)) 200 8 ms" ;;
  esac
}
echo "INFO  shop 2.4.1, 4 workers, listening on :8080"
n=0; while [ $n -lt 60 ]; do n=$((n + 1)); line $n; done
(while :; do sleep 2; n=$((n + 1)); line $n; done) &
exec httpd -f -p 8080 -h /www"#;

/// Listens where nobody looks for it.
const ASTRAY: &str = r#"echo "INFO  checkout 1.9.0 starting"
echo "INFO  connected to postgres at db:5432"
echo "INFO  listening on 0.0.0.0:3000"
exec httpd -f -p 3000 -h /www"#;

/// Never begins to listen.
const SLOW: &str = r#"echo "INFO  search 0.8.2 starting"
echo "INFO  building the index, 12 of 40 parts"
exec sleep 1000000"#;

/// Listens on nothing.
const WORKER: &str = r#"n=0; while :; do n=$((n + 1)); echo "INFO  job $n done in 184 ms"; sleep 2; done"#;

const SERVER: &str = "echo ready; exec httpd -f -p 8080 -h /www";

/// Name at its registry, script, whether it says that it has port 8080.
const IMAGES: &[(&str, &str, bool)] = &[
    ("acme/shop:2.4.0", SHOP, true),
    ("acme/shop:2.4.1", SHOP, true),
    ("acme/api:7", SERVER, true),
    ("acme/checkout:1.9.0", ASTRAY, true),
    ("acme/search:0.8.2", SLOW, true),
    ("acme/mailer:3", WORKER, false),
    // Nothing runs of it: it is for the wizard.
    ("acme/billing:3.2.0", SERVER, true),
    ("library/postgres:16", SERVER, true),
    ("library/nginx:1.27", SERVER, true),
];

/// What is deployed, and how, in this order.
const DEPLOYED: &[&[&str]] = &[
    &[
        "ghcr.io/acme/shop:2.4.0",
        "--name",
        "shop",
        "--replicas",
        "2",
        "-e",
        "GREETING=hello",
        "-e",
        "LOG_LEVEL=info",
    ],
    &["ghcr.io/acme/shop:2.4.1", "--name", "shop", "-e", "GREETING=good morning", "--memory", "256MiB"],
    &["ghcr.io/acme/api:7", "--name", "api", "--health-path", "/"],
    &["postgres:16", "--name", "db", "--volume", "db-data:/var/lib/postgresql/data"],
    &["ghcr.io/acme/mailer:3", "--name", "mailer", "--no-port"],
    &["nginx:1.27", "--name", "website"],
    &["ghcr.io/acme/shop:2.4.1", "--name", "shop", "--environment", "staging"],
    &["nginx:1.27", "--name", "journal", "--project", "blog"],
];

impl Town {
    /// Builds it with this binary.
    ///
    /// # Errors
    /// Where one of its parts does not come to be.
    pub fn build(binary: &Path) -> Result<Self> {
        let registry = Registry::start()?;
        let mut arguments = Vec::new();
        for known in ["docker.io", "ghcr.io"] {
            arguments.extend(["--registry-mirror".to_owned(), format!("{known}={}", registry.address())]);
        }
        let platform = Platform::start(binary, PlatformOptions { arguments, ..PlatformOptions::default() })?;
        let town = Self { platform, registry };
        for (name, text, has_port) in IMAGES {
            image(name, text, *has_port).push(&town.registry.reference(name))?;
        }
        for words in DEPLOYED {
            town.done(&[&["deploy"], *words].concat())?;
        }
        town.fill()?;
        Ok(town)
    }

    /// A verb that must succeed.
    ///
    /// # Errors
    /// Where it does not.
    pub fn done(&self, words: &[&str]) -> Result<String> {
        let cli = self.platform.cli(words)?;
        if cli.code != 0 {
            bail!("`mirage {}`: {}{}", words.join(" "), cli.stdout, cli.stderr);
        }
        Ok(cli.stdout)
    }

    /// Has visitors ask for so many seconds, more and less in turns.
    ///
    /// # Errors
    /// Where nobody answers.
    pub fn visited_for(&self, seconds: u64) -> Result<()> {
        let since = Instant::now();
        let mut turn = 0;
        while since.elapsed() < Duration::from_secs(seconds) {
            turn += 1;
            for service in ["shop-production", "shop-production", "website-production", "api-production"] {
                self.platform.visit(service)?;
            }
            std::thread::sleep(Duration::from_millis(20 + 15 * (turn / 200 % 4)));
        }
        Ok(())
    }

    fn fill(&self) -> Result<()> {
        for domain in ["shop.example.com", "www.shop.example.com"] {
            self.done(&["domain", "add", "default/production/shop", domain, "--no-certificate"])?;
        }
        self.done(&["variables", "set", "--shared", "REGION=north"])?;
        // Two of these are in the registry that is built in.
        for tag in ["1", "2"] {
            let own = format!("127.0.0.1:{}/acme/docs:{tag}", self.platform.api_port());
            image(&own, SERVER, true).push_as(&own, ("token", &self.platform.token()))?;
            self.done(&["deploy", &own, "--name", "docs"])?;
        }
        self.platform.cli_told(
            &["variables", "set", "-s", "default/production/shop", "--sealed-stdin", "PAYMENT_KEY"],
            "key",
        )?;
        self.platform.cli_told(
            &["credential", "set", "registry.example.com", "--username", "acme-bot", "--password-stdin"],
            "word",
        )?;
        let failing =
            ["deploy", "ghcr.io/acme/checkout:1.9.0", "--name", "checkout", "--health-timeout", "2"];
        if self.platform.cli(&failing)?.code == 0 {
            bail!("`checkout` listens on another port, and yet is deployed");
        }
        let slow = [
            "deploy",
            "ghcr.io/acme/search:0.8.2",
            "--name",
            "search",
            "--health-timeout",
            "3600",
            "--detach",
        ];
        self.done(&slow)?;
        Ok(())
    }
}

fn image(name: &str, text: &str, has_port: bool) -> Image {
    const APPLETS: [&str; 4] = ["echo", "httpd", "sh", "sleep"];
    let busybox = Layer::new().directory("bin", 0o755).copy("bin/busybox", 0o755, "/bin/busybox");
    let busybox = APPLETS.iter().fold(busybox, |layer, it| layer.symlink(&format!("bin/{it}"), "busybox"));
    let page = Layer::new()
        .directory("www", 0o755)
        .file("www/index.html", 0o644, name)
        .directory("app", 0o755)
        .file("app/run", 0o755, format!("#!/bin/sh\n{text}\n"));
    let image = Image::new(vec![busybox, page]).entrypoint(&["/app/run"]).set("StopSignal", json!("SIGKILL"));
    if has_port { image.expose(8080) } else { image }
}
