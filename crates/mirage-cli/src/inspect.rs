//! `mirage inspect REF`

use clap::Args;
use mirage_core::{Code, CredentialChange, Error, Reference, Result, human_bytes};

use super::Context;
use super::login::LoginArgs;
use super::wire::{InspectImage, Inspection, Told};

/// Show what an image is, and whether it can run here
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mirage inspect nginx:1.27\n  mirage inspect 127.0.0.1:5000/acme/web:1 --json"
)]
pub struct InspectArgs {
    /// The image
    #[arg(value_name = "REF")]
    reference: String,
    /// Judge for this platform instead of the target's
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<String>,
    /// Ask with what a service of this project would pull with
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Ask with what a service of this environment would pull with
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    #[command(flatten)]
    login: LoginArgs,
}

pub(crate) async fn run(args: InspectArgs, context: Context) -> Result<()> {
    // A wrong reference is refused here with the same words as there.
    args.reference.parse::<Reference>()?;
    let request = InspectImage {
        image: args.reference,
        platform: args.platform,
        registry_credentials: args.login.credentials()?,
        project: args.project,
        environment: args.environment,
    };
    let found = match ask_platform(&request, &context).await? {
        Some(found) => found,
        None => {
            let login = request.registry_credentials.map(|login| (login.username, login.password));
            let login = login.map(|(username, password)| CredentialChange {
                username,
                password: password.map(|password| password.0),
            });
            let login = login.unwrap_or_default();
            let found = (context.surroundings.inspect)(request.image, request.platform, login).await?;
            serde_json::from_value(found).map_err(|error| Error::internal("show what was found", error))?
        }
    };
    if context.printer.json {
        context.printer.json(&found);
    } else {
        show(&found, &context);
    }
    Ok(())
}

/// Asks the platform, which has credentials and knows what is present. Without one, and if nobody
/// said where one should be, the registry is asked from here.
async fn ask_platform(request: &InspectImage, context: &Context) -> Result<Option<Told<Inspection>>> {
    let named = context.global.url.is_some();
    if !named && !context.api.has_token() {
        return Ok(None);
    }
    match context.api.post("/api/images/inspect", request).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.code() == Code::TargetUnavailable && !named => Ok(None),
        Err(error) => Err(error),
    }
}

fn show(found: &Inspection, context: &Context) {
    let list = |values: &[String]| values.join(" ");
    let ports: Vec<_> = found.config.exposed_ports.iter().map(u16::to_string).collect();
    let user = if found.config.user.is_empty() { "root".to_owned() } else { found.config.user.clone() };
    let layers = if found.layers == 1 { "layer" } else { "layers" };
    let rows = [
        ("image", familiar(&found.docker_image)),
        ("digest", found.image_digest.clone()),
        ("platform", found.platform.clone()),
        ("platforms", if found.platforms.len() > 1 { list(&found.platforms) } else { String::new() }),
        ("size", format!("{} in {} {layers}", human_bytes(found.size_bytes), found.layers)),
        (
            "created",
            found.config.created.map(|time| time.strftime("%Y-%m-%d %H:%M").to_string()).unwrap_or_default(),
        ),
        ("ports", ports.join(" ")),
        ("user", user),
        ("entrypoint", list(&found.config.entrypoint)),
        ("command", list(&found.config.command)),
        ("workdir", found.config.working_directory.clone()),
        ("volumes", list(&found.config.volumes)),
        ("health", list(&found.config.health_command)),
        ("stop", found.config.stop_signal.clone().unwrap_or_default()),
        ("verdict", verdict(found)),
    ];
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        context.printer.data(&format!("{name:<11} {value}"));
    }
}

fn familiar(reference: &str) -> String {
    reference.parse::<Reference>().map_or_else(|_| reference.to_owned(), |reference| reference.familiar())
}

fn verdict(found: &Inspection) -> String {
    let here = if found.present { "every layer is here" } else { "its layers have to be pulled" };
    format!("can run on {}; {here}", found.platform)
}
