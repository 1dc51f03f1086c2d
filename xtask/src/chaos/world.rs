//! The platform of a walk, and how each action is done to it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::outside::Wanted;
use super::registry::FaultyRegistry;
use super::walk::{Action, SERVICES};
use super::window::Window;
use crate::bed::{Clock, Layer, Platform, PlatformOptions, Temper, eventually, web};
use crate::load::{Counts, Load, Shape, Target};

/// MiB of the disk that is filled now and then.
const DISK: u64 = 256;

/// A platform, its services, and what is wrong with it at the moment.
pub(super) struct World {
    pub(super) platform: Platform,
    pub(super) registry: FaultyRegistry,
    pub(super) services: Vec<Service>,
    pub(super) windows: Vec<Window>,
    /// What a reader may want to know, and how often it was so.
    pub(super) notes: BTreeMap<String, u64>,
    /// What was said or done meanwhile and must not be.
    pub(super) violations: Vec<String>,
    pub(super) filled_until: Option<Instant>,
    /// The table of the proxy on the disk may be an older one, while it is this: the disk was full.
    pub(super) doubtful_table: Option<u64>,
    clock: Clock,
    _folder: TempDir,
}

/// A service under load.
pub(super) struct Service {
    pub(super) name: String,
    pub(super) replicas: u32,
    /// What each revision runs, by its number.
    revisions: BTreeMap<u64, (String, Temper)>,
    /// Versions that were made.
    made: usize,
    last: Option<String>,
    /// The deployment that has to be active in the end: it is of a good version, and nothing was in its way.
    expected: Option<String>,
    loads: Vec<Load>,
    /// What the loads before counted.
    pub(super) counts: Counts,
}

/// What came of an action.
pub(super) struct Done {
    /// In a few words.
    pub(super) said: String,
    /// Whether anything is another than before; known for certain when all is at rest.
    pub(super) took_effect: Arc<AtomicBool>,
}

impl Done {
    /// Takes effect whatever was said.
    pub(super) fn of(said: String) -> Self {
        Self { said, took_effect: Arc::new(true.into()) }
    }

    /// Takes effect where the platform has accepted it.
    fn if_accepted(said: String) -> Self {
        Self { took_effect: Arc::new(said.starts_with('2').into()), said }
    }

    /// There was nobody to do it to.
    pub(super) fn nothing(said: &str) -> Self {
        Self { said: said.to_owned(), took_effect: Arc::default() }
    }
}

impl World {
    pub(super) fn start(binary: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("mirage-chaos-").tempdir()?;
        let clock = Clock::make(folder.path())?;
        let variables = clock.variables();
        let options = PlatformOptions { disk_mib: Some(DISK), variables, ..PlatformOptions::default() };
        let registry = FaultyRegistry::start()?;
        let platform = Platform::start(binary, options)?;
        let mut world = Self {
            platform,
            registry,
            services: Vec::new(),
            windows: Vec::new(),
            notes: BTreeMap::new(),
            violations: Vec::new(),
            filled_until: None,
            doubtful_table: None,
            clock,
            _folder: folder,
        };
        for number in 0..SERVICES {
            let name = char::from(b'a' + number as u8).to_string();
            world.services.push(Service::new(name, 1 + number as u32 % 2));
            world.make(number)?;
        }
        Ok(world)
    }

    /// Does it, and answers with what came of it.
    pub(super) fn act(&mut self, action: &Action) -> Result<Done> {
        self.look_at_the_time();
        for (number, service) in self.services.iter_mut().enumerate() {
            service.expected.take_if(|_| action.disturbs(number));
        }
        let done = match action {
            Action::Deploy { service, temper } => Done::if_accepted(self.deploy(*service, *temper)?),
            Action::DeployNothing { service } => {
                let nothing = json!({"image": self.registry.reference("chaos/nothing:0")});
                Done::of(self.ask("POST", *service, "/deploy", &nothing)?.0)
            }
            Action::Redeploy { service } => Done::if_accepted(self.begin(*service, "/redeploy")?),
            Action::Restart { service } => Done::of(self.ask("POST", *service, "/restart", &json!({}))?.0),
            Action::RollBack { service } => Done::if_accepted(self.begin(*service, "/rollback")?),
            Action::Cancel { service } => Done::of(self.cancel(*service)?),
            Action::Scale { service, replicas } => {
                let (said, answer) = self.ask("PATCH", *service, "", &json!({"replicas": replicas}))?;
                if answer.is_some() {
                    self.services[*service].replicas = *replicas;
                }
                Done::of(said)
            }
            Action::Replace { service } => Done::of(self.replace(*service)?),
            Action::KillControl { down } => Done::of(self.kill_control(*down)?),
            Action::KillProxy => self.kill_proxy()?,
            Action::KillBoth { down } => {
                let proxy = self.kill_proxy()?;
                Done::of([proxy.said, self.kill_control(*down)?].join(", "))
            }
            Action::KillShim { turn } => self.kill_shim(*turn)?,
            Action::KillContainer { turn } => self.kill_container(*turn)?,
            Action::Registry { fault, millis } => {
                let met = self.registry.fail(*fault, Duration::from_millis(*millis));
                Done { said: "begun".to_owned(), took_effect: met }
            }
            Action::FillDisk { millis } => {
                self.fill_disk()?;
                self.filled_until = Some(Instant::now() + Duration::from_millis(*millis));
                Done::of("full".to_owned())
            }
            Action::JumpClock { seconds } => {
                self.clock.jump(*seconds)?;
                Done::of(format!("{} s off", self.clock.offset()))
            }
            Action::AbandonUpload => Done::if_accepted(self.abandon_upload()?),
            Action::Rest { millis } => {
                std::thread::sleep(Duration::from_millis(*millis));
                Done::of(String::new())
            }
        };
        Ok(done)
    }

    /// Ends what lasts: from here on everything has to come right by itself.
    pub(super) fn heal(&mut self) -> Result<()> {
        self.registry.heal();
        self.empty_disk();
        self.kill_control(0)?;
        Ok(())
    }

    /// What is to run of each service. What a deployment's version is, and that its image is a good one,
    /// is known here; Mirage is asked which one was its last to succeed.
    pub(super) fn wanted(&self) -> Result<Vec<Wanted>> {
        self.services.iter().map(|service| self.wanted_of(service)).collect()
    }

    fn wanted_of(&self, service: &Service) -> Result<Wanted> {
        let name = &service.name;
        let shown = self.platform.api("GET", &format!("/api/services/{name}"), None)?.json()?;
        if shown["candidateDeployment"].is_object() {
            bail!("`{name}` has a deployment on its way: {}", shown["candidateDeployment"]["phase"]);
        }
        let active = &shown["activeDeployment"];
        if let Some(expected) = &service.expected
            && active["id"] != expected.as_str()
        {
            let ended = self.platform.api("GET", &format!("/api/deployments/{expected}"), None)?.json()?;
            bail!("`{name}`: nothing was in the way of a good version, and its deployment ended so: {ended}");
        }
        let revision =
            active["revision"].as_u64().with_context(|| format!("`{name}` has no active deployment"))?;
        let listed =
            self.platform.api("GET", &format!("/api/services/{name}/deployments?limit=100"), None)?;
        let listed = listed.json()?;
        let all = listed["deployments"].as_array().context("no list of deployments")?;
        // One that was superseded while it still waited for its turn never ran.
        let ran = |one: &Value| {
            one["steps"].as_array().is_some_and(|all| all.iter().any(|step| step["kind"] == "route"))
        };
        let newest =
            all.iter().find(|one| one["phase"] == "active" || one["phase"] == "superseded" && ran(one));
        if newest.is_some_and(|newest| newest["id"] != active["id"]) {
            bail!("`{name}`: {newest:?} succeeded later than what is active, {active}");
        }
        match service.revisions.get(&revision) {
            Some((version, Temper::Good)) => Ok(Wanted {
                prefix: service.prefix(),
                version: version.clone(),
                replicas: service.replicas as usize,
            }),
            Some((version, temper)) => bail!("`{name}`: {version} is active, and it is {temper:?}"),
            None => bail!("`{name}`: revision {revision} is active, and nobody asked for it"),
        }
    }

    /// Deploys a good version with nothing in its way, and waits until it is active.
    pub(super) fn deploy_in_peace(&mut self, number: usize) -> Result<()> {
        let said = self.deploy(number, Temper::Good)?;
        let Some(id) = self.services[number].last.clone().filter(|_| said == "202") else {
            bail!("a good image is refused: {said}");
        };
        self.platform.until_active(&id)
    }

    /// Stops the load of every service, and begins a new one; what was counted is kept in the services.
    pub(super) fn count(&mut self) {
        for number in 0..self.services.len() {
            self.stop_load(number);
            self.start_load(number);
        }
    }

    fn start_load(&mut self, number: usize) {
        let target = self.target(number);
        let rest = Duration::from_millis(25);
        self.services[number].loads = vec![
            Load::start(&target, Shape::KeepAlive, 2, rest),
            Load::start(&target, Shape::NewConnections, 1, rest),
            Load::start(&target, Shape::InFlight, 2, rest),
            Load::start(&target, Shape::Uploads, 1, rest),
        ];
    }

    fn stop_load(&mut self, number: usize) {
        let service = &mut self.services[number];
        for load in std::mem::take(&mut service.loads) {
            service.counts.add(load.stop());
        }
    }

    fn target(&self, number: usize) -> Target {
        let service = &self.services[number];
        let host = format!("{}-production.localhost", service.name);
        Target { port: self.platform.proxy_port(), host, prefix: service.prefix() }
    }

    /// Pushes the next version of a service; answers with the version and its reference.
    fn push(&mut self, number: usize, temper: Temper) -> Result<(String, String)> {
        let service = &mut self.services[number];
        service.made += 1;
        let version = format!("{}{}", service.prefix(), service.made);
        let name = format!("chaos/{}:{}", service.name, service.made);
        let mut image = web(&version, temper);
        // Something to be slow with, and to be wrong in: bytes that do not get smaller.
        let mut draw = super::seed::Seeded::new(service.made as u64);
        let pad: Vec<u8> = (0..8 * 1024).flat_map(|_| draw.next().to_le_bytes()).collect();
        image.layers.push(Layer::new().file("pad", 0o644, pad));
        image.push(&self.registry.behind(&name))?;
        Ok((version, self.registry.reference(&name)))
    }

    fn deploy(&mut self, number: usize, temper: Temper) -> Result<String> {
        let (version, reference) = self.push(number, temper)?;
        let (said, answer) = self.ask("POST", number, "/deploy", &json!({"image": reference}))?;
        if answer.is_none() && temper == Temper::Good && self.is_calm() {
            *self.notes.entry(format!("a good image was refused: {said}")).or_default() += 1;
        }
        self.note_deployment(number, answer.as_ref(), Some((version, temper)));
        Ok(said)
    }

    fn begin(&mut self, number: usize, what: &str) -> Result<String> {
        let (said, answer) = self.ask("POST", number, what, &json!({}))?;
        self.note_deployment(number, answer.as_ref(), None);
        Ok(said)
    }

    /// Keeps the id of a deployment that was accepted, and what its revision runs where that is new.
    fn note_deployment(&mut self, number: usize, answer: Option<&Value>, runs: Option<(String, Temper)>) {
        let Some(answer) = answer else { return };
        let calm = self.is_calm();
        let service = &mut self.services[number];
        service.last = answer["id"].as_str().map(str::to_owned);
        if let (Some(revision), Some(runs)) = (answer["revision"].as_u64(), runs) {
            service.revisions.insert(revision, runs);
        }
        let runs = answer["revision"].as_u64().and_then(|revision| service.revisions.get(&revision));
        let good = runs.is_some_and(|(_, temper)| *temper == Temper::Good);
        service.expected = service.last.clone().filter(|_| calm && good);
    }

    /// Whether neither the registry nor the disk stands in the way of a deployment.
    fn is_calm(&self) -> bool {
        !self.registry.is_failing() && self.filled_until.is_none()
    }

    fn cancel(&mut self, number: usize) -> Result<String> {
        let Some(id) = self.services[number].last.clone() else { return Ok("nothing to cancel".to_owned()) };
        let answer = self.platform.api("POST", &format!("/api/deployments/{id}/cancel"), Some(&json!({})))?;
        Ok(self.said(&answer).0)
    }

    /// One request about a service; answers with what was said, and with the body where it was accepted.
    fn ask(
        &mut self,
        method: &str,
        number: usize,
        path: &str,
        body: &Value,
    ) -> Result<(String, Option<Value>)> {
        let path = format!("/api/services/{}{path}", self.services[number].name);
        let answer = self.platform.api(method, &path, Some(body))?;
        Ok(self.said(&answer))
    }

    fn said(&mut self, answer: &crate::bed::http::Response) -> (String, Option<Value>) {
        let body = answer.json().unwrap_or_default();
        if answer.status < 300 {
            return (answer.status.to_string(), Some(body));
        }
        let code = body["code"].as_str().unwrap_or("no code").to_owned();
        if code == "INTERNAL" {
            let what = format!("INTERNAL: {}", body["detail"].as_str().unwrap_or_default());
            match self.filled_until {
                Some(_) => *self.notes.entry(format!("{what}, while the disk was full")).or_default() += 1,
                None => self.violations.push(what),
            }
        }
        (format!("{} {code}", answer.status), None)
    }

    fn replace(&mut self, number: usize) -> Result<String> {
        // Nothing that was routed may be counted as lost when it goes on purpose.
        self.stop_load(number);
        let name = self.services[number].name.clone();
        let path = format!("/api/services/{name}");
        let limit = Duration::from_secs(90);
        eventually("the acceptance of a removal", limit, || {
            self.look_at_the_time();
            self.platform.api("DELETE", &path, None).ok().filter(|answer| answer.status < 300)
        })?;
        eventually("the end of a service", limit, || {
            self.look_at_the_time();
            self.platform.api("GET", &path, None).ok().filter(|answer| answer.status == 404)
        })?;
        self.make(number)?;
        Ok("removed and made anew".to_owned())
    }

    /// Makes the service, with faults that last ended first where it does not work otherwise.
    fn make(&mut self, number: usize) -> Result<()> {
        self.services[number].revisions.clear();
        self.registry.heal();
        self.empty_disk();
        let (version, reference) = self.push(number, Temper::Good)?;
        let Service { name, replicas, .. } = &self.services[number];
        let probe = json!({"path": "/", "intervalSeconds": 1, "timeoutSeconds": 3, "threshold": 5, "startTimeoutSeconds": 10});
        let settings = json!({"replicas": replicas, "restartPolicy": "ALWAYS", "healthcheck": probe});
        self.platform.create(&name.clone(), &reference, settings)?;
        let service = &mut self.services[number];
        service.revisions.insert(1, (version, Temper::Good));
        (service.last, service.expected) = (None, None);
        let label = format!("{}-production", service.name);
        self.platform.until_served(&label)?;
        self.start_load(number);
        Ok(())
    }

    fn filler(&self) -> PathBuf {
        self.platform.data().join("filler")
    }

    fn fill_disk(&mut self) -> Result<()> {
        self.doubtful_table = self.table().map(|table| table.generation);
        let mut file = std::fs::File::options().create(true).append(true).open(self.filler())?;
        for size in [1 << 20, 4096] {
            let chunk = vec![0; size];
            while file.write_all(&chunk).is_ok() {}
        }
        Ok(())
    }

    pub(super) fn empty_disk(&mut self) {
        if self.filled_until.take().is_some() {
            std::fs::remove_file(self.filler()).ok();
        }
    }

    pub(super) fn look_at_the_time(&mut self) {
        if self.filled_until.is_some_and(|until| Instant::now() >= until) {
            self.empty_disk();
        }
    }

    fn abandon_upload(&mut self) -> Result<String> {
        let begun = self.platform.api("POST", "/v2/chaos/upload/blobs/uploads/", Some(&json!("")))?;
        let Some(place) = begun.header("location") else { return Ok(self.said(&begun).0) };
        let path = place.find("/v2/").map_or(place, |at| &place[at..]);
        let part = json!("x".repeat(100_000));
        let sent = self.platform.api("PATCH", path, Some(&part))?;
        Ok(self.said(&sent).0)
    }
}

impl Service {
    fn new(name: String, replicas: u32) -> Self {
        Self {
            name,
            replicas,
            revisions: BTreeMap::new(),
            made: 0,
            last: None,
            expected: None,
            loads: Vec::new(),
            counts: Counts::default(),
        }
    }

    pub(super) fn prefix(&self) -> String {
        format!("{}-", self.name)
    }
}
