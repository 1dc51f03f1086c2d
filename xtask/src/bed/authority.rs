//! Debian's `pebble`, the certificate authority for tests by the makers of Let's Encrypt, and the name service it asks.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::certificate::Certificate;
use super::http::Request;
use super::ports::free_port;
use super::process::{Process, is_installed, run};
use super::skip::skipped;
use super::wait::eventually;

/// A certificate authority that speaks ACME and really looks for its proofs. Dropping it ends it.
pub struct Authority {
    certificate: Certificate,
    directory: u16,
    management: u16,
    names: u16,
    names_management: u16,
    processes: Vec<Process>,
    // Dropped last: the processes write there.
    folder: TempDir,
}

impl Authority {
    /// An authority that is not there yet, unless the test has to be skipped: a platform has to be told of it before
    /// it can be told of the platform.
    ///
    /// # Errors
    /// Where its own certificate cannot be made.
    pub fn prepare(test: &str) -> Result<Option<Self>> {
        for program in ["pebble", "pebble-challtestsrv", "openssl", "curl"] {
            if !is_installed(program) {
                skipped(test, &format!("needs `{program}`; `cargo xtask test` installs it"));
                return Ok(None);
            }
        }
        let folder = tempfile::Builder::new().prefix("mirage-authority-").tempdir()?;
        Ok(Some(Self {
            certificate: Certificate::make(folder.path())?,
            directory: free_port()?,
            management: free_port()?,
            names: free_port()?,
            names_management: free_port()?,
            processes: Vec::new(),
            folder,
        }))
    }

    /// The words with which `mirage serve` asks it.
    pub fn arguments(&self) -> Vec<String> {
        let directory = format!("https://127.0.0.1:{}/dir", self.directory);
        let ca = self.certificate.authority.display().to_string();
        ["--acme-directory", &directory, "--acme-ca", &ca, "--acme-email", "admin@example.test"]
            .map(str::to_owned)
            .to_vec()
    }

    /// Starts it. Every name leads to 127.0.0.1; it looks for proofs on these ports, and what it signs is valid for so
    /// many seconds.
    ///
    /// # Errors
    /// Where one of its programs does not come up within ten seconds.
    pub fn start(&mut self, http: u16, tls: u16, valid_seconds: u64) -> Result<()> {
        let at = |port: u16| format!("127.0.0.1:{port}");
        let mut names = Command::new("pebble-challtestsrv");
        names.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""]);
        names.args(["-dns01", &at(self.names), "-management", &at(self.names_management)]);
        self.processes.push(Process::start(&mut names, self.folder.path(), "names")?);
        let config = self.folder.path().join("pebble.json");
        let text = json!({ "pebble": {
            "listenAddress": at(self.directory),
            "managementListenAddress": at(self.management),
            "certificate": self.certificate.file,
            "privateKey": self.certificate.key,
            "httpPort": http,
            "tlsPort": tls,
            "certificateValidityPeriod": valid_seconds,
        }});
        std::fs::write(&config, text.to_string())?;
        let mut pebble = Command::new("pebble");
        pebble.arg("-config").arg(&config).args(["-dnsserver", &at(self.names), "-strict"]);
        // No waiting for its own sake, and each order is looked at anew.
        pebble.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_AUTHZREUSE", "0");
        self.processes.push(Process::start(&mut pebble, self.folder.path(), "pebble")?);
        let up = || self.roots().ok();
        eventually("the authority's answer", Duration::from_secs(10), up).with_context(|| self.said())?;
        Ok(())
    }

    /// The file with the root that its certificates go back to.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn roots(&self) -> Result<PathBuf> {
        let url = format!("https://127.0.0.1:{}/roots/0", self.management);
        let ca = self.certificate.authority.display().to_string();
        let root = run("curl", &["--silent", "--show-error", "--fail", "--cacert", &ca, &url])?;
        let file = self.folder.path().join("root.pem");
        std::fs::write(&file, root)?;
        Ok(file)
    }

    /// Lets a name lead to another address.
    ///
    /// # Errors
    /// Where the name service does not take it.
    pub fn lead(&self, domain: &str, address: Ipv4Addr) -> Result<()> {
        self.tell_names("/add-a", &json!({ "host": format!("{domain}."), "addresses": [address] }))
    }

    /// Lets a name lead to 127.0.0.1 again, like all others.
    ///
    /// # Errors
    /// As [`Self::lead`].
    pub fn lead_back(&self, domain: &str) -> Result<()> {
        self.tell_names("/clear-a", &json!({ "host": format!("{domain}.") }))
    }

    /// What its programs have said.
    pub fn said(&self) -> String {
        self.processes.iter().map(|one| one.stdout() + &one.stderr()).collect()
    }

    /// A certificate and its key for a domain, made by `openssl` and signed by nobody, in files of this folder.
    ///
    /// # Errors
    /// Where `openssl` fails.
    pub fn sign_own(folder: &Path, domain: &str) -> Result<(PathBuf, PathBuf)> {
        let (file, key) = (folder.join(format!("{domain}.pem")), folder.join(format!("{domain}.key")));
        let (out, keyout) = (file.display().to_string(), key.display().to_string());
        let (subject, names) = (format!("/CN={domain}"), format!("subjectAltName=DNS:{domain}"));
        let fixed = [
            "req",
            "-x509",
            "-nodes",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-days",
            "2",
        ];
        let own = ["-subj", &subject, "-addext", &names, "-keyout", &keyout, "-out", &out];
        run("openssl", &[&fixed[..], &own].concat())?;
        Ok((file, key))
    }

    fn tell_names(&self, path: &str, what: &Value) -> Result<()> {
        let answer = Request {
            method: "POST",
            address: ([127, 0, 0, 1], self.names_management).into(),
            host: "127.0.0.1",
            path,
            headers: &[],
            body: what.to_string().as_bytes(),
            patience: Duration::from_secs(10),
        }
        .send()?;
        if answer.status != 200 {
            bail!("the name service answers {}: {}", answer.status, answer.text());
        }
        Ok(())
    }
}
