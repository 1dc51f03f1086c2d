//! `mirage domain`

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jiff::Timestamp;
use mirage_core::{Code, Error, Meaning, Result, Secret};
use serde::{Deserialize, Serialize};

use super::api::{Api, segment};
use super::wire::{NewDomain, Password, Service, Told};
use super::{Context, Printer, page};

/// The largest file that is sent, in bytes.
const LARGEST: u64 = 256 * 1024;

/// Domains of a service whose state is told after a deploy.
const TOLD: usize = 5;

/// Manage the domains of services and their certificates
#[derive(Debug, Subcommand)]
pub enum DomainVerb {
    /// List domains and how their certificates stand
    List(ListArgs),
    /// Give a domain to a service
    Add(AddArgs),
    /// Take a domain away from its service
    Remove(RemoveArgs),
    /// Bring a certificate instead of having one asked for
    Certificate(CertificateArgs),
    /// Ask for a certificate now, after a failure whose reason is gone
    Renew(RenewArgs),
}

/// List domains and how their certificates stand
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mirage domain list\n  mirage domain list web --json")]
pub struct ListArgs {
    /// The service: a name, an id, or project/environment/name (default: all)
    name: Option<String>,
}

/// Give a domain to a service
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mirage domain add web shop.example.com\n  mirage domain add web intern.example.com --no-certificate"
)]
pub struct AddArgs {
    /// The service: a name, an id, or project/environment/name
    name: String,
    /// The domain, which must lead to this machine
    domain: String,
    /// Answer over plain HTTP too, instead of leading to HTTPS
    #[arg(long)]
    no_redirect: bool,
    /// Lead to HTTPS, as a new domain does; takes `--no-redirect` back
    #[arg(long, conflicts_with = "no_redirect")]
    redirect: bool,
    /// Ask no authority for a certificate
    #[arg(long)]
    no_certificate: bool,
    /// Ask for a certificate, as for a new domain; takes `--no-certificate` back
    #[arg(long, conflicts_with = "no_certificate")]
    certificate: bool,
}

/// Take a domain away from its service
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mirage domain remove shop.example.com\n  mirage domain remove shop.example.com --json"
)]
pub struct RemoveArgs {
    /// The domain
    domain: String,
}

/// Bring a certificate instead of having one asked for
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mirage domain certificate shop.example.com --cert chain.pem --key key.pem\n  mirage domain certificate '*.example.com' --cert chain.pem --key key.pem"
)]
pub struct CertificateArgs {
    /// The domain
    domain: String,
    /// PEM file with the certificate, then those that signed it
    #[arg(long, value_name = "FILE")]
    cert: PathBuf,
    /// PEM file with the private key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

/// Ask for a certificate now, after a failure whose reason is gone
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mirage domain renew shop.example.com\n  mirage domain renew shop.example.com --json"
)]
pub struct RenewArgs {
    /// The domain
    domain: String,
}

#[derive(Serialize)]
struct OwnCertificate {
    certificate: String,
    key: Password,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Domain {
    domain: String,
    service: String,
    project: String,
    environment: String,
    redirect_https: bool,
    certificate: Certificate,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Certificate {
    source: String,
    issued_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    next_renewal_at: Option<Timestamp>,
    last_error: Option<String>,
    meaning: Meaning,
    seen: String,
    hint: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Domains {
    domains: Vec<Told<Domain>>,
}

pub(crate) async fn run(verb: DomainVerb, context: Context) -> Result<()> {
    match verb {
        DomainVerb::List(args) => list(args, &context).await,
        DomainVerb::Add(args) => add(args, &context).await,
        DomainVerb::Remove(args) => {
            let gone: Told<Domain> =
                context.api.delete(&format!("/api/domains/{}", segment(&args.domain))).await?;
            told(&context, "Removed", &gone, &format!("{} from {}", gone.domain, gone.service));
            Ok(())
        }
        DomainVerb::Certificate(args) => certificate(args, &context).await,
        DomainVerb::Renew(args) => {
            let path = format!("/api/domains/{}/certificate/renew", segment(&args.domain));
            let asked: Told<Domain> = context.api.post(&path, &serde_json::json!({})).await?;
            told(&context, "Asked", &asked, &format!("for a certificate for {}", asked.domain));
            Ok(())
        }
    }
}

async fn add(args: AddArgs, context: &Context) -> Result<()> {
    let AddArgs { name, domain, no_redirect, redirect, no_certificate, certificate } = args;
    // What nobody speaks of stays as it is.
    let said = |yes: bool, no: bool| (yes || no).then_some(yes);
    let redirect_https = said(redirect, no_redirect);
    let new = NewDomain { domain, redirect_https, certificate: said(certificate, no_certificate) };
    let path = format!("/api/services/{}/domains", segment(&name));
    let had: Domains = context.api.get(&path).await?;
    let added: Told<Domain> = context.api.post(&path, &new).await?;
    let before = had.domains.iter().find(|one| one.domain == added.domain);
    let (verb, text) = done(before.map(|before| &**before), &added);
    told(context, verb, &added, &text);
    standing(&context.printer, &added);
    page::tell(&context.api, &context.printer, &page_of(&added));
    Ok(())
}

/// What was done to a domain that is like this now.
fn done(before: Option<&Domain>, now: &Domain) -> (&'static str, String) {
    let Domain { domain, service, .. } = now;
    let Some(before) = before else { return ("Added", format!("{domain} to {service}")) };
    let redirect = match now.redirect_https {
        true => "it leads from HTTP to HTTPS now",
        false => "it answers over plain HTTP too now",
    };
    let source = match now.certificate.source.as_str() {
        "none" => "no certificate is asked for any more",
        _ => "a certificate is asked for now",
    };
    let differences = [
        (before.redirect_https != now.redirect_https, redirect),
        (before.certificate.source != now.certificate.source, source),
    ];
    let told: Vec<_> = differences.iter().filter(|(differs, _)| *differs).map(|(_, text)| *text).collect();
    match told.is_empty() {
        true => ("Kept", format!("{domain} of {service}, as it was already")),
        false => ("Changed", format!("{domain} of {service}: {}", told.join(", "))),
    }
}

/// How the certificates of a service's domains stand. What cannot be asked is not told: the service is as it is.
pub(crate) async fn tell_standing(api: &Api, printer: &Printer, service: &Service) {
    if service.domains.is_empty() {
        return;
    }
    let path = format!("/api/services/{}/domains", segment(&service.id));
    let Ok(found) = api.get::<Domains>(&path).await else { return };
    let mut all = found.domains;
    all.sort_by_key(|one| one.certificate.hint.is_none());
    all.iter().take(TOLD).for_each(|one| standing(printer, one));
    if all.len() > TOLD {
        let more = all.len() - TOLD;
        printer.told("", &format!("{more} more; `mirage domain list {}` shows them", service.shown()));
    }
}

fn standing(printer: &Printer, domain: &Domain) {
    let certificate = &domain.certificate;
    printer.state(certificate.meaning, "Domain", &format!("{}: {}", domain.domain, certificate.seen));
    if let Some(hint) = &certificate.hint {
        printer.told("", &format!("hint: {hint}"));
    }
}

fn page_of(domain: &Domain) -> String {
    format!("/projects/{}/{}/{}/domains", domain.project, domain.environment, domain.service)
}

async fn certificate(args: CertificateArgs, context: &Context) -> Result<()> {
    let certificate = read(&args.cert, "--cert")?;
    let key = Password(Secret::from(read(&args.key, "--key")?));
    let path = format!("/api/domains/{}/certificate", segment(&args.domain));
    let kept: Told<Domain> = context.api.put(&path, &OwnCertificate { certificate, key }).await?;
    let until = kept.certificate.expires_at.map(|time| format!(", until {}", day(time))).unwrap_or_default();
    told(context, "Installed", &kept, &format!("the certificate of {}{until}", kept.domain));
    if kept.certificate.hint.is_some() {
        standing(&context.printer, &kept);
    }
    page::tell(&context.api, &context.printer, &page_of(&kept));
    Ok(())
}

async fn list(args: ListArgs, context: &Context) -> Result<()> {
    let all: Vec<Told<Domain>> = match &args.name {
        Some(name) => {
            context.api.get::<Domains>(&format!("/api/services/{}/domains", segment(name))).await?.domains
        }
        None => context.api.all("/api/domains", "domains").await?,
    };
    if context.printer.json {
        context.printer.json(&all);
        return Ok(());
    }
    if all.is_empty() {
        context.printer.note("no domains; `mirage domain add NAME DOMAIN` gives one to a service");
        return Ok(());
    }
    let heading = ["DOMAIN", "SERVICE", "CERTIFICATE", "UNTIL", "NEXT"].map(str::to_owned);
    let mut rows = vec![heading.to_vec()];
    rows.extend(all.iter().map(|one| {
        let certificate = &one.certificate;
        let state = match (certificate.source.as_str(), certificate.issued_at) {
            ("acme", None) => "waiting".to_owned(),
            (source, _) => source.to_owned(),
        };
        let service = format!("{}/{}/{}", one.project, one.environment, one.service);
        let (until, next) = (certificate.expires_at, certificate.next_renewal_at);
        let time = |time: Option<Timestamp>| time.map(day).unwrap_or_default();
        vec![one.domain.clone(), service, state, time(until), time(next)]
    }));
    context.printer.table(&rows);
    for one in all.iter().filter(|one| one.certificate.hint.is_some()) {
        let Certificate { seen, hint, last_error, .. } = &one.certificate;
        context.printer.data("");
        context.printer.data(&format!("{}: {seen}", one.domain));
        if let Some(error) = last_error.as_ref().filter(|error| !seen.contains(error.as_str())) {
            context.printer.data(&format!("    its last try: {error}"));
        }
        if let Some(hint) = hint {
            context.printer.data(&format!("    hint: {hint}"));
        }
    }
    Ok(())
}

fn told(context: &Context, verb: &str, domain: &Told<Domain>, text: &str) {
    if context.printer.json {
        context.printer.json(domain);
    }
    context.printer.step(verb, text, None);
}

/// `2027-02-19 08:15Z`.
fn day(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%MZ").to_string()
}

fn read(path: &Path, option: &str) -> Result<String> {
    let unreadable = |why: String| {
        Error::new(Code::InvalidRequest, format!("`{}` cannot be read: {why}", path.display()))
            .hint(format!("`{option}` takes a PEM file"))
    };
    match std::fs::metadata(path) {
        Ok(found) if found.len() > LARGEST => Err(unreadable(format!("it is larger than {LARGEST} bytes"))),
        Ok(_) => std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string())),
        Err(error) => Err(unreadable(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(redirect: bool, source: &str) -> Domain {
        serde_json::from_value(serde_json::json!({
            "domain": "shop.example", "service": "web", "project": "p", "environment": "e", "redirectHttps": redirect,
            "certificate": {"source": source, "meaning": "busy", "seen": "", "hint": null},
        }))
        .unwrap()
    }

    #[test]
    fn what_happened_to_a_domain_is_told_as_it_was() {
        let now = domain(false, "none");
        let told = |before: Option<&Domain>| {
            let (verb, text) = done(before, &now);
            format!("{verb} {text}")
        };
        assert_eq!(told(None), "Added shop.example to web");
        assert_eq!(told(Some(&now)), "Kept shop.example of web, as it was already");
        assert_eq!(
            told(Some(&domain(true, "none"))),
            "Changed shop.example of web: it answers over plain HTTP too now"
        );
        assert_eq!(
            told(Some(&domain(true, "acme"))),
            "Changed shop.example of web: it answers over plain HTTP too now, no certificate is asked for any more"
        );
    }
}
