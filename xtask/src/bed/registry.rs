//! Debian's `docker-registry` on a port of loopback.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::certificate::Certificate;
use super::http;
use super::ports::free_port;
use super::process::{Process, run};
use super::wait::eventually;

/// A registry of its own, empty at first. Dropping it ends it and removes what it holds.
pub struct Registry {
    port: u16,
    folder: TempDir,
    process: Option<Process>,
    login: bool,
    certificate: Option<Certificate>,
}

/// [`Registry::LOGIN`] and [`Registry::GUEST`] as `htpasswd -B` writes them.
const PASSWORDS: &str = "mirage:$2b$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW\n\
                         guest:$2b$05$mnopqrstuvwxyzabcdefguFTxjzZj1BIs5UrwStEahWLkGCOBmMv6\n";

/// A request that the registry has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// `GET`.
    pub method: String,
    /// `/v2/acme/web/manifests/1`.
    pub path: String,
    /// The status it answered with.
    pub status: u16,
}

impl Registry {
    /// User name and password of one who may enter a closed registry.
    pub const LOGIN: (&str, &str) = ("mirage", "open sesame");
    /// Another one, whose password has a colon in it.
    pub const GUEST: (&str, &str) = ("guest", "another:word");

    /// Starts one and waits until it answers.
    ///
    /// # Errors
    /// Where `docker-registry` is missing or does not answer within ten seconds.
    pub fn start() -> Result<Self> {
        Self::open(false, false)
    }

    /// Starts one that lets nobody in without a user name and a password.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with_login() -> Result<Self> {
        Self::open(true, false)
    }

    /// The same with TLS, by a certificate that [`Self::authority`] signed.
    ///
    /// # Errors
    /// As [`Self::start`], and where `openssl` is missing.
    pub fn start_with_login_and_tls() -> Result<Self> {
        Self::open(true, true)
    }

    fn open(login: bool, tls: bool) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("mirage-registry-").tempdir()?;
        let certificate = tls.then(|| Certificate::make(folder.path())).transpose()?;
        let mut registry = Self { port: free_port()?, folder, process: None, login, certificate };
        registry.resume()?;
        Ok(registry)
    }

    /// Starts it again after [`Self::stop`], with what it held, at the same address.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn resume(&mut self) -> Result<()> {
        std::fs::write(self.file("config.yml"), self.configuration())?;
        std::fs::write(self.file("htpasswd"), PASSWORDS)?;
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(self.file("config.yml"));
        self.process = Some(Process::start(&mut command, self.folder.path(), "registry")?);
        // With TLS it answers that this is not the way to speak to it, and that is an answer too.
        let url = format!("http://{}/v2/", self.address());
        eventually("the registry's answer", Duration::from_secs(10), || http::get(&url).ok())
            .with_context(|| self.process.as_ref().map(Process::stderr).unwrap_or_default())?;
        Ok(())
    }

    /// Ends it; from then on nobody answers at its address.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// `127.0.0.1:<port>`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The reference of an image here: `127.0.0.1:<port>/acme/web:1` for `acme/web:1`.
    pub fn reference(&self, name: &str) -> String {
        format!("{}/{name}", self.address())
    }

    /// The file of the authority that signed its certificate, where it speaks TLS.
    pub fn authority(&self) -> Option<&Path> {
        self.certificate.as_ref().map(|certificate| certificate.authority.as_path())
    }

    /// Where a blob lies on disk, so that a test can spoil it.
    pub fn blob(&self, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        let start = hex.get(..2).unwrap_or_default();
        self.file(&format!("data/docker/registry/v2/blobs/sha256/{start}/{hex}/data"))
    }

    /// Digests of the layers of an image that was pushed here.
    ///
    /// # Errors
    /// Where skopeo cannot read the manifest.
    pub fn layers_of(&self, reference: &str) -> Result<Vec<String>> {
        let (user, password) = Self::LOGIN;
        let (creds, image) = (format!("--creds={user}:{password}"), format!("docker://{reference}"));
        let words = ["inspect", "--tls-verify=false", "--raw", &image, &creds];
        let raw = run("skopeo", if self.login { &words } else { &words[..4] })?;
        let manifest: serde_json::Value = serde_json::from_str(&raw)?;
        let layers = manifest["layers"].as_array().context("no layers")?;
        Ok(layers.iter().filter_map(|layer| layer["digest"].as_str()).map(str::to_owned).collect())
    }

    /// Every request since the start, oldest first, but for those of a test that only asked whether it is up.
    pub fn requests(&self) -> Vec<Access> {
        let log = self.process.as_ref().map(Process::stdout).unwrap_or_default();
        log.lines().filter_map(access).filter(|access| access.path != "/v2/").collect()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn configuration(&self) -> String {
        let auth = match self.login {
            true => {
                format!("auth: {{htpasswd: {{realm: closed, path: {}}}}}\n", self.file("htpasswd").display())
            }
            false => String::new(),
        };
        let tls = match &self.certificate {
            Some(made) => {
                format!(", tls: {{certificate: {}, key: {}}}", made.file.display(), made.key.display())
            }
            None => String::new(),
        };
        format!(
            "version: 0.1\n\
             log: {{level: error}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
             {auth}http: {{addr: \"{}\"{tls}}}\n",
            self.file("data").display(),
            self.address()
        )
    }
}

/// A line of the common log format: `127.0.0.1 - - [time] "GET /v2/ HTTP/1.1" 200 2 "" "agent"`.
fn access(line: &str) -> Option<Access> {
    let mut parts = line.split('"');
    let request = parts.nth(1)?;
    let status = parts.next()?.split_whitespace().next()?.parse().ok()?;
    let mut words = request.split(' ');
    Some(Access { method: words.next()?.to_owned(), path: words.next()?.to_owned(), status })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bed::{Image, Layer, is_installed, skipped};

    #[test]
    fn a_closed_registry_lets_in_who_has_the_password() {
        let test = "a closed registry lets in who has the password";
        for program in ["docker-registry", "skopeo", "openssl"] {
            if !is_installed(program) {
                return skipped(test, &format!("needs {program}"));
            }
        }
        let mut registry = Registry::start_with_login_and_tls().unwrap();
        let reference = registry.reference("acme/web:1");
        let image = Image::new(vec![Layer::new().file("name", 0o644, "it")]);
        image.push(&reference).unwrap_err();
        image.push_as(&reference, Registry::LOGIN).unwrap();
        registry.stop();
        registry.resume().unwrap();
        assert_eq!(registry.layers_of(&reference).unwrap().len(), 1);
        let trusted = tempfile::tempdir().unwrap();
        std::fs::copy(registry.authority().unwrap(), trusted.path().join("authority.crt")).unwrap();
        let inspect = |creds: &str| {
            let (trust, image) =
                (format!("--cert-dir={}", trusted.path().display()), format!("docker://{reference}"));
            run("skopeo", &["inspect", "--raw", &trust, &format!("--creds={creds}"), &image])
        };
        inspect("guest:another:word").unwrap();
        inspect("guest:open sesame").unwrap_err();
    }

    #[test]
    fn a_line_of_the_access_log_is_read() {
        let line = r#"127.0.0.1 - - [21/Nov/2026:02:00:00 +0000] "HEAD /v2/a/manifests/1 HTTP/1.1" 404 96 "" "skopeo""#;
        let expected = Access { method: "HEAD".into(), path: "/v2/a/manifests/1".into(), status: 404 };
        assert_eq!(access(line), Some(expected));
        assert_eq!(access("time=... level=error msg=\"x\""), None);
    }
}
