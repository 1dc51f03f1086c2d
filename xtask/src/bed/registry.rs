//! Debian's `docker-registry` on a port of loopback.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use tempfile::TempDir;

use super::canary::{CANARY_USER, Canary, htpasswd_line};
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

/// The fixed logins of closed registries as `htpasswd -B` writes them.
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
    /// Who asked, where it was for a manifest or a blob of a closed registry; nobody where the login was
    /// refused.
    pub user: Option<String>,
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
        if self.login {
            let canary = htpasswd_line(CANARY_USER, &Canary::password()?.text)?;
            std::fs::write(self.file("htpasswd"), format!("{PASSWORDS}{canary}"))?;
        }
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
        let log = self.process.as_ref().map(Process::stderr).unwrap_or_default();
        let mut reader = Reader::default();
        let all = log.lines().filter_map(|line| reader.access(line));
        all.filter(|access| access.path != "/v2/").collect()
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
             log: {{formatter: json, level: debug}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
             {auth}http: {{addr: \"{}\"{tls}}}\n",
            self.file("data").display(),
            self.address()
        )
    }
}

#[derive(Deserialize)]
struct Line {
    msg: String,
    #[serde(rename = "http.request.id")]
    id: Option<String>,
    #[serde(rename = "http.request.method")]
    method: Option<String>,
    #[serde(rename = "http.request.uri")]
    uri: Option<String>,
    #[serde(rename = "http.response.status")]
    status: Option<u16>,
    #[serde(rename = "auth.user.name")]
    user: Option<String>,
}

/// Reads the log, in which the line of an answer does not say who asked, but earlier ones of the same
/// request do.
#[derive(Default)]
struct Reader {
    users: HashMap<String, String>,
}

impl Reader {
    /// What was answered, and what was refused for want of a login, for which there is no line of its own.
    fn access(&mut self, line: &str) -> Option<Access> {
        let line: Line = serde_json::from_str(line).ok()?;
        let id = line.id?;
        if let Some(user) = line.user {
            self.users.insert(id.clone(), user);
        }
        let refused = line.msg.starts_with("error authorizing context").then_some(401);
        let status = refused.or(line.status.filter(|_| line.msg.starts_with("response completed")))?;
        Some(Access { method: line.method?, path: line.uri?, status, user: self.users.remove(&id) })
    }
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
        let seen = registry.requests().len();
        let canary = (CANARY_USER, Canary::password().unwrap().text.as_str());
        for (user, password) in [Registry::GUEST, canary] {
            inspect(&format!("{user}:{password}")).unwrap();
        }
        inspect("guest:open sesame").unwrap_err();
        let users =
            || registry.requests()[seen..].iter().map(|access| access.user.clone()).collect::<Vec<_>>();
        let expected = [Some("guest".to_owned()), Some("canary".to_owned()), None];
        eventually("the log", Duration::from_secs(5), || (users() == expected).then_some(())).unwrap();
    }

    #[test]
    fn lines_of_one_request_are_read_together() {
        let mut reader = Reader::default();
        let mut read = |more: &str| {
            let line = r#"{"http.request.id":"7","http.request.method":"GET","http.request.uri":"/v2/a/manifests/1""#;
            reader.access(&format!("{line},{more}}}"))
        };
        assert_eq!(read(r#""msg":"authorized request","auth.user.name":"eve""#), None);
        let by = |user: Option<&str>, status| Access {
            method: "GET".into(),
            path: "/v2/a/manifests/1".into(),
            status,
            user: user.map(str::to_owned),
        };
        let completed = r#""msg":"response completed","http.response.status":200"#;
        assert_eq!(read(completed), Some(by(Some("eve"), 200)));
        assert_eq!(read(completed), Some(by(None, 200)));
        assert_eq!(read(r#""msg":"error authorizing context: no""#), Some(by(None, 401)));
        assert_eq!(reader.access("time=... level=error msg=\"x\""), None);
    }
}
