//! The platform that is tried, and how each act is done to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;
use xtask::bed::{
    Cli, Image, Layer, Platform, PlatformOptions, Registry, Temper, containers, eventually, web,
};
use xtask::chaos::outside::{self, Wanted};
use xtask::load::{Counts, Load, Shape, Target};

use super::act::{Act, Verb};
use crate::stage::BINARY;

/// How long a platform may take to come right. The longest pause before a restart is a minute.
const REST: Duration = Duration::from_secs(70);

/// A platform that takes part in a trial, with `web` under load and `worker` without.
pub(super) struct Range {
    pub(super) platform: Platform,
    registry: Registry,
    trial: TempDir,
    wanted: BTreeMap<String, Wanted>,
    load: Option<Load>,
    counts: Counts,
    /// Things that have a name of their own.
    made: usize,
    archive: PathBuf,
}

/// What an act is about, made in peace.
#[derive(Debug, Default)]
pub(super) struct Subject {
    /// A service, a volume, or what a verb names.
    name: String,
    version: String,
    reference: String,
}

impl Range {
    pub(super) fn set() -> Result<Self> {
        let trial = tempfile::Builder::new().prefix("mirage-trial-").tempdir()?;
        fs::create_dir(trial.path().join("armed"))?;
        let folder = trial.path().to_string_lossy().into_owned();
        let variables = vec![("MIRAGE_FAIL_POINTS".to_owned(), folder)];
        let options = PlatformOptions { variables, ..PlatformOptions::default() };
        let registry = Registry::start()?;
        let platform = Platform::start(Path::new(BINARY), options)?;
        let archive = trial.path().join("archive");
        let (wanted, counts) = (BTreeMap::new(), Counts::default());
        let mut range = Self { platform, registry, trial, wanted, load: None, counts, made: 0, archive };
        for service in ["web", "worker"] {
            let (version, reference) = (format!("{service}-0"), range.push(service, 0, Temper::Good)?);
            range.create(service, &version, &reference, json!({}))?;
        }
        range.push("web", 1, Temper::Good)?;
        range.push("bad", 0, Temper::Crash)?;
        range.push("deaf", 0, Temper::Deaf)?;
        let keeper = range.make(Act::Volume)?;
        range.ask(Act::Volume, &keeper)?;
        range.conclude(Act::Volume, &keeper, None)?;
        let archive = range.archive.to_string_lossy().into_owned();
        // Made by the round, and removed with its service; the data is another one's now.
        range.verb(&["volume", "create", "spare"], "")?;
        range.verb(&["volume", "backup", &keeper.name, &archive], "")?;
        range.begin_load();
        Ok(range)
    }

    /// Makes what the act needs, before anything is wrong.
    pub(super) fn make(&mut self, act: Act) -> Result<Subject> {
        self.made += 1;
        let number = self.made;
        let name = format!("n{number}");
        let subject = match act {
            Act::Deploy => {
                let next = if self.wanted["web"].version == "web-0" { 1 } else { 0 };
                self.subject("web", "web", next)
            }
            Act::Pull => {
                self.push("web", number, Temper::Good)?;
                self.subject("web", "web", number)
            }
            Act::Fail => self.subject("web", "bad", 0),
            Act::Cancel => self.subject("web", "deaf", 0),
            Act::Create | Act::Environment => {
                let reference = self.registry.reference("trial/worker:0");
                Subject { name, version: "worker-0".to_owned(), reference }
            }
            Act::Remove => {
                let (version, reference) = (format!("{name}-0"), self.push(&name, 0, Temper::Good)?);
                self.create(&name, &version, &reference, json!({}))?;
                Subject { name, version, reference }
            }
            Act::Volume => {
                let mut image = web(&format!("{name}-0"), Temper::Good);
                let layer = Layer::new().directory("data", 0o755).file("data/first", 0o644, "from the image");
                image.layers.push(layer);
                let reference = self.registry.reference(&format!("trial/{name}:0"));
                image.push(&reference)?;
                Subject { version: format!("{name}-0"), name, reference }
            }
            Act::Restore => {
                self.verb(&["volume", "create", &name], "")?;
                Subject { name, ..Subject::default() }
            }
            Act::Push => {
                let own = format!("127.0.0.1:{}/trial/{name}:0", self.platform.api_port());
                Subject { name, reference: own, ..Subject::default() }
            }
            Act::Verb(verb) => {
                if let Some(before) = verb.after() {
                    let (words, told) = before.words(&name);
                    self.verb(&words.iter().map(String::as_str).collect::<Vec<_>>(), told)?;
                }
                if verb == Verb::RemoveVolume {
                    self.verb(&["volume", "create", &name], "")?;
                }
                let name = if verb == Verb::RemoveToken { self.token(&name)? } else { name };
                Subject { name, ..Subject::default() }
            }
            Act::Scale | Act::Kill => Subject { name: "worker".to_owned(), ..Subject::default() },
        };
        Ok(subject)
    }

    /// Asks for it, once; answers with the deployment, where there is one.
    pub(super) fn ask(&mut self, act: Act, subject: &Subject) -> Result<Option<String>> {
        let Subject { name, reference, .. } = subject;
        match act {
            Act::Deploy | Act::Pull | Act::Fail => self.platform.begin_deploy(name, reference).map(Some),
            Act::Cancel => {
                let id = self.platform.begin_deploy(name, reference)?;
                self.cancel(&id)?;
                Ok(Some(id))
            }
            Act::Create | Act::Environment | Act::Volume => {
                let created = self.platform.accepted("/api/services/from-image", &settings(act, subject))?;
                Ok(created["deployment"]["id"].as_str().map(str::to_owned))
            }
            Act::Remove => self.delete(&path_of(act, name)).map(|()| None),
            Act::Scale => self.scale(2).map(|()| None),
            Act::Kill => {
                let running = containers(&self.platform.data());
                let worker = running.iter().find(|one| one.version == "worker-0").context("no worker")?;
                kill(Pid::from_raw(i32::try_from(worker.pid)?), Signal::SIGKILL)?;
                Ok(None)
            }
            Act::Restore => {
                let archive = self.archive.to_string_lossy().into_owned();
                self.verb(&["volume", "restore", name, "--from", &archive], "").map(|()| None)
            }
            Act::Push => {
                let token = self.platform.token();
                web(name, Temper::Good).push_as(reference, ("any", &token)).map(|_| None)
            }
            Act::Verb(verb) => {
                let (words, told) = verb.words(name);
                self.verb(&words.iter().map(String::as_str).collect::<Vec<_>>(), told).map(|()| None)
            }
        }
    }

    /// Sees to it that what was asked for becomes so, with nothing in the way any more. Answers with the
    /// reason, where the deployment that was accepted has failed.
    pub(super) fn conclude(
        &mut self,
        act: Act,
        subject: &Subject,
        asked: Option<String>,
    ) -> Result<Option<String>> {
        let Subject { name, version, reference } = subject;
        let ended = asked.map(|id| self.platform.until_ended(&id)).transpose()?;
        let phase = ended.as_ref().and_then(|ended| ended["phase"].as_str()).unwrap_or_default().to_owned();
        let failed = match (phase.as_str(), &ended) {
            ("failed", Some(ended)) => {
                let why = ended["error"]["message"].as_str().filter(|why| !why.is_empty());
                Some(
                    why.with_context(|| format!("a deployment failed and says nothing: {ended}"))?.to_owned(),
                )
            }
            _ => None,
        };
        let succeeded = matches!(phase.as_str(), "active" | "superseded");
        match act {
            Act::Deploy | Act::Pull => {
                if !succeeded {
                    self.until_idle(name)?;
                    let id = self.platform.begin_deploy(name, reference)?;
                    self.platform.until_active(&id)?;
                }
                self.want(name, version, 1);
            }
            Act::Fail => {
                if failed.is_none() {
                    self.until_idle(name)?;
                    let id = self.platform.begin_deploy(name, reference)?;
                    let ended = self.platform.until_ended(&id)?;
                    if ended["phase"] != "failed" {
                        bail!("an image that ends by itself: {ended}");
                    }
                }
                return Ok(None);
            }
            Act::Cancel => self.cancel_all(name)?,
            Act::Create | Act::Environment | Act::Volume => {
                if !succeeded {
                    self.create_again(act, subject)?;
                }
                self.leave(act, name)?;
            }
            Act::Remove => {
                self.remove_at(&path_of(act, name))?;
                self.wanted.remove(name);
            }
            Act::Scale => {
                self.scale(2)?;
                self.scale(1)?;
            }
            Act::Kill => {}
            Act::Restore | Act::Push => {
                self.ask(act, subject)?;
            }
            Act::Verb(verb) => {
                let (words, told) = verb.words(name);
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let again = self.said(&words, told)?;
                // It may have been done already.
                let done =
                    ["NOT_FOUND", "NAME_TAKEN", "CONFLICT"].iter().any(|code| again.stderr.contains(code));
                if again.code != 0 && !done {
                    bail!("{words:?}: {}", again.stderr);
                }
            }
        }
        Ok(failed)
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

    fn subject(&self, service: &str, image: &str, number: usize) -> Subject {
        let reference = self.registry.reference(&format!("trial/{image}:{number}"));
        Subject { name: service.to_owned(), version: format!("{image}-{number}"), reference }
    }

    fn push(&self, name: &str, number: usize, temper: Temper) -> Result<String> {
        let reference = self.registry.reference(&format!("trial/{name}:{number}"));
        let image: Image = web(&format!("{name}-{number}"), temper);
        image.push(&reference)?;
        Ok(reference)
    }

    fn want(&mut self, service: &str, version: &str, replicas: usize) {
        let prefix = version.split_inclusive('-').next().unwrap_or_default().to_owned();
        self.wanted.insert(service.to_owned(), Wanted { prefix, version: version.to_owned(), replicas });
    }

    fn create(&mut self, name: &str, version: &str, reference: &str, mut more: Value) -> Result<()> {
        more["healthcheck"] = probe();
        more["restartPolicy"] = json!("ALWAYS");
        self.platform.create(name, reference, more)?;
        self.want(name, version, 1);
        Ok(())
    }

    /// The service as it was asked for, made anew where something is in the way.
    fn create_again(&mut self, act: Act, subject: &Subject) -> Result<()> {
        let path = path_of(act, &subject.name);
        if self.platform.api("GET", &path, None)?.status == 200 {
            self.remove_at(&path)?;
        }
        let created = self.platform.accepted("/api/services/from-image", &settings(act, subject))?;
        self.platform.until_active(created["deployment"]["id"].as_str().context("no deployment")?)
    }

    /// A service that was made for one round goes, and its volume stays.
    fn leave(&mut self, act: Act, name: &str) -> Result<()> {
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

    fn remove_at(&self, path: &str) -> Result<()> {
        self.delete(path)?;
        let gone =
            || self.platform.api("GET", path, None).ok().filter(|answer| answer.status == 404).map(drop);
        eventually("the end of a service", Duration::from_secs(30), gone)
    }

    fn delete(&self, path: &str) -> Result<()> {
        let answer = self.platform.api("DELETE", path, None)?;
        if answer.status >= 300 && answer.status != 404 {
            bail!("DELETE {path}: {}: {}", answer.status, answer.text());
        }
        Ok(())
    }

    fn scale(&self, replicas: u32) -> Result<()> {
        let answer =
            self.platform.api("PATCH", "/api/services/worker", Some(&json!({"replicas": replicas})))?;
        if answer.status >= 300 {
            bail!("scale: {}: {}", answer.status, answer.text());
        }
        Ok(())
    }

    fn cancel(&self, id: &str) -> Result<()> {
        let answer = self.platform.api("POST", &format!("/api/deployments/{id}/cancel"), Some(&json!({})))?;
        // It may be cancelled already, and still be on its way out.
        if answer.status >= 300 && answer.status != 409 {
            bail!("cancel: {}: {}", answer.status, answer.text());
        }
        Ok(())
    }

    /// Cancels the deployment that is on its way, if there is one.
    fn cancel_all(&self, name: &str) -> Result<()> {
        let shown = self.platform.api("GET", &format!("/api/services/{name}"), None)?.json()?;
        if let Some(id) = shown["candidateDeployment"]["id"].as_str() {
            self.cancel(id)?;
        }
        self.until_idle(name)
    }

    fn until_idle(&self, name: &str) -> Result<()> {
        eventually("the end of a deployment", REST, || {
            let shown = self.platform.api("GET", &format!("/api/services/{name}"), None).ok()?.json().ok()?;
            (!shown["candidateDeployment"].is_object()).then_some(())
        })
    }

    /// The id of a token.
    fn token(&self, name: &str) -> Result<String> {
        let listed: Vec<Value> =
            serde_json::from_str(&self.platform.cli(&["token", "list", "--json"])?.stdout)?;
        let found = listed.iter().find(|one| one["name"] == name).context("no token of this name")?;
        Ok(found["id"].as_str().context("no id")?.to_owned())
    }

    fn verb(&self, words: &[&str], told: &str) -> Result<()> {
        let said = self.said(words, told)?;
        if said.code != 0 {
            bail!("{words:?}: {}", said.stderr);
        }
        Ok(())
    }

    fn said(&self, words: &[&str], told: &str) -> Result<Cli> {
        if told.is_empty() { self.platform.cli(words) } else { self.platform.cli_told(words, told) }
    }
}

/// Quick to say that an image is no good.
fn probe() -> Value {
    json!({"path": "/", "intervalSeconds": 1, "timeoutSeconds": 1, "threshold": 3, "startTimeoutSeconds": 2})
}

fn settings(act: Act, subject: &Subject) -> Value {
    let Subject { name, reference, .. } = subject;
    let mut settings = json!({"name": name, "image": reference, "healthcheck": probe()});
    match act {
        Act::Volume => settings["volumes"] = json!([{"name": name, "path": "/data"}]),
        Act::Environment => settings["project"] = json!(name),
        _ => {}
    }
    settings
}

fn path_of(act: Act, name: &str) -> String {
    let project = if act == Act::Environment { name } else { "default" };
    format!("/api/services/{project}%2Fproduction%2F{name}")
}
