//! Acts upon what is sealed: certificates, accounts, and the vault itself.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use xtask::bed::{Authority, eventually, run};

use super::act::Verb;
use super::range::{REST, Range, Subject};

impl Range {
    /// A domain without a certificate, and one for it in files.
    pub(super) fn make_certificate(&mut self, name: &str) -> Result<Subject> {
        let name = format!("{name}.example.org");
        self.verb(&["domain", "add", "web", &name, "--no-certificate"], "")?;
        let (file, key) = Authority::sign_own(self.trial.path(), &name)?;
        Ok(Subject { name, file, key, ..Subject::default() })
    }

    /// Brings it.
    pub(super) fn bring_certificate(&self, subject: &Subject) -> Result<()> {
        let (file, key) = (subject.file.to_string_lossy(), subject.key.to_string_lossy());
        self.verb(&["domain", "certificate", &subject.name, "--cert", &file, "--key", &key], "")
    }

    /// Waits until the domain is served with it.
    pub(super) fn until_certificate_served(&self, subject: &Subject) -> Result<()> {
        self.bring_certificate(subject)?;
        self.until_visited(&subject.name, &subject.file)
    }

    /// Waits until the domain has a certificate of the authority, asking again where something was refused.
    pub(super) fn until_signed(&self, domain: &str) -> Result<()> {
        let mut last = Value::Null;
        let mut signed = || {
            let shown = self.platform.api("GET", "/api/domains?limit=100", None).ok()?.json().ok()?;
            let found = shown["domains"].as_array()?.iter().find(|one| one["domain"] == domain).cloned();
            let Some(found) = found else {
                self.said(&["domain", "add", "web", domain], "").ok()?;
                return None;
            };
            let certificate = &found["certificate"];
            if certificate["issuedAt"].is_string() {
                return Some(());
            }
            if certificate["lastError"].is_string() && certificate["lastTriedAt"] != last {
                last = certificate["lastTriedAt"].clone();
                self.said(&["domain", "renew", domain], "").ok()?;
            }
            None
        };
        eventually("a certificate", REST, &mut signed).with_context(|| self.authority.said())?;
        self.until_visited(domain, &self.authority.roots()?)
    }

    /// Gives up what is sealed, and with it the account at the authority.
    pub(super) fn lose_account(&mut self) -> Result<()> {
        self.lose_key()?;
        self.verb(&["vault", "reset", "--drop-secrets"], "")
    }

    /// Loses the vault's key for good.
    pub(super) fn lose_key(&mut self) -> Result<()> {
        self.platform.kill_control();
        fs::remove_file(self.platform.data().join("vault.key"))?;
        self.platform.serve()
    }

    /// Seals something, so that there is something to lose.
    pub(super) fn seal(&self, name: &str) -> Result<()> {
        let (words, told) = Verb::SetCredential.words(name);
        self.verb(&words.iter().map(String::as_str).collect::<Vec<_>>(), told)
    }

    /// That everything which is sealed can be opened and sealed anew, and one key is enough for it.
    pub(super) fn vault_is_well(&self, name: &str) -> Result<()> {
        self.seal(name)?;
        self.verb(&["vault", "rotate"], "")?;
        let file = self.platform.data().join("vault.key");
        let keys = fs::read_to_string(&file)?.lines().count();
        if keys != 1 || file.with_extension("key.new").exists() {
            bail!("{keys} keys are kept, or a draft of some");
        }
        Ok(())
    }

    fn until_visited(&self, domain: &str, root: &Path) -> Result<()> {
        let (resolve, url) =
            (format!("{domain}:{}:127.0.0.1", self.tls), format!("https://{domain}:{}/", self.tls));
        let root = root.display().to_string();
        let words = ["--silent", "--show-error", "--fail", "--resolve", &resolve, "--cacert", &root, &url];
        let mut said = String::new();
        let visited = || match run("curl", &words) {
            Ok(page) => page.starts_with("web-").then_some(()),
            Err(error) => {
                said = format!("{error:#}");
                None
            }
        };
        let done = eventually("a visit", Duration::from_secs(20), visited);
        done.with_context(|| said)
    }
}
