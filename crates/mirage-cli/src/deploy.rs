//! `mirage deploy REF`

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use mirage_core::{Code, Domain, Error, Name, Reference, RestartPolicy, Result, Statuses};

use super::Context;
use super::api::segment;
use super::args::{env_file, pair, seconds};
use super::follow::follow_deployment;
use super::login::LoginArgs;
use super::progress::{Plan, show_plan};
use super::wire::{
    Change, Created, Deployment, Healthcheck, InspectImage, Mount, NewDomain, NewService, Password,
    Resources, Rollout, Service, Told,
};

/// Deploy an image and wait until it serves
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mirage deploy nginx:1.27 --port 80\n  mirage deploy 127.0.0.1:5000/acme/web:1 --name web --env GREETING=hello --health-path /up"
)]
pub struct DeployArgs {
    /// The image
    #[arg(value_name = "REF")]
    reference: String,
    /// Name of the service (default: the last part of the repository)
    #[arg(long)]
    name: Option<String>,
    /// Project
    #[arg(long, default_value = "default")]
    project: String,
    /// Environment
    #[arg(long, default_value = "production")]
    environment: String,
    /// Port the process listens on (default: the image's, else PORT); several times for several
    #[arg(long = "port", value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Process")]
    ports: Vec<u16>,
    /// The service listens on nothing
    #[arg(long, conflicts_with = "ports", help_heading = "Process")]
    no_port: bool,
    /// Set an environment variable
    #[arg(long = "env", short = 'e', value_name = "NAME=VALUE", help_heading = "Process")]
    variables: Vec<String>,
    /// Set the environment variables of a file
    #[arg(long, value_name = "FILE", help_heading = "Process")]
    env_file: Option<PathBuf>,
    /// Set the variables of a file so that nobody can read them back
    #[arg(long, value_name = "FILE", help_heading = "Process")]
    sealed_env_file: Option<PathBuf>,
    #[command(flatten)]
    login: LoginArgs,
    /// Mount a volume, made if it is not there; several times for several. Those that the service has stay mounted
    #[arg(long = "volume", value_name = "NAME:PATH", value_parser = mount, help_heading = "Volumes")]
    volumes: Vec<Mount>,
    /// Mount no volume but those of `--volume`; those it had are kept
    #[arg(long, help_heading = "Volumes")]
    no_volume: bool,
    /// Give it a domain, with a certificate; several times for several. `mirage domain` says more of one
    #[arg(long = "domain", value_name = "DOMAIN", help_heading = "Domains")]
    domains: Vec<String>,
    /// Number of instances
    #[arg(long, value_name = "N", help_heading = "Rollout")]
    replicas: Option<u32>,
    /// Memory limit of an instance, such as 256MiB
    #[arg(long, value_name = "SIZE", help_heading = "Process")]
    memory: Option<String>,
    /// Processor limit of an instance in cores, such as 0.5
    #[arg(long, value_name = "CORES", help_heading = "Process")]
    cpu: Option<f64>,
    /// Limit of processes and threads of an instance
    #[arg(long, value_name = "N", help_heading = "Process")]
    pids: Option<u32>,
    /// Path that answers when the service is well; without it the image's HEALTHCHECK is run, or its port
    /// has to take a connection
    #[arg(long, value_name = "PATH", help_heading = "Health")]
    health_path: Option<String>,
    /// Port that is asked (default: the first of the service)
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Health")]
    health_port: Option<u16>,
    /// Statuses of a good answer, such as 200-299 or 200,204; 200-399 by default
    #[arg(long, value_name = "STATUSES", value_parser = statuses, help_heading = "Health")]
    health_status: Option<Statuses>,
    /// Host that the path is asked of, where the service insists on one; localhost by default
    #[arg(long, value_name = "HOST", help_heading = "Health")]
    health_host: Option<String>,
    /// How long a new instance may take until it is well: seconds, or `90s`, `2m`
    #[arg(long, value_name = "TIME", value_parser = seconds, help_heading = "Health")]
    health_timeout: Option<f64>,
    /// How long one answer may take: seconds, or `500ms`, `2m`
    #[arg(long, value_name = "TIME", value_parser = seconds, help_heading = "Health")]
    health_answer_timeout: Option<f64>,
    /// How often a healthy instance is asked: seconds, or `90s`, `2m`
    #[arg(long, value_name = "TIME", value_parser = seconds, help_heading = "Health")]
    health_interval: Option<f64>,
    /// Bad answers in a row after which an instance gets no more requests
    #[arg(long, value_name = "N", help_heading = "Health")]
    health_threshold: Option<u32>,
    /// Replace instances in turns, with at most this many more than wanted
    #[arg(long, value_name = "N", help_heading = "Rollout")]
    surge: Option<u32>,
    /// Start all new instances at once, as without `--surge`
    #[arg(long, conflicts_with = "surge", help_heading = "Rollout")]
    no_surge: bool,
    /// Seconds that old instances stay after the traffic has moved
    #[arg(long, value_name = "SECONDS", help_heading = "Rollout")]
    overlap: Option<u32>,
    /// Seconds that old instances have to finish their requests
    #[arg(long, value_name = "SECONDS", help_heading = "Rollout")]
    drain: Option<u32>,
    /// Seconds between the stop signal and the kill
    #[arg(long, value_name = "SECONDS", help_heading = "Rollout")]
    stop_grace: Option<u32>,
    /// What happens when the process exits: on-failure, always, never
    #[arg(long, value_name = "POLICY", value_parser = restart_policy, help_heading = "Process")]
    restart: Option<RestartPolicy>,
    /// Let programs gain privileges by setuid bits
    #[arg(long, help_heading = "Process")]
    allow_new_privileges: bool,
    /// Deploy by itself whenever the tag is pushed to the built-in registry
    #[arg(long, help_heading = "Rollout")]
    auto_deploy: bool,
    /// Deploy only when asked to
    #[arg(long, conflicts_with = "auto_deploy", help_heading = "Rollout")]
    no_auto_deploy: bool,
    /// Deploy over a service that has another image
    #[arg(long)]
    replace: bool,
    /// Do not wait until it serves
    #[arg(long)]
    detach: bool,
    /// Show what would happen, and change nothing
    #[arg(long)]
    plan: bool,
    /// Replaces the image's command
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(crate) async fn run(args: DeployArgs, context: Context) -> Result<()> {
    let start = std::time::Instant::now();
    let reference: Reference = args.reference.parse()?;
    let name = match &args.name {
        Some(name) => name.parse::<Name>()?,
        None => Name::suggest(reference.repository().last()).ok_or_else(|| {
            Error::new(
                Code::InvalidRequest,
                format!("`{}` cannot be made into a name", reference.repository()),
            )
            .hint("give the service a name with `--name`")
        })?,
    };
    let domains = args.domains.iter().map(|text| text.parse()).collect::<Result<Vec<Domain>>>()?;
    let path = segment(&format!("{}/{}/{name}", args.project, args.environment));
    let existing = match context.api.get::<Service>(&format!("/api/services/{path}")).await {
        Ok(service) => Some(service),
        Err(error) if error.code() == Code::NotFound => None,
        Err(error) => return Err(error),
    };
    if let Some(service) = &existing {
        refuse_another_image(service, &reference, &args)?;
    }
    if args.plan {
        let request = InspectImage {
            image: reference.to_string(),
            platform: None,
            registry_credentials: args.login.credentials()?,
            project: Some(args.project),
            environment: Some(args.environment.clone()),
        };
        let plan = Plan {
            volumes: volumes(args.no_volume, &args.volumes, existing.as_ref()),
            domains: new_domains(&domains, existing.as_ref()).collect(),
            existing: existing.as_ref(),
            reference: &reference,
            name: &name,
            environment: &args.environment,
        };
        return show_plan(plan, request, &context).await;
    }
    let (service, deployment) = match existing {
        Some(service) => {
            let path = format!("/api/services/{}/deploy", service.id);
            let deployment: Told<Deployment> =
                context.api.post(&path, &change(&args, Some(&service))?).await?;
            for domain in new_domains(&domains, Some(&service)) {
                let path = format!("/api/services/{}/domains", service.id);
                context.api.post::<serde_json::Value>(&path, &new_domain(domain)).await?;
            }
            (service, deployment)
        }
        None => {
            let request = NewService {
                name: Some(name.to_string()),
                project: Some(args.project.clone()),
                environment: Some(args.environment.clone()),
                domains: domains.iter().map(new_domain).collect(),
                settings: change(&args, None)?,
            };
            let made: Created = context.api.post("/api/services/from-image", &request).await?;
            (made.service, made.deployment)
        }
    };
    if args.detach {
        match context.printer.json {
            true => context.printer.json(&deployment),
            false => context.printer.data(&deployment.id),
        }
        return Ok(());
    }
    follow_deployment(&context.api, &context.printer, &service.id, deployment, start).await
}

/// A slip in `--name` must not replace somebody else's software.
fn refuse_another_image(service: &Service, reference: &Reference, args: &DeployArgs) -> Result<()> {
    let same = service.image_registry == reference.host().as_str()
        && service.image_name == reference.repository().as_str();
    if same || args.replace {
        return Ok(());
    }
    let known = format!("{}/{}", service.image_registry, service.image_name);
    Err(Error::new(Code::NameTaken, format!("`{}` runs another image, `{known}`", service.name))
        .hint("choose another `--name`, or deploy over it with `--replace`"))
}

fn change(args: &DeployArgs, existing: Option<&Service>) -> Result<Change> {
    Ok(Change {
        image: Some(args.reference.clone()),
        ports: ports(args),
        registry_credentials: args.login.credentials()?,
        variables: variables(args)?,
        sealed_variables: sealed_variables(args)?,
        healthcheck: healthcheck(args),
        volumes: volumes(args.no_volume, &args.volumes, existing),
        replicas: args.replicas,
        resources: resources(args),
        restart_policy: args.restart,
        command: (!args.command.is_empty()).then(|| args.command.clone()),
        allow_new_privileges: args.allow_new_privileges.then_some(true),
        auto_deploy: (args.auto_deploy || args.no_auto_deploy).then_some(args.auto_deploy),
        rollout: rollout(args),
        stop_grace_seconds: args.stop_grace,
    })
}

fn new_domain(domain: &Domain) -> NewDomain {
    NewDomain { domain: domain.to_string(), redirect_https: None, certificate: None }
}

/// Those that the service has not; what it has keeps what holds for it.
fn new_domains<'a>(given: &'a [Domain], existing: Option<&'a Service>) -> impl Iterator<Item = &'a Domain> {
    let had = existing.map_or(&[][..], |service| &service.domains);
    given.iter().filter(|domain| !had.iter().any(|own| own == domain.as_str()))
}

fn ports(args: &DeployArgs) -> Option<Vec<u16>> {
    match (args.no_port, args.ports.is_empty()) {
        (true, _) => Some(Vec::new()),
        (false, true) => None,
        (false, false) => Some(args.ports.clone()),
    }
}

/// The file's variables, then those of the command line over them.
fn variables(args: &DeployArgs) -> Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    if let Some(file) = &args.env_file {
        all.extend(env_file(file)?);
    }
    for text in &args.variables {
        let (name, value) = pair(text)?;
        all.insert(name, value);
    }
    Ok(all)
}

fn sealed_variables(args: &DeployArgs) -> Result<BTreeMap<String, Password>> {
    let Some(file) = &args.sealed_env_file else { return Ok(BTreeMap::new()) };
    Ok(env_file(file)?.into_iter().map(|(name, value)| (name, Password(value.into()))).collect())
}

/// The volumes that are mounted from now on, where anything was said about them: as with variables, those that the
/// service has stay, unless a given one takes their name or their path.
fn volumes(none: bool, given: &[Mount], existing: Option<&Service>) -> Option<Vec<Mount>> {
    if !none && given.is_empty() {
        return None;
    }
    let had = existing.filter(|_| !none).map_or(&[][..], |service| &service.volumes);
    let stays = |one: &&Mount| given.iter().all(|new| new.name != one.name && new.path != one.path);
    Some(had.iter().filter(stays).chain(given).cloned().collect())
}

fn healthcheck(args: &DeployArgs) -> Option<Healthcheck> {
    let check = Healthcheck {
        path: args.health_path.clone(),
        port: args.health_port,
        status: args.health_status.as_ref().map(ToString::to_string),
        host: args.health_host.clone(),
        interval_seconds: args.health_interval,
        timeout_seconds: args.health_answer_timeout,
        start_timeout_seconds: args.health_timeout,
        threshold: args.health_threshold,
    };
    (check != Healthcheck::default()).then_some(check)
}

fn rollout(args: &DeployArgs) -> Option<Rollout> {
    let surge = args.surge.map(Some).or(args.no_surge.then_some(None));
    let rollout = Rollout { surge, overlap_seconds: args.overlap, drain_seconds: args.drain };
    (rollout != Rollout::default()).then_some(rollout)
}

fn resources(args: &DeployArgs) -> Option<Resources> {
    if args.memory.is_none() && args.cpu.is_none() && args.pids.is_none() {
        return None;
    }
    Some(Resources { memory: args.memory.clone(), cpu: args.cpu, pids: args.pids })
}

fn statuses(text: &str) -> Result<Statuses, String> {
    text.parse().map_err(|_| "statuses look like `200`, `200-299` or `200,301-302`".into())
}

fn mount(text: &str) -> Result<Mount, String> {
    match text.split_once(':') {
        Some((name, path)) if !name.is_empty() && path.starts_with('/') => {
            Ok(Mount { name: name.to_owned(), path: path.to_owned() })
        }
        _ => Err("it is a name and a path in the container, such as `data:/var/lib/data`".into()),
    }
}

fn restart_policy(text: &str) -> Result<RestartPolicy, String> {
    match text {
        "on-failure" => Ok(RestartPolicy::OnFailure),
        "always" => Ok(RestartPolicy::Always),
        "never" => Ok(RestartPolicy::Never),
        _ => Err("it is one of `on-failure`, `always`, `never`".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: DeployArgs,
    }

    fn sent(words: &[&str]) -> serde_json::Value {
        let line = Line::try_parse_from(["deploy", "acme/web:1"].iter().chain(words)).unwrap();
        serde_json::to_value(change(&line.args, None).unwrap()).unwrap()
    }

    #[test]
    fn every_option_of_a_rollout_and_of_a_probe_is_sent() {
        let rollout = ["--surge", "1", "--overlap", "5", "--drain", "7", "--stop-grace", "9"];
        let told = sent(&rollout);
        assert_eq!(told["rollout"], serde_json::json!({"surge": 1, "overlapSeconds": 5, "drainSeconds": 7}));
        assert_eq!(told["stopGraceSeconds"], 9);
        assert_eq!(sent(&["--no-surge"])["rollout"], serde_json::json!({"surge": null}));
        let health = [
            ["--health-path", "/up"],
            ["--health-port", "9000"],
            ["--health-status", "200-299"],
            ["--health-host", "shop.example"],
            ["--health-interval", "2"],
            ["--health-answer-timeout", "500ms"],
            ["--health-timeout", "2m"],
            ["--health-threshold", "4"],
        ];
        let expected = serde_json::json!({
            "path": "/up", "port": 9000, "status": "200-299", "host": "shop.example", "intervalSeconds": 2.0,
            "timeoutSeconds": 0.5, "startTimeoutSeconds": 120.0, "threshold": 4,
        });
        assert_eq!(sent(health.as_flattened())["healthcheck"], expected);
        for wrong in [["--port", "70000"], ["--health-port", "70000"], ["--health-port", "0"]] {
            assert!(
                Line::try_parse_from(["deploy", "acme/web:1"].iter().chain(&wrong)).is_err(),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn a_volume_is_mounted_beside_those_that_the_service_has() {
        let mounts = |all: &[(&str, &str)]| -> Vec<Mount> {
            all.iter().map(|(name, path)| Mount { name: (*name).into(), path: (*path).into() }).collect()
        };
        let service = serde_json::json!({
            "id": "i", "name": "web", "project": "p", "environment": "e", "imageRegistry": "r", "imageName": "n",
            "environmentVariables": {}, "sealedVariables": [], "ports": [], "replicas": 1, "status": "active",
            "instances": [], "updatedAt": "2026-11-21T00:00:00Z",
            "volumes": [{"name": "data", "path": "/data"}, {"name": "cache", "path": "/cache"}],
        });
        let service: Service = serde_json::from_value(service).unwrap();
        let become_now = |none, given: &[(&str, &str)]| volumes(none, &mounts(given), Some(&service));
        assert_eq!(become_now(false, &[]), None, "nothing was said");
        let all = mounts(&[("data", "/data"), ("cache", "/cache"), ("more", "/more")]);
        assert_eq!(become_now(false, &[("more", "/more")]), Some(all));
        let moved = mounts(&[("cache", "/cache"), ("data", "/srv")]);
        assert_eq!(become_now(false, &[("data", "/srv")]), Some(moved), "one name, one place");
        let other = mounts(&[("cache", "/cache"), ("other", "/data")]);
        assert_eq!(become_now(false, &[("other", "/data")]), Some(other), "one place, one volume");
        assert_eq!(become_now(true, &[]), Some(Vec::new()));
        assert_eq!(become_now(true, &[("more", "/more")]), Some(mounts(&[("more", "/more")])));
        assert_eq!(volumes(false, &mounts(&[("a", "/a")]), None), Some(mounts(&[("a", "/a")])));
    }
}
