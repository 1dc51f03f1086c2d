//! The same service as a command, as a request, and as a compose file. Secrets are placeholders in all of them.

use mirage_control::CreateService;
use mirage_core::{
    DEFAULT_PORT, Port, Probe, Reference, RestartPolicy, Rollout, ServiceSpec, Source, VariableInput,
    bytes_text, decimal,
};
use serde_json::{Map, Value, json};

use crate::copy::shell_word;

/// What stands for a value that is secret.
const HIDDEN: &str = "****";

/// As a command. Passwords and sealed variables come from files, which have to be written first.
pub(super) fn command(request: &CreateService) -> String {
    let spec = &request.spec;
    let mut words = vec!["mirage".to_owned(), "deploy".to_owned(), image(spec).familiar()];
    let mut option = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            words.extend([format!("--{name}"), value]);
        }
    };
    option("name", request.name.as_ref().map(ToString::to_string));
    option("project", request.project.as_ref().map(ToString::to_string));
    option("environment", request.environment.as_ref().map(ToString::to_string));
    for port in spec.ports.iter().flatten() {
        option("port", Some(port.to_string()));
    }
    for (name, input) in request.variables.iter().filter(|(_, input)| !input.seal) {
        option("env", Some(format!("{name}={}", input.text.reveal())));
    }
    let seals = request.variables.values().any(|input| input.seal);
    option("sealed-env-file", seals.then(|| "sealed.env".to_owned()));
    option("registry-username", request.credentials.username.clone());
    for mount in &spec.volumes {
        option("volume", Some(format!("{}:{}", mount.volume, mount.path)));
    }
    for new in &request.domains {
        option("domain", Some(new.domain.to_string()));
    }
    option("replicas", (request.replicas != 1).then(|| request.replicas.to_string()));
    option("memory", spec.resources.memory_bytes.map(bytes_text));
    option("cpu", spec.resources.cpu_millis.map(|millis| decimal(u64::from(millis))));
    let usual = ServiceSpec::image(image(spec).clone());
    option("pids", (spec.resources.pids != usual.resources.pids).then(|| spec.resources.pids.to_string()));
    of_probe(&spec.probe, &mut option);
    of_rollout(&spec.rollout, &usual.rollout, &mut option);
    let grace = spec.stop_grace_seconds;
    option("stop-grace", (grace != usual.stop_grace_seconds).then(|| grace.to_string()));
    option(
        "restart",
        match spec.restart {
            RestartPolicy::OnFailure => None,
            RestartPolicy::Always => Some("always".into()),
            RestartPolicy::Never => Some("never".into()),
        },
    );
    let flags = [
        ("--no-port", spec.ports.as_ref().is_some_and(Vec::is_empty)),
        ("--registry-password-stdin", request.credentials.password.is_some()),
        ("--allow-new-privileges", spec.allow_new_privileges),
        ("--auto-deploy", spec.auto_deploy),
    ];
    words.extend(flags.into_iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| flag.to_owned()));
    if let Some(command) = &spec.command {
        words.push("--".into());
        words.extend(command.iter().cloned());
    }
    let line: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
    let from = if request.credentials.password.is_some() { " < password.txt" } else { "" };
    line.join(" ") + from
}

/// The names of the variables that `sealed.env` has.
pub(super) fn sealed(request: &CreateService) -> Vec<String> {
    let sealed = request.variables.iter().filter(|(_, input)| input.seal);
    sealed.map(|(name, _)| format!("{name}={HIDDEN}")).collect()
}

/// As the body of `POST /api/services/from-image`.
pub(super) fn body(request: &CreateService) -> Value {
    let spec = &request.spec;
    let usual = ServiceSpec::image(image(spec).clone());
    let mut body = Map::new();
    let mut set = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
    set("image", image(spec).to_string().into());
    for (field, name) in
        [("name", &request.name), ("project", &request.project), ("environment", &request.environment)]
    {
        if let Some(name) = name {
            set(field, name.to_string().into());
        }
    }
    if let Some(username) = &request.credentials.username {
        let mut login = json!({ "username": username });
        if request.credentials.password.is_some() {
            login["password"] = HIDDEN.into();
        }
        set("registryCredentials", login);
    }
    if let Some(ports) = &spec.ports {
        set("ports", ports.iter().map(|port| port.get()).collect());
    }
    for (field, seal) in [("environmentVariables", false), ("sealedVariables", true)] {
        let some = request.variables.iter().filter(|(_, input)| input.seal == seal);
        let some: Map<String, Value> = some
            .map(|(name, input)| {
                (name.to_string(), if seal { HIDDEN.into() } else { input.text.reveal().into() })
            })
            .collect();
        if !some.is_empty() {
            set(field, some.into());
        }
    }
    if let Some(command) = &spec.command {
        set("command", command.clone().into());
    }
    let probe = probe(&spec.probe);
    if !probe.is_empty() {
        set("healthcheck", probe.into());
    }
    if request.replicas != 1 {
        set("replicas", request.replicas.into());
    }
    let mut resources = Map::new();
    if let Some(bytes) = spec.resources.memory_bytes {
        resources.insert("memory".into(), bytes.into());
    }
    if let Some(millis) = spec.resources.cpu_millis {
        resources.insert("cpu".into(), decimal(u64::from(millis)).into());
    }
    if spec.resources.pids != usual.resources.pids {
        resources.insert("pids".into(), spec.resources.pids.into());
    }
    if !resources.is_empty() {
        set("resources", resources.into());
    }
    if spec.restart != usual.restart {
        set("restartPolicy", serde_json::to_value(spec.restart).unwrap_or_default());
    }
    if !request.domains.is_empty() {
        set("domains", request.domains.iter().map(|new| json!({ "domain": new.domain })).collect());
    }
    for (field, is_set) in
        [("allowNewPrivileges", spec.allow_new_privileges), ("autoDeploy", spec.auto_deploy)]
    {
        if is_set {
            set(field, true.into());
        }
    }
    if spec.rollout != usual.rollout {
        let Rollout { surge, overlap_seconds, drain_seconds } = spec.rollout;
        set(
            "rollout",
            json!({ "surge": surge, "overlapSeconds": overlap_seconds, "drainSeconds": drain_seconds }),
        );
    }
    if !spec.volumes.is_empty() {
        let mount = |mount: &mirage_core::VolumeMount| json!({ "name": mount.volume, "path": mount.path });
        set("volumes", spec.volumes.iter().map(mount).collect());
    }
    if spec.stop_grace_seconds != usual.stop_grace_seconds {
        set("stopGraceSeconds", spec.stop_grace_seconds.into());
    }
    body.into()
}

/// As a command that sends the request.
pub(super) fn rest(request: &CreateService) -> String {
    let body = serde_json::to_string_pretty(&body(request)).unwrap_or_default();
    format!(
        "curl -H \"Authorization: Bearer $MIRAGE_TOKEN\" -H 'Content-Type: application/json' \\\n  \"$MIRAGE_URL/api/services/from-image\" -d {}",
        shell_word(&body)
    )
}

/// As a compose file, for what compose has a word for; what it has none for is said in comments. `exposed` are the ports
/// of the image. A text in JSON is one in YAML too.
pub(super) fn compose(request: &CreateService, name: &str, exposed: &[u16]) -> String {
    let spec = &request.spec;
    let ports: Vec<u16> = match &spec.ports {
        Some(ports) => ports.iter().map(|port| port.get()).collect(),
        None => exposed.to_vec(),
    };
    // What exposes no port is told one, unless a variable tells it.
    let set = request.variables.iter().find(|(name, _)| name.as_str() == "PORT").map(|(_, input)| input);
    let read = |input: &VariableInput| input.text.reveal().parse::<Port>().ok();
    let shown = set.filter(|input| !input.seal).and_then(read).unwrap_or(DEFAULT_PORT).get();
    let told = (spec.ports.is_none() && ports.is_empty()).then_some(shown);
    let mut text = format!("services:\n  {name}:\n    image: {}\n", yaml(&image(spec).to_string()));
    let mut list = |head: &str, items: Vec<String>| {
        if !items.is_empty() {
            text += &format!("    {head}:\n");
            items.iter().for_each(|item| text += &format!("      {item}\n"));
        }
    };
    let variable = |(name, input): (&mirage_core::VariableName, &VariableInput)| match input.seal {
        true => format!("{name}: {}", yaml(&format!("${{{name}}}"))),
        // Compose replaces `$NAME`, and `$$` by `$`.
        false => format!("{name}: {}", yaml(&input.text.reveal().replace('$', "$$"))),
    };
    let told_port = told.filter(|_| set.is_none()).map(|port| format!("PORT: \"{port}\""));
    list("environment", request.variables.iter().map(variable).chain(told_port).collect());
    list("ports", ports.iter().copied().chain(told).map(|port| format!("- \"{port}:{port}\"")).collect());
    list("healthcheck", healthcheck(&spec.probe, ports.first().copied().or(told)));
    let words = spec.command.iter().flatten();
    list("command", words.map(|word| format!("- {}", yaml(&word.replace('$', "$$")))).collect());
    let mounts =
        spec.volumes.iter().map(|mount| format!("- {}", yaml(&format!("{}:{}", mount.volume, mount.path))));
    list("volumes", mounts.collect());
    let mut deploy = Vec::new();
    if request.replicas != 1 {
        deploy.push(format!("replicas: {}", request.replicas));
    }
    let limits = [
        spec.resources.memory_bytes.map(|bytes| format!("    memory: {bytes}b")),
        spec.resources.cpu_millis.map(|millis| format!("    cpus: \"{}\"", decimal(u64::from(millis)))),
    ];
    if limits.iter().any(Option::is_some) {
        deploy.extend(["resources:".to_owned(), "  limits:".to_owned()]);
        deploy.extend(limits.into_iter().flatten());
    }
    list("deploy", deploy);
    if !spec.allow_new_privileges {
        list("security_opt", vec!["- no-new-privileges:true".to_owned()]);
    }
    if spec.resources.pids != ServiceSpec::image(image(spec).clone()).resources.pids {
        text += &format!("    pids_limit: {}\n", spec.resources.pids);
    }
    for new in &request.domains {
        text += &format!("    # Answers at {}, once a proxy leads there.\n", new.domain);
    }
    let restart = match spec.restart {
        RestartPolicy::OnFailure => "on-failure",
        RestartPolicy::Always => "always",
        RestartPolicy::Never => "\"no\"",
    };
    text += &format!("    restart: {restart}\n    stop_grace_period: {}s\n", spec.stop_grace_seconds);
    if !spec.volumes.is_empty() {
        text += "volumes:\n";
        spec.volumes.iter().for_each(|mount| text += &format!("  {}: {{}}\n", mount.volume));
    }
    text
}

/// How compose asks whether it is well: from inside, where Mirage asks from outside.
fn healthcheck(probe: &Probe, port: Option<u16>) -> Vec<String> {
    let (Some(path), Some(port)) = (&probe.path, probe.port.or(port)) else { return Vec::new() };
    let mut words = vec!["CMD".to_owned(), "curl".into(), "--fail".into(), "--silent".into()];
    if let Some(host) = &probe.host {
        words.extend(["--header".to_owned(), format!("Host: {host}")]);
    }
    words.push(format!("http://localhost:{port}{path}"));
    let test: Vec<String> = words.iter().map(|word| yaml(&word.replace('$', "$$"))).collect();
    let time = |name: &str, millis: Option<u64>| millis.map(|millis| format!("{name}: {millis}ms"));
    let mut lines = vec!["# It is asked by `curl`, which the image has to have.".to_owned()];
    lines.push(format!("test: [{}]", test.join(", ")));
    lines.extend(time("interval", probe.interval_millis));
    lines.extend(time("timeout", probe.timeout_millis));
    lines.extend(time("start_period", probe.budget_millis));
    lines.extend(probe.threshold.map(|times| format!("retries: {times}")));
    lines
}

fn image(spec: &ServiceSpec) -> &Reference {
    let Source::Image(reference) = &spec.source;
    reference
}

fn of_probe(probe: &Probe, option: &mut impl FnMut(&str, Option<String>)) {
    option("health-path", probe.path.clone());
    option("health-port", probe.port.and_then(Port::new).map(|port| port.to_string()));
    option("health-status", probe.expected.as_ref().map(ToString::to_string));
    option("health-host", probe.host.clone());
    option("health-timeout", probe.budget_millis.map(decimal));
    option("health-answer-timeout", probe.timeout_millis.map(decimal));
    option("health-interval", probe.interval_millis.map(decimal));
    option("health-threshold", probe.threshold.map(|times| times.to_string()));
}

fn of_rollout(rollout: &Rollout, usual: &Rollout, option: &mut impl FnMut(&str, Option<String>)) {
    let changed = |own: u32, usual: u32| (own != usual).then(|| own.to_string());
    option("surge", rollout.surge.map(|more| more.to_string()));
    option("overlap", changed(rollout.overlap_seconds, usual.overlap_seconds));
    option("drain", changed(rollout.drain_seconds, usual.drain_seconds));
}

fn probe(probe: &Probe) -> Map<String, Value> {
    let text = |value: &Option<String>| value.clone().map(Value::from);
    let seconds = |millis: Option<u64>| millis.map(|millis| Value::from(decimal(millis)));
    let fields = [
        ("path", text(&probe.path)),
        ("port", probe.port.map(Value::from)),
        ("host", text(&probe.host)),
        ("status", probe.expected.as_ref().map(|statuses| statuses.to_string().into())),
        ("intervalSeconds", seconds(probe.interval_millis)),
        ("timeoutSeconds", seconds(probe.timeout_millis)),
        ("startTimeoutSeconds", seconds(probe.budget_millis)),
        ("threshold", probe.threshold.map(Value::from)),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn yaml(text: &str) -> String {
    Value::from(text).to_string()
}
