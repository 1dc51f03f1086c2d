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
use super::progress::show_plan;
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
    #[arg(long = "port", value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    ports: Vec<u16>,
    /// The service listens on nothing
    #[arg(long, conflicts_with = "ports")]
    no_port: bool,
    /// Set an environment variable
    #[arg(long = "env", short = 'e', value_name = "NAME=VALUE")]
    variables: Vec<String>,
    /// Set the environment variables of a file
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Set the variables of a file so that nobody can read them back
    #[arg(long, value_name = "FILE")]
    sealed_env_file: Option<PathBuf>,
    #[command(flatten)]
    login: LoginArgs,
    /// Mount a volume, made if it is not there; several times for several
    #[arg(long = "volume", value_name = "NAME:PATH", value_parser = mount)]
    volumes: Vec<Mount>,
    /// Mount no volume any more; those it had are kept
    #[arg(long, conflicts_with = "volumes")]
    no_volume: bool,
    /// Give it a domain, with a certificate; several times for several. `mirage domain` says more of one
    #[arg(long = "domain", value_name = "DOMAIN")]
    domains: Vec<String>,
    /// Number of instances
    #[arg(long, value_name = "N")]
    replicas: Option<u32>,
    /// Memory limit of an instance, such as 256MiB
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// Processor limit of an instance in cores, such as 0.5
    #[arg(long, value_name = "CORES")]
    cpu: Option<f64>,
    /// Limit of processes and threads of an instance
    #[arg(long, value_name = "N")]
    pids: Option<u32>,
    /// Path that answers when the service is well; without it the image's HEALTHCHECK is run, or its port
    /// has to take a connection
    #[arg(long, value_name = "PATH")]
    health_path: Option<String>,
    /// Statuses of a good answer, such as 200-299 or 200,204; 200-399 by default
    #[arg(long, value_name = "STATUSES", value_parser = statuses)]
    health_status: Option<Statuses>,
    /// Host that the path is asked of, where the service insists on one; localhost by default
    #[arg(long, value_name = "HOST")]
    health_host: Option<String>,
    /// How long a new instance may take until it is well: seconds, or `90s`, `2m`
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    health_timeout: Option<f64>,
    /// How often a healthy instance is asked: seconds, or `90s`, `2m`
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    health_interval: Option<f64>,
    /// Bad answers in a row after which an instance gets no more requests
    #[arg(long, value_name = "N")]
    health_threshold: Option<u32>,
    /// Replace instances in turns, with at most this many more than wanted
    #[arg(long, value_name = "N")]
    surge: Option<u32>,
    /// Seconds that old instances stay after the traffic has moved
    #[arg(long, value_name = "SECONDS")]
    overlap: Option<u32>,
    /// Seconds that old instances have to finish their requests
    #[arg(long, value_name = "SECONDS")]
    drain: Option<u32>,
    /// Seconds between the stop signal and the kill
    #[arg(long, value_name = "SECONDS")]
    stop_grace: Option<u32>,
    /// What happens when the process exits: on-failure, always, never
    #[arg(long, value_name = "POLICY", value_parser = restart_policy)]
    restart: Option<RestartPolicy>,
    /// Let programs gain privileges by setuid bits
    #[arg(long)]
    allow_new_privileges: bool,
    /// Deploy by itself whenever the tag is pushed to the built-in registry
    #[arg(long)]
    auto_deploy: bool,
    /// Deploy only when asked to
    #[arg(long, conflicts_with = "auto_deploy")]
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
        let place = args.environment;
        return show_plan(existing.as_ref(), &reference, &name, &place, request, &context).await;
    }
    let (service, deployment) = match existing {
        Some(service) => {
            // What it has keeps what holds for it.
            for domain in
                domains.iter().filter(|domain| !service.domains.iter().any(|own| own == domain.as_str()))
            {
                let path = format!("/api/services/{}/domains", service.id);
                context.api.post::<serde_json::Value>(&path, &new_domain(domain)).await?;
            }
            let path = format!("/api/services/{}/deploy", service.id);
            let deployment: Told<Deployment> = context.api.post(&path, &change(&args)?).await?;
            (service, deployment)
        }
        None => {
            let request = NewService {
                name: Some(name.to_string()),
                project: Some(args.project.clone()),
                environment: Some(args.environment.clone()),
                domains: domains.iter().map(new_domain).collect(),
                settings: change(&args)?,
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

fn change(args: &DeployArgs) -> Result<Change> {
    Ok(Change {
        image: Some(args.reference.clone()),
        ports: ports(args),
        registry_credentials: args.login.credentials()?,
        variables: variables(args)?,
        sealed_variables: sealed_variables(args)?,
        healthcheck: healthcheck(args),
        volumes: (args.no_volume || !args.volumes.is_empty()).then(|| args.volumes.clone()),
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
    NewDomain { domain: domain.to_string(), redirect_https: true, certificate: true }
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

fn healthcheck(args: &DeployArgs) -> Option<Healthcheck> {
    let check = Healthcheck {
        path: args.health_path.clone(),
        status: args.health_status.as_ref().map(ToString::to_string),
        host: args.health_host.clone(),
        interval_seconds: args.health_interval,
        start_timeout_seconds: args.health_timeout,
        threshold: args.health_threshold,
    };
    (check != Healthcheck::default()).then_some(check)
}

fn rollout(args: &DeployArgs) -> Option<Rollout> {
    let rollout = Rollout { surge: args.surge, overlap_seconds: args.overlap, drain_seconds: args.drain };
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
