//! What a registry said about the image of a draft, kept with it: the steps that follow build on it, and a page that is
//! loaded anew shows it without asking again.

use jiff::Timestamp;
use mirage_control::{Control, Draft, DraftFields, InspectImage, Inspection, OLD_FORM};
use mirage_core::{
    Code, CredentialChange, Digest, DraftId, Error, Presence, Reference, Result, Secret, Severity,
    human_bytes, run_command,
};
use serde::{Deserialize, Serialize};

use super::advice::{ADVICE, hint};
use super::typed::parts_kept;
use crate::visitor::Visitor;
use crate::when::cut;

/// The field that has it.
const SEEN: &str = "seen";
/// How many of a list are kept, and characters of each.
const MANY: usize = 16;
const LONG: usize = 300;

/// What was seen, when, and for which image.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Seen {
    /// The image that was asked for.
    pub(super) reference: String,
    /// As whom; empty for whatever the platform has a login of.
    pub(super) username: String,
    /// When.
    pub(super) at: Timestamp,
    /// What came back.
    pub(super) outcome: Outcome,
}

/// What came back.
#[derive(Clone, Serialize, Deserialize)]
pub(super) enum Outcome {
    /// The image.
    Found(Box<Found>),
    /// Why it cannot be had.
    Refused { code: Code, message: String, hint: Option<String> },
}

/// What is known of an image.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Found {
    pub(super) digest: Digest,
    pub(super) size_bytes: u64,
    pub(super) layers: u32,
    pub(super) platform: String,
    pub(super) platforms: Vec<String>,
    pub(super) created: Option<Timestamp>,
    pub(super) ports: Vec<u16>,
    pub(super) user: String,
    pub(super) volumes: Vec<String>,
    pub(super) program: String,
    pub(super) health: Option<String>,
    pub(super) health_path: Option<String>,
    pub(super) about: Vec<(String, String)>,
    /// The verdict in one line.
    pub(super) line: String,
    /// Whether a deploy would not be refused.
    pub(super) runs: bool,
    /// Severity, message and hint of what was found.
    pub(super) findings: Vec<(String, String, Option<String>)>,
    pub(super) present: bool,
    pub(super) missing_bytes: Option<u64>,
    pub(super) signature: String,
    pub(super) quota: Option<String>,
}

impl Seen {
    /// What was seen of the image that the draft is about now.
    pub(super) fn of(fields: &DraftFields) -> Option<Self> {
        let seen: Self = serde_json::from_str(fields.get(SEEN)).ok()?;
        let is_same = asked(fields).is_ok_and(|asked| asked.to_string() == seen.reference);
        (is_same && seen.username == fields.get("username")).then_some(seen)
    }

    /// The image, where it could be read.
    pub(super) fn found(&self) -> Option<&Found> {
        match &self.outcome {
            Outcome::Found(found) => Some(found),
            Outcome::Refused { .. } => None,
        }
    }

    /// Why nothing can follow yet.
    pub(super) fn refusal(&self) -> Option<Error> {
        match &self.outcome {
            Outcome::Refused { code, message, hint } => Some(again(*code, message, hint.as_deref())),
            Outcome::Found(found) if !found.runs => {
                let hint = found.findings.first().and_then(|(_, _, hint)| hint.clone());
                Some(again(Code::StartFailed, &found.line, hint.as_deref()))
            }
            Outcome::Found(_) => None,
        }
    }

    /// Whether the registry wants to know who asks.
    pub(super) fn wants_login(&self) -> bool {
        matches!(
            &self.outcome,
            Outcome::Refused { code: Code::RegistryAuthError | Code::CredentialIncomplete, .. }
        )
    }
}

/// The image that is asked for: of a tag and a digest the one that was chosen.
///
/// # Errors
/// What is wrong with the first part that is, at its field.
pub(super) fn asked(fields: &DraftFields) -> Result<Reference> {
    let image = fields.get("image");
    if let Some(Err(unread)) = run_command(image) {
        return Err(unread.hint(format!(
            "of what was typed only `{image}` was kept, as there may be a password in it: paste the command as a \
             whole, with the end of each quote, or type the image alone"
        )));
    }
    let mut parts = parts_kept(fields);
    if fields.get("follow") == "tag" {
        parts.digest.clear();
    }
    if fields.get("image").is_empty() && parts.name.is_empty() {
        return Err(Error::new(Code::InvalidImageReference, "there is no image yet")
            .field("image")
            .hint("type or paste one, for example `nginx:1.27` or `ghcr.io/acme/web:2.1`"));
    }
    let read = parts.reference();
    match super::typed::whole_of(fields) {
        // What is wrong with the whole is said by whoever reads it whole: it knows what was meant.
        Some(Err(whole)) if image.ends_with(" …") => {
            let what = "of what was typed only the beginning was kept, as there may be a password in it";
            let whole = Error::new(whole.code(), what).field("image");
            Err(whole.hint("type the image alone, or paste a command as a whole: `docker run OPTIONS IMAGE`"))
        }
        Some(Err(whole)) => {
            let field = read.as_ref().err().and_then(Error::at_field).unwrap_or("image").to_owned();
            Err(whole.field(field))
        }
        _ => read,
    }
}

/// The image that is deployed: the one asked for, by the digest that was found where that was chosen.
pub(super) fn chosen(fields: &DraftFields, seen: Option<&Seen>) -> Result<Reference> {
    let asked = asked(fields)?;
    let found = seen.and_then(Seen::found).filter(|_| fields.get("follow") == "digest");
    Ok(match found {
        Some(found) if asked.digest().is_none() => asked.pinned(found.digest.clone()),
        _ => asked,
    })
}

/// The login that was typed.
pub(super) fn credentials(fields: &DraftFields) -> CredentialChange {
    let username = fields.get("username");
    if username.is_empty() {
        return CredentialChange::default();
    }
    let password = Some(fields.get("password")).filter(|text| !text.is_empty());
    CredentialChange {
        username: Some(username.to_owned()),
        password: password.map(|text| Secret::from(text.to_owned())),
    }
}

/// Asks the registry about the image of a draft, and keeps what it says.
///
/// # Errors
/// What is wrong with the reference, `FORBIDDEN` where nobody is asked; that the registry refuses is what it said.
pub(super) async fn look(control: &Control, visitor: &Visitor, draft: &Draft) -> Result<Draft> {
    let reference = asked(&draft.fields)?;
    let name = |field: &str| draft.fields.get(field).parse().ok();
    let wanted = InspectImage {
        reference: reference.clone(),
        platform: None,
        credentials: credentials(&draft.fields),
        project: name("project"),
        environment: name("environment"),
    };
    let outcome = match control.inspect(visitor.actor(), wanted).await {
        Ok(inspection) => Outcome::Found(Box::new(found(&inspection))),
        Err(error) if error.message() == OLD_FORM => return Err(error),
        Err(error) => {
            let error = ADVICE.told(error);
            Outcome::Refused {
                code: error.code(),
                message: cut(error.message(), 2 * LONG),
                hint: error.next_step().map(|hint| cut(hint, 2 * LONG)),
            }
        }
    };
    let username = draft.fields.get("username").to_owned();
    let seen = Seen { reference: reference.to_string(), username, at: control.now(), outcome };
    keep(control, visitor, draft.id, &seen).await
}

async fn keep(control: &Control, visitor: &Visitor, id: DraftId, seen: &Seen) -> Result<Draft> {
    let text = serde_json::to_string(seen).map_err(|error| Error::internal("write what was seen", error))?;
    let change = |fields: &mut DraftFields| {
        // Somebody may have typed on meanwhile; then it is about another image.
        if asked(fields).is_ok_and(|asked| asked.to_string() == seen.reference) {
            fields.set(SEEN, text);
        }
        Ok(())
    };
    control.keep_draft(visitor.actor(), id, change).await
}

fn found(inspection: &Inspection) -> Found {
    let Inspection { image, stock, attachments, quota, verdict, .. } = inspection;
    let config = &image.config;
    let short = |texts: &[String]| texts.iter().take(MANY).map(|text| cut(text, LONG)).collect::<Vec<_>>();
    let platforms: Vec<String> = image.platforms.iter().map(ToString::to_string).collect();
    let program: Vec<String> = config.entrypoint.iter().chain(&config.command).cloned().collect();
    let labels = ["title", "version", "description", "source"].into_iter().filter_map(|name| {
        let text = config.labels.get(&format!("org.opencontainers.image.{name}"))?;
        Some((name.to_owned(), cut(text, LONG)))
    });
    Found {
        digest: image.digest.clone(),
        size_bytes: image.size_bytes,
        layers: image.layers,
        platform: image.platform.to_string(),
        platforms: short(&platforms),
        created: config.created,
        ports: config.ports.iter().take(MANY).map(|port| port.get()).collect(),
        user: cut(&config.user, LONG),
        volumes: short(&config.volumes),
        program: cut(&program.join(" "), LONG),
        health: config.health_arguments().map(|words| cut(&words.join(" "), LONG)),
        health_path: config.health_path(),
        about: labels.collect(),
        line: cut(&verdict.line(), 2 * LONG),
        runs: verdict.runs(),
        findings: verdict
            .findings
            .iter()
            .take(MANY)
            .map(|finding| {
                let hint = hint(finding).map(|hint| cut(&hint, LONG));
                (finding.severity.as_str().to_owned(), cut(&finding.message, LONG), hint)
            })
            .collect(),
        present: stock.present,
        missing_bytes: stock.missing_bytes,
        signature: match attachments.signature {
            Presence::Unknown => String::new(),
            known => known.as_str().to_owned(),
        },
        quota: quota.as_ref().map(|quota| match quota.limit {
            Some(limit) => format!("{} of {limit} pulls left", quota.remaining),
            None => format!("{} pulls left", quota.remaining),
        }),
    }
}

impl Found {
    /// Whether somebody may be sorry for running it.
    pub(super) fn warns(&self) -> bool {
        self.findings.iter().any(|(severity, ..)| severity == Severity::Warning.as_str())
    }

    /// What has to be moved before it runs.
    pub(super) fn to_move(&self) -> String {
        match (self.present, self.missing_bytes) {
            (true, _) => "every layer is here already".to_owned(),
            (false, Some(bytes)) => format!("{} are to be pulled", human_bytes(bytes)),
            (false, None) => format!("{} are to be pulled", human_bytes(self.size_bytes)),
        }
    }
}

fn again(code: Code, message: &str, hint: Option<&str>) -> Error {
    let error = Error::new(code, message).field("image");
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
