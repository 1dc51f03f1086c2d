//! Changes to a service's settings.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mirage_core::{
    Code, CredentialChange, Error, Port, Probe, Reference, Resources, RestartPolicy, Result, Rollout,
    Service, ServiceId, ServiceSpec, Source, VariableInput, VariableName, VariableValue, VolumeMount,
    check_mounts,
};
use mirage_store::Vault;

/// The most instances a service may have here.
const MAX_REPLICAS: u32 = 1_000;
/// The longest time between stop signal and kill, in seconds.
const MAX_GRACE_SECONDS: u32 = 3600;

/// What is to change about a service; what is absent stays.
#[derive(Clone, Default)]
pub struct ServicePatch {
    /// Another image.
    pub image: Option<Reference>,
    /// Another credential for its registry.
    pub credentials: CredentialChange,
    /// Other ports; `Some(None)` goes back to the image's.
    pub ports: Option<Option<Vec<Port>>>,
    /// Variables to set, and with `None` to take away; others stay.
    pub variables: BTreeMap<VariableName, Option<VariableInput>>,
    /// Another command; `Some(None)` goes back to the image's.
    pub command: Option<Option<Vec<String>>>,
    /// Another way to judge health.
    pub probe: Option<Probe>,
    /// Other limits.
    pub resources: Option<Resources>,
    /// Another restart policy.
    pub restart: Option<RestartPolicy>,
    /// Whether programs may gain privileges.
    pub allow_new_privileges: Option<bool>,
    /// Whether it is deployed by itself when its tag is pushed.
    pub auto_deploy: Option<bool>,
    /// Another way to change from one deployment to the next.
    pub rollout: Option<Rollout>,
    /// Other seconds between the stop signal and the kill.
    pub stop_grace_seconds: Option<u32>,
    /// Other volumes, all of them.
    pub volumes: Option<Vec<VolumeMount>>,
    /// Another number of instances.
    pub replicas: Option<u32>,
    /// When the service had last changed that this was made for, where it builds on what was there.
    pub seen: Option<Timestamp>,
}

impl ServicePatch {
    /// Refuses to change a service that somebody else changed since this was made for it.
    pub(crate) fn check_seen(&self, service: &Service) -> Result<()> {
        match self.seen {
            Some(seen) if seen != service.updated_at => {
                Err(Error::new(Code::Conflict, format!("`{}` was changed meanwhile", service.name))
                    .hint(format!("look at it with `mirage status {}`, then change it again", service.name)))
            }
            _ => Ok(()),
        }
    }

    /// Applies the change to the settings of `service`, and answers with the names of those that are
    /// different now. Credentials are no settings.
    pub(crate) fn apply(
        self,
        vault: &Vault,
        service: ServiceId,
        spec: &mut ServiceSpec,
        replicas: &mut u32,
    ) -> Result<Vec<String>> {
        let before = (spec.clone(), *replicas);
        if let Some(image) = self.image {
            spec.source = Source::Image(image);
        }
        set(&mut spec.ports, self.ports);
        for (name, value) in self.variables {
            match value {
                Some(input) => {
                    let was_sealed = matches!(spec.variables.get(&name), Some(VariableValue::Sealed { .. }));
                    let value = kept(vault, &name.binding(service), input, was_sealed)?;
                    spec.variables.insert(name, value)
                }
                None => spec.variables.remove(&name),
            };
        }
        set(&mut spec.command, self.command);
        set(&mut spec.probe, self.probe);
        set(&mut spec.resources, self.resources);
        set(&mut spec.restart, self.restart);
        set(&mut spec.allow_new_privileges, self.allow_new_privileges);
        set(&mut spec.auto_deploy, self.auto_deploy);
        set(&mut spec.rollout, self.rollout);
        set(&mut spec.stop_grace_seconds, self.stop_grace_seconds);
        set(&mut spec.volumes, self.volumes);
        set(replicas, self.replicas);
        check(spec, *replicas)?;
        Ok(changed(&before.0, before.1, spec, *replicas))
    }

    /// All that speaks against these settings of `spec`, each at its field. Variables and the image are not looked at.
    pub(crate) fn objections(&self, spec: &ServiceSpec, replicas: u32) -> Vec<Error> {
        let mut spec = spec.clone();
        set(&mut spec.ports, self.ports.clone());
        set(&mut spec.command, self.command.clone());
        set(&mut spec.probe, self.probe.clone());
        set(&mut spec.resources, self.resources.clone());
        set(&mut spec.rollout, self.rollout.clone());
        set(&mut spec.stop_grace_seconds, self.stop_grace_seconds);
        set(&mut spec.volumes, self.volumes.clone());
        objections(&spec, self.replicas.unwrap_or(replicas))
    }
}

/// A value as it is kept. One that takes the place of a sealed one is sealed too: nobody shows a secret by
/// setting it anew.
pub(crate) fn kept(
    vault: &Vault,
    binding: &str,
    input: VariableInput,
    was_sealed: bool,
) -> Result<VariableValue> {
    match input.seal || was_sealed {
        true => Ok(VariableValue::Sealed { sealed: vault.seal(binding, input.text.reveal())? }),
        false => Ok(VariableValue::Plain(input.text)),
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn changed(old: &ServiceSpec, old_replicas: u32, new: &ServiceSpec, new_replicas: u32) -> Vec<String> {
    [
        ("image", old.source != new.source),
        ("ports", old.ports != new.ports),
        ("environmentVariables", old.variables != new.variables),
        ("command", old.command != new.command),
        ("healthcheck", old.probe != new.probe),
        ("resources", old.resources != new.resources),
        ("restartPolicy", old.restart != new.restart),
        ("allowNewPrivileges", old.allow_new_privileges != new.allow_new_privileges),
        ("autoDeploy", old.auto_deploy != new.auto_deploy),
        ("rollout", old.rollout != new.rollout),
        ("stopGraceSeconds", old.stop_grace_seconds != new.stop_grace_seconds),
        ("volumes", old.volumes != new.volumes),
        ("replicas", old_replicas != new_replicas),
    ]
    .into_iter()
    .filter(|(_, different)| *different)
    .map(|(name, _)| name.to_owned())
    .collect()
}

/// Settings that contradict each other or leave their range are refused before anything is written.
pub(crate) fn check(spec: &ServiceSpec, replicas: u32) -> Result<()> {
    objections(spec, replicas).into_iter().next().map_or(Ok(()), Err)
}

/// What contradicts each other or leaves its range, each at its field.
pub(crate) fn objections(spec: &ServiceSpec, replicas: u32) -> Vec<Error> {
    let mut all: Vec<Error> = spec.rollout.check().err().into_iter().collect();
    let mut refuse = |field: &str, message: String, hint: &str| {
        all.push(Error::new(Code::InvalidRequest, message).field(field).hint(hint));
    };
    if spec.stop_grace_seconds > MAX_GRACE_SECONDS {
        let message = format!(
            "`stopGraceSeconds` is {}, at most {MAX_GRACE_SECONDS} are possible",
            spec.stop_grace_seconds
        );
        refuse("stopGraceSeconds", message, "an hour is enough for a process that wants to end");
    }
    if replicas > MAX_REPLICAS {
        let message = format!("`replicas` is {replicas}, at most {MAX_REPLICAS} are possible");
        refuse("replicas", message, "ask for fewer, or split the service");
    }
    if spec.resources.memory_bytes.is_some_and(|bytes| bytes < 6 << 20) {
        refuse("resources.memory", "less than 6 MiB of memory cannot run a process".into(), "try `256MiB`");
    }
    if spec.resources.cpu_millis.is_some_and(|millis| millis < 10) {
        refuse("resources.cpu", "less than a hundredth of a core is too little".into(), "try `0.5`");
    }
    if spec.resources.pids < 1 {
        refuse("resources.pids", "at least one process must be allowed".into(), "leave it out for 4096");
    }
    let probe = &spec.probe;
    if let Some(path) =
        probe.path.as_deref().filter(|path| !path.starts_with('/') || path.contains(char::is_whitespace))
    {
        refuse("healthcheck.path", format!("`{path}` is not a path"), "a path looks like `/healthz`");
    }
    if let Some(host) = probe.host.as_deref().filter(|host| !is_host(host)) {
        refuse(
            "healthcheck.host",
            format!("`{host}` is not a host"),
            "a host looks like `shop.example` or `shop.example:8443`",
        );
    }
    let millis = [probe.interval_millis, probe.timeout_millis, probe.budget_millis];
    if millis.contains(&Some(0)) || probe.threshold == Some(0) {
        let message = "a health check cannot have a zero in it".into();
        refuse("healthcheck", message, "leave the number out for its default");
    }
    if spec.command.as_ref().is_some_and(|words| words.iter().any(|word| word.contains('\0'))) {
        refuse("command", "a command cannot contain a NUL byte".into(), "remove it");
    }
    all.extend(check_mounts(&spec.volumes, replicas).err());
    all
}

/// What can stand in a `Host` header.
fn is_host(text: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    (1..=260).contains(&text.len()) && text.chars().all(fine)
}
