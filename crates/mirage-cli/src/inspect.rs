//! `mirage inspect REF`

use clap::Args;
use mirage_core::{Code, CredentialChange, Error, Reference, Result, human_bytes};

use super::Context;
use super::login::LoginArgs;
use super::printer::{Meaning, Printer, human_age};
use super::wire::{ImageFinding, InspectImage, Inspection, Quota, Told};

/// The most characters that are shown of one fact.
const MAX_CHARS: usize = 400;

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
    let printer = &context.printer;
    match printer.json {
        true => printer.json(&found),
        false => page(&found, printer).iter().for_each(|line| printer.data(line)),
    }
    refusal(&found).map_or(Ok(()), Err)
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

/// The verdict, what is known of the image, and what was found.
fn page(found: &Inspection, printer: &Printer) -> Vec<String> {
    let mark = match (found.runs, found.findings.iter().any(|finding| finding.severity == "warning")) {
        (false, _) => Meaning::Bad,
        (true, true) => Meaning::Warn,
        (true, false) => Meaning::Ok,
    };
    let mut lines = vec![printer.paint(mark, &format!("{} {}", mark.glyph(), plain(&found.verdict)))];
    lines.push(String::new());
    let facts = facts(found).into_iter().filter(|(_, value)| !value.is_empty());
    lines.extend(facts.map(|(name, value)| format!("{name:<11} {}", plain(&value))));
    if !found.findings.is_empty() {
        lines.push(String::new());
    }
    let width = found.findings.iter().map(|finding| finding.code.chars().count()).max().unwrap_or_default();
    lines.extend(found.findings.iter().flat_map(|finding| shown(finding, width, printer)));
    lines
}

fn facts(found: &Inspection) -> Vec<(&'static str, String)> {
    let list = |values: &[String]| values.join(" ");
    let config = &found.config;
    let ports: Vec<_> = config.exposed_ports.iter().map(u16::to_string).collect();
    let label = |name: &str| config.labels.get(&format!("org.opencontainers.image.{name}")).cloned();
    let several = found.platforms.len() > 1;
    vec![
        ("image", familiar(&found.docker_image)),
        ("digest", found.image_digest.clone()),
        ("platform", found.platform.clone()),
        ("platforms", if several { list(&found.platforms) } else { String::new() }),
        ("size", size(found)),
        ("unpacked", found.unpacked_bytes.map_or("not known before it is pulled".to_owned(), human_bytes)),
        ("created", config.created.map(|at| at.strftime("%Y-%m-%d %H:%M").to_string()).unwrap_or_default()),
        ("ports", ports.join(" ")),
        ("user", if config.user.is_empty() { "root".to_owned() } else { config.user.clone() }),
        ("entrypoint", list(&config.entrypoint)),
        ("command", list(&config.command)),
        ("workdir", config.working_directory.clone()),
        ("volumes", list(&config.volumes)),
        ("health", config.health_check.clone()),
        ("stop", config.stop_signal.clone().unwrap_or_default()),
        ("source", label("source").unwrap_or_default()),
        ("revision", label("revision").unwrap_or_default()),
        ("version", label("version").unwrap_or_default()),
        ("licence", label("licenses").unwrap_or_default()),
        ("signature", found.attachments.signature.clone()),
        ("sbom", found.attachments.sbom.clone()),
        ("provenance", found.attachments.provenance.clone()),
        ("quota", found.quota.as_ref().map(quota).unwrap_or_default()),
    ]
}

fn size(found: &Inspection) -> String {
    let layers = if found.layers == 1 { "layer" } else { "layers" };
    let mut text = format!("{} in {} {layers}", human_bytes(found.size_bytes), found.layers);
    match found.missing_bytes {
        _ if found.present => text += ", all here",
        Some(bytes) => text += &format!(", {} to pull", human_bytes(bytes)),
        None => {}
    }
    if let Some(bytes) = found.free_bytes {
        text += &format!(", {} free", human_bytes(bytes));
    }
    text
}

fn quota(quota: &Quota) -> String {
    let of = quota.limit.map(|limit| format!(" of {limit}")).unwrap_or_default();
    let window = quota.window_seconds.map(|seconds| format!(" in {}", human_age(seconds.cast_signed())));
    format!("{}{of} pulls left{}", quota.remaining, window.unwrap_or_default())
}

fn shown(finding: &ImageFinding, width: usize, printer: &Printer) -> Vec<String> {
    let mark = match finding.severity.as_str() {
        "problem" => Meaning::Bad,
        "warning" => Meaning::Warn,
        _ => Meaning::Wait,
    };
    let glyph = printer.paint(mark, mark.glyph());
    let mut lines = vec![format!("{glyph} {:<width$}  {}", plain(&finding.code), plain(&finding.message))];
    lines.extend(finding.hint.as_ref().map(|hint| format!("    hint: {}", plain(hint))));
    lines
}

/// How the verb ends where the image cannot run.
fn refusal(found: &Inspection) -> Option<Error> {
    if found.runs {
        return None;
    }
    let problem = found.findings.iter().find(|finding| finding.severity == "problem");
    let code = problem.and_then(|problem| problem.refusal).unwrap_or(Code::StartFailed);
    let verdict = found.verdict.split(':').next().unwrap_or_default();
    let error = Error::new(code, format!("`{}` {verdict}", familiar(&found.docker_image)));
    Some(problem.and_then(|problem| problem.hint.as_ref()).into_iter().fold(error, Error::hint))
}

fn familiar(reference: &str) -> String {
    reference.parse::<Reference>().map_or_else(|_| reference.to_owned(), |reference| reference.familiar())
}

/// Text of whoever built the image, fit for a terminal: one line, not endless, and without characters
/// that move the cursor or turn the direction of writing.
fn plain(text: &str) -> String {
    let turns =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let harmless = |c: char| if c.is_control() || turns(c) { ' ' } else { c };
    let mut shown: String = text.chars().take(MAX_CHARS).map(harmless).collect();
    if text.chars().nth(MAX_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> serde_json::Value {
        serde_json::json!({
            "dockerImage": "docker.io/acme/web:1", "imageDigest": "sha256:0101",
            "platform": "linux/amd64", "platforms": ["linux/amd64", "linux/arm64"],
            "sizeBytes": 88 << 20, "layers": 6, "present": false,
            "missingBytes": 41 << 20, "unpackedBytes": null, "freeBytes": 12_u64 << 30,
            "verdict": "runs here, 1 warning", "runs": true,
            "findings": [
                { "code": "RUNS_AS_ROOT", "severity": "warning", "message": "it runs as root",
                  "hint": "name another user with `USER` in its Dockerfile", "refusal": null },
                { "code": "NOT_SIGNED", "severity": "note", "message": "it has no signature", "hint": null, "refusal": null },
            ],
            "attachments": { "signature": "absent", "sbom": "present", "provenance": "unknown" },
            "quota": { "limit": 100, "remaining": 76, "windowSeconds": 21_600, "source": null },
            "config": {
                "entrypoint": ["/web"], "command": ["-v", "\u{1b}[2J\nfree"], "environment": [], "workingDirectory": "",
                "user": "", "exposedPorts": [80], "volumes": [], "stopSignal": null, "healthCheck": "",
                "labels": { "org.opencontainers.image.revision": "abc123", "org.opencontainers.image.licenses": "MIT" },
                "created": "2026-11-20T10:00:00Z",
            },
        })
    }

    fn printed(found: serde_json::Value) -> String {
        let found: Inspection = serde_json::from_value(found).unwrap();
        page(&found, &Printer::plain()).join("\n")
    }

    #[test]
    fn the_verdict_comes_first_and_the_findings_last() {
        assert_eq!(
            printed(found()),
            "\
▲ runs here, 1 warning

image       acme/web:1
digest      sha256:0101
platform    linux/amd64
platforms   linux/amd64 linux/arm64
size        88 MiB in 6 layers, 41 MiB to pull, 12 GiB free
unpacked    not known before it is pulled
created     2026-11-20 10:00
ports       80
user        root
entrypoint  /web
command     -v  [2J free
revision    abc123
licence     MIT
signature   absent
sbom        present
provenance  unknown
quota       76 of 100 pulls left in 6 h

▲ RUNS_AS_ROOT  it runs as root
    hint: name another user with `USER` in its Dockerfile
○ NOT_SIGNED    it has no signature"
        );
    }

    #[test]
    fn an_image_that_cannot_run_ends_the_verb_with_its_code() {
        let mut wrong = found();
        let fine: Inspection = serde_json::from_value(wrong.clone()).unwrap();
        assert!(refusal(&fine).is_none());
        wrong["runs"] = false.into();
        wrong["verdict"] = "cannot run here: it does not fit".into();
        wrong["findings"] = serde_json::json!([
            { "code": "IMAGE_TOO_LARGE", "severity": "problem", "message": "it does not fit", "hint": "free some",
              "refusal": "IMAGE_TOO_LARGE" }
        ]);
        assert!(printed(wrong.clone()).starts_with("✕ cannot run here: it does not fit\n"));
        let error = refusal(&serde_json::from_value(wrong).unwrap()).unwrap();
        assert_eq!((error.code(), error.message()), (Code::ImageTooLarge, "`acme/web:1` cannot run here"));
        assert_eq!(error.next_step(), Some("free some"));
    }
}
