//! `mirage doctor`

use std::collections::BTreeSet;

use clap::Args;
use mirage_core::{Code, Error, Result};

use super::Context;
use super::printer::Meaning;
use super::wire::{Diagnosis, Finding};

/// Check this machine and the platform
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mirage doctor\n  mirage doctor --json")]
pub struct DoctorArgs {}

pub(crate) async fn run(_args: DoctorArgs, context: Context) -> Result<()> {
    let mut findings = match context.api.get::<Diagnosis>("/api/doctor").await {
        Ok(list) => list.findings,
        Err(error) => {
            let hint = error.next_step().map(str::to_owned);
            let seen = error.message().to_owned();
            vec![Finding { subject: "platform".into(), seen, hint }]
        }
    };
    findings.extend(super::here::this_machine(&context.global.data_dir()));
    if context.printer.json {
        context.printer.json(&findings);
        return verdict(&findings).map(drop);
    }
    let width = findings.iter().map(|finding| finding.subject.chars().count()).max().unwrap_or(0);
    for finding in &findings {
        let mark = if finding.hint.is_none() { Meaning::Ok } else { Meaning::Warn };
        let glyph = context.printer.paint(mark, mark.glyph());
        context.printer.data(&format!("{glyph} {:<width$} {}", finding.subject, finding.seen));
        if let Some(hint) = &finding.hint {
            context.printer.data(&format!("    hint: {hint}"));
        }
    }
    let verdict = verdict(&findings)?;
    context.printer.step("Checked", &verdict, None);
    Ok(())
}

/// What comes of all findings; an error where one of them has a hint.
fn verdict(findings: &[Finding]) -> Result<String> {
    let all = findings.len();
    let mut bad: Vec<_> =
        findings.iter().filter(|it| it.hint.is_some()).map(|it| it.subject.as_str()).collect();
    let verb = match bad.len() {
        0 => return Ok(format!("{all} things, all is well")),
        1 => "needs",
        _ => "need",
    };
    let count = bad.len();
    let mut known = BTreeSet::new();
    bad.retain(|subject| known.insert(*subject));
    let what = format!("{count} of {all} things {verb} attention: {}", bad.join(", "));
    Err(Error::new(Code::TargetUnavailable, what)
        .hint("do what the hint of each says, then run `mirage doctor` again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_the_doctor_is_what_its_findings_are() {
        let finding = |subject: &str, hint: Option<&str>| Finding {
            subject: subject.into(),
            seen: String::new(),
            hint: hint.map(str::to_owned),
        };
        let well = [finding("disk", None), finding("vault", None)];
        assert_eq!(verdict(&well).unwrap(), "2 things, all is well");
        let ill =
            [finding("disk", Some("free some")), finding("vault", None), finding("proxy", Some("look"))];
        let told = |findings: &[Finding]| verdict(findings).unwrap_err().message().to_owned();
        assert_eq!(told(&ill), "2 of 3 things need attention: disk, proxy");
        let again = [
            ill,
            [finding("disk", Some("buy one")), finding("disk", None), finding("vault", Some("open it"))],
        ];
        assert_eq!(told(&again.concat()), "4 of 6 things need attention: disk, proxy, vault");
        let ill = &again[0];
        assert_eq!(told(&ill[..2]), "1 of 2 things needs attention: disk");
    }
}
