//! Debian's `docker-registry`, started for a test.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mirage_core::{Digest, Reference, RegistryHost};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::sync::watch;

use super::tls::Certified;
use super::tokens::TokenService;

/// A user of closed registries with the password.
pub(crate) const ALICE: (&str, &str) = ("alice", "open sesame");
/// Another one, whose password has a colon in it.
pub(crate) const BOB: (&str, &str) = ("bob", "another:word");

/// Both of them as `htpasswd -B` writes them: `docker-registry` takes nothing but bcrypt.
const PASSWORDS: &str = "alice:$2b$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW\n\
                         bob:$2b$05$mnopqrstuvwxyzabcdefguFTxjzZj1BIs5UrwStEahWLkGCOBmMv6\n";

/// A running `docker-registry` with a folder of its own. Dropping it ends it.
pub(crate) struct DebianRegistry {
    pub(crate) host: RegistryHost,
    pub(crate) folder: TempDir,
    log: watch::Receiver<Vec<Access>>,
    process: Child,
}

/// A request that the registry has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) method: String,
    /// `/v2/acme/web/manifests/1`, with the query where there is one.
    pub(crate) path: String,
    pub(crate) status: u16,
    /// Who asked, where it was for a manifest or a blob; nobody where the login was refused.
    pub(crate) user: Option<String>,
}

impl DebianRegistry {
    /// Starts one on a free loopback port, or says why the test is skipped.
    pub(crate) fn start(test: &str) -> Option<Self> {
        Self::start_with(test, |_| String::new())
    }

    /// The same with TLS, by a certificate for `127.0.0.1` that [`Self::authority`] signed.
    pub(crate) fn start_with_tls(test: &str) -> Option<Self> {
        Self::start_with(test, tls)
    }

    /// The same with TLS, for [`ALICE`] and [`BOB`] alone, who log in with Basic.
    pub(crate) fn start_closed(test: &str) -> Option<Self> {
        Self::start_with(test, |folder| {
            let file = folder.join("htpasswd");
            fs::write(&file, PASSWORDS).unwrap();
            let auth = format!("auth:\n  htpasswd:\n    realm: closed\n    path: {}\n", file.display());
            tls(folder) + &auth
        })
    }

    /// Without TLS, for those who bring a token of this service.
    pub(crate) fn start_with_tokens(test: &str, tokens: &TokenService) -> Option<Self> {
        Self::start_with(test, |_| {
            format!(
                "auth:\n  token:\n    realm: {}\n    service: {}\n    issuer: {}\n    rootcertbundle: {}\n",
                tokens.realm(),
                TokenService::SERVICE,
                TokenService::ISSUER,
                tokens.certificate().display()
            )
        })
    }

    /// `more` is what follows `http.addr` in the configuration.
    fn start_with(test: &str, more: impl FnOnce(&Path) -> String) -> Option<Self> {
        for program in ["/usr/bin/docker-registry", "/usr/bin/skopeo", "/usr/bin/openssl"] {
            if !Path::new(program).exists() {
                eprintln!("skipped: {test}: needs {program}");
                return None;
            }
        }
        let folder = TempDir::new().unwrap();
        let more = more(folder.path());
        let storage = folder.path().join("storage");
        let config = format!(
            "version: 0.1\nlog:\n  formatter: json\n  level: debug\nstorage:\n  delete:\n    enabled: true\n  filesystem:\n    rootdirectory: {}\n\
             http:\n  addr: 127.0.0.1:0\n{more}",
            storage.display()
        );
        let file = folder.path().join("config.yml");
        fs::write(&file, config).unwrap();
        let mut process = Command::new("/usr/bin/docker-registry")
            .arg("serve")
            .arg(&file)
            .env_clear()
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = lines.by_ref().find_map(|line| {
            let line = line.unwrap();
            let (_, rest) = line.split_once("listening on ")?;
            let end = rest.find(|c: char| !matches!(c, '0'..='9' | '.' | ':')).unwrap_or(rest.len());
            Some(rest[..end].to_owned())
        });
        let (heard, log) = watch::channel(Vec::new());
        // Read on, or the registry would block on a full pipe.
        std::thread::spawn(move || {
            let mut reader = Reader::default();
            for access in lines.map_while(Result::ok).filter_map(|line| reader.access(&line)) {
                heard.send_modify(|log| log.push(access));
            }
        });
        Some(Self { host: address.unwrap().parse().unwrap(), folder, log, process })
    }

    /// The file of the authority.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// `acme/web:1` on this registry.
    pub(crate) fn reference(&self, rest: &str) -> Reference {
        format!("{}/{rest}", self.host).parse().unwrap()
    }

    /// Every request that is in the log so far. The registry writes it down after it has answered, so a
    /// test that was answered waits with [`Self::answered`].
    pub(crate) fn requests(&self) -> Vec<Access> {
        self.log.borrow().clone()
    }

    /// The first request of this kind, as soon as it is in the log.
    pub(crate) async fn answered(&self, wanted: impl Fn(&Access) -> bool) -> Access {
        let mut log = self.log.clone();
        let found = log.wait_for(|log| log.iter().any(&wanted));
        let found = tokio::time::timeout(Duration::from_secs(10), found).await;
        let found = found.unwrap_or_else(|_| panic!("not in the log: {:?}", self.requests()));
        found.unwrap().iter().find(|access| wanted(access)).cloned().unwrap()
    }

    /// Damages a blob behind the registry's back.
    pub(crate) fn damage(&self, blob: &Digest) {
        let blobs = self.folder.path().join("storage/docker/registry/v2/blobs/sha256");
        let file = blobs.join(&blob.hex()[..2]).join(blob.hex()).join("data");
        let mut bytes = fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(file, bytes).unwrap();
    }

    /// Ends the registry before its folder goes.
    pub(crate) fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for DebianRegistry {
    fn drop(&mut self) {
        self.stop();
    }
}

fn tls(folder: &Path) -> String {
    let made = Certified::make(folder);
    format!("  tls:\n    certificate: {}\n    key: {}\n", made.certificate.display(), made.key.display())
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
