//! The platform that is tried, and how each act is done to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;
use xtask::bed::{
    Authority, Cli, Clock, Image, Platform, PlatformOptions, Registry, Temper, eventually, free_port, web,
};
use xtask::chaos::outside::{self, Wanted};
use xtask::load::{Counts, Load, Shape, Target};

use super::act::Act;
use super::round::How;
use crate::stage::BINARY;

/// How long a platform may take to come right. The longest pause before a restart is a minute.
pub(super) const REST: Duration = Duration::from_secs(70);

/// A platform that takes part in a trial, with `web` under load and `worker` without.
pub(super) struct Range {
    pub(super) platform: Platform,
    pub(super) authority: Authority,
    /// Where the proxy listens for TLS.
    pub(super) tls: u16,
    pub(super) clock: Clock,
    pub(super) registry: Registry,
    pub(super) trial: TempDir,
    pub(super) wanted: BTreeMap<String, Wanted>,
    load: Option<Load>,
    counts: Counts,
    /// Things that have a name of their own.
    pub(super) made: usize,
    /// An archive of a volume.
    pub(super) archive: PathBuf,
    /// A backup of the platform, the key that belongs to it, and what comes of restoring it.
    pub(super) backup: PathBuf,
    pub(super) key: PathBuf,
    pub(super) once: PathBuf,
    /// An image of the built-in registry.
    pub(super) image: String,
    /// A platform that one act is about.
    pub(super) other: Option<Platform>,
    /// What an act has to know when it is concluded.
    pub(super) noted: String,
}

/// What an act is about, made in peace.
#[derive(Debug, Default)]
pub(super) struct Subject {
    /// A service, a volume, or what a verb names.
    pub(super) name: String,
    pub(super) version: String,
    pub(super) reference: String,
    pub(super) file: PathBuf,
    pub(super) key: PathBuf,
}

impl Subject {
    pub(super) fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}

impl Range {
    /// Nothing where the test has to be skipped.
    pub(super) fn set(test: &str) -> Result<Option<Self>> {
        let Some(mut authority) = Authority::prepare(test)? else { return Ok(None) };
        let trial = tempfile::Builder::new().prefix("mirage-trial-").tempdir()?;
        fs::create_dir(trial.path().join("armed"))?;
        let (clock, tls) = (Clock::make(trial.path())?, free_port()?);
        let mut variables = clock.variables();
        variables.push(part_in(&trial));
        let mut arguments = authority.arguments();
        arguments.extend(["--proxy-tls-listen".to_owned(), format!("127.0.0.1:{tls}")]);
        let options = PlatformOptions { arguments, variables, ..PlatformOptions::default() };
        let registry = Registry::start()?;
        let platform = Platform::start(Path::new(BINARY), options)?;
        authority.start(platform.proxy_port(), tls, 3_600)?;
        let file = |name: &str| trial.path().join(name);
        let mut range = Self {
            platform,
            authority,
            tls,
            clock,
            registry,
            wanted: BTreeMap::new(),
            load: None,
            counts: Counts::default(),
            made: 0,
            archive: file("archive"),
            backup: file("backup"),
            key: file("vault.key"),
            once: file("once"),
            image: String::new(),
            other: None,
            noted: String::new(),
            trial,
        };
        for service in ["web", "worker"] {
            let (version, reference) = (format!("{service}-0"), range.push(service, 0, Temper::Good)?);
            range.create(service, &version, &reference, json!({}))?;
        }
        range.push("web", 1, Temper::Good)?;
        range.push("bad", 0, Temper::Crash)?;
        range.push("deaf", 0, Temper::Deaf)?;
        let keeper = range.make(Act::Volume)?;
        range.ask(Act::Volume, &keeper)?;
        range.conclude(Act::Volume, &keeper, None, How::Error)?;
        let archive = range.archive.to_string_lossy().into_owned();
        // Made by the round, and removed with its service; the data is another one's now.
        range.verb(&["volume", "create", "spare"], "")?;
        range.verb(&["volume", "backup", &keeper.name, &archive], "")?;
        range.image = range.make(Act::Untag)?.reference;
        let backup = range.backup.to_string_lossy().into_owned();
        range.verb(&["backup", &backup], "")?;
        fs::copy(range.platform.data().join("vault.key"), &range.key)?;
        range.restore(&Subject { file: range.once.clone(), ..Subject::default() })?;
        range.begin_load();
        Ok(Some(range))
    }

    /// Waits until everything is as it must be, by the kernel and the disk.
    pub(super) fn settled(&self) -> Result<()> {
        let wanted: Vec<Wanted> = self.wanted.values().cloned().collect();
        let mut found = Vec::new();
        let well = eventually("rest", REST, || {
            found = outside::violations(&self.platform, &wanted);
            found.is_empty().then_some(())
        });
        well.with_context(|| found.join("\n"))
    }

    /// Has the next process that comes to a point do this: `crash` or `error`.
    pub(super) fn arm(&self, point: &str, action: &str) -> Result<()> {
        let draft = self.file("draft");
        fs::write(&draft, format!("1*return({action})"))?;
        Ok(fs::rename(draft, self.file("armed").join(point.replace('/', ".")))?)
    }

    /// Takes back what no process has come to; answers with it.
    pub(super) fn disarm(&self) -> Result<Vec<String>> {
        let left: Vec<_> = fs::read_dir(self.file("armed"))?.collect::<Result<_, _>>()?;
        left.iter().try_for_each(|one| fs::remove_file(one.path()))?;
        Ok(left.iter().map(|one| one.file_name().to_string_lossy().into_owned()).collect())
    }

    pub(super) fn has_fired(&self, point: &str) -> bool {
        self.lines("fired").any(|line| line == point)
    }

    /// The points that were passed.
    pub(super) fn passed(&self) -> BTreeSet<String> {
        self.lines("passed").collect()
    }

    pub(super) fn begin_load(&mut self) {
        let target = Target {
            port: self.platform.proxy_port(),
            host: "web-production.localhost".to_owned(),
            prefix: "web-".to_owned(),
        };
        self.load = Some(Load::start(&target, Shape::KeepAlive, 1, Duration::from_millis(10)));
    }

    /// Ends the load; answers with what all of it has counted.
    pub(super) fn end_load(&mut self) -> &Counts {
        if let Some(load) = self.load.take() {
            self.counts.add(load.stop());
        }
        &self.counts
    }

    fn lines(&self, file: &str) -> impl Iterator<Item = String> {
        let text = fs::read_to_string(self.file(file)).unwrap_or_default();
        text.lines().map(str::to_owned).collect::<Vec<_>>().into_iter()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.trial.path().join(name)
    }

    pub(super) fn subject(&self, service: &str, image: &str, number: usize) -> Subject {
        let reference = self.registry.reference(&format!("trial/{image}:{number}"));
        Subject {
            name: service.to_owned(),
            version: format!("{image}-{number}"),
            reference,
            ..Subject::default()
        }
    }

    pub(super) fn push(&self, name: &str, number: usize, temper: Temper) -> Result<String> {
        let reference = self.registry.reference(&format!("trial/{name}:{number}"));
        let image: Image = web(&format!("{name}-{number}"), temper);
        image.push(&reference)?;
        Ok(reference)
    }

    pub(super) fn want(&mut self, service: &str, version: &str, replicas: usize) {
        let prefix = version.split_inclusive('-').next().unwrap_or_default().to_owned();
        self.wanted.insert(service.to_owned(), Wanted { prefix, version: version.to_owned(), replicas });
    }

    pub(super) fn create(
        &mut self,
        name: &str,
        version: &str,
        reference: &str,
        mut more: Value,
    ) -> Result<()> {
        more["healthcheck"] = probe();
        more["restartPolicy"] = json!("ALWAYS");
        self.platform.create(name, reference, more)?;
        self.want(name, version, 1);
        Ok(())
    }

    /// The service as it was asked for, made anew where something is in the way.
    pub(super) fn create_again(&mut self, act: Act, subject: &Subject) -> Result<()> {
        let path = path_of(act, &subject.name);
        if self.platform.api("GET", &path, None)?.status == 200 {
            self.remove_at(&path)?;
        }
        let created = self.platform.accepted("/api/services/from-image", &settings(act, subject))?;
        self.platform.until_active(created["deployment"]["id"].as_str().context("no deployment")?)
    }

    /// A service that was made for one round goes, and its volume stays.
    pub(super) fn leave(&mut self, act: Act, name: &str) -> Result<()> {
        if act == Act::Volume {
            let data = self.platform.data().join("volumes");
            let filled =
                fs::read_dir(&data)?.filter_map(Result::ok).any(|one| one.path().join("data/first").exists());
            if !filled {
                bail!("the volume of `{name}` has not what the image has there");
            }
        }
        self.remove_at(&path_of(act, name))
    }

    pub(super) fn remove_at(&self, path: &str) -> Result<()> {
        self.delete(path)?;
        let gone =
            || self.platform.api("GET", path, None).ok().filter(|answer| answer.status == 404).map(drop);
        eventually("the end of a service", Duration::from_secs(30), gone)
    }

    pub(super) fn delete(&self, path: &str) -> Result<()> {
        let answer = self.platform.api("DELETE", path, None)?;
        if answer.status >= 300 && answer.status != 404 {
            bail!("DELETE {path}: {}: {}", answer.status, answer.text());
        }
        Ok(())
    }

    pub(super) fn scale(&self, replicas: u32) -> Result<()> {
        let answer =
            self.platform.api("PATCH", "/api/services/worker", Some(&json!({"replicas": replicas})))?;
        if answer.status >= 300 {
            bail!("scale: {}: {}", answer.status, answer.text());
        }
        Ok(())
    }

    pub(super) fn cancel(&self, id: &str) -> Result<()> {
        let answer = self.platform.api("POST", &format!("/api/deployments/{id}/cancel"), Some(&json!({})))?;
        // It may be cancelled already, and still be on its way out.
        if answer.status >= 300 && answer.status != 409 {
            bail!("cancel: {}: {}", answer.status, answer.text());
        }
        Ok(())
    }

    /// Cancels the deployment that is on its way, if there is one.
    pub(super) fn cancel_all(&self, name: &str) -> Result<()> {
        let shown = self.platform.api("GET", &format!("/api/services/{name}"), None)?.json()?;
        if let Some(id) = shown["candidateDeployment"]["id"].as_str() {
            self.cancel(id)?;
        }
        self.until_idle(name)
    }

    pub(super) fn until_idle(&self, name: &str) -> Result<()> {
        eventually("the end of a deployment", REST, || {
            let shown = self.platform.api("GET", &format!("/api/services/{name}"), None).ok()?.json().ok()?;
            (!shown["candidateDeployment"].is_object()).then_some(())
        })
    }

    /// The id of a token.
    pub(super) fn token(&self, name: &str) -> Result<String> {
        let listed: Vec<Value> =
            serde_json::from_str(&self.platform.cli(&["token", "list", "--json"])?.stdout)?;
        let found = listed.iter().find(|one| one["name"] == name).context("no token of this name")?;
        Ok(found["id"].as_str().context("no id")?.to_owned())
    }

    /// The variable by which a process takes part.
    pub(super) fn part(&self) -> (String, String) {
        part_in(&self.trial)
    }

    pub(super) fn verb(&self, words: &[&str], told: &str) -> Result<()> {
        let said = self.said(words, told)?;
        if said.code != 0 {
            bail!("{words:?}: {}", said.stderr);
        }
        Ok(())
    }

    pub(super) fn said(&self, words: &[&str], told: &str) -> Result<Cli> {
        if told.is_empty() { self.platform.cli(words) } else { self.platform.cli_told(words, told) }
    }
}

fn part_in(trial: &TempDir) -> (String, String) {
    ("MIRAGE_FAIL_POINTS".to_owned(), trial.path().to_string_lossy().into_owned())
}

/// Quick to say that an image is no good.
fn probe() -> Value {
    json!({"path": "/", "intervalSeconds": 1, "timeoutSeconds": 1, "threshold": 3, "startTimeoutSeconds": 2})
}

pub(super) fn settings(act: Act, subject: &Subject) -> Value {
    let Subject { name, reference, .. } = subject;
    let mut settings = json!({"name": name, "image": reference, "healthcheck": probe()});
    match act {
        Act::Volume => settings["volumes"] = json!([{"name": name, "path": "/data"}]),
        Act::Environment => settings["project"] = json!(name),
        _ => {}
    }
    settings
}

pub(super) fn path_of(act: Act, name: &str) -> String {
    let project = if act == Act::Environment { name } else { "default" };
    format!("/api/services/{project}%2Fproduction%2F{name}")
}
