//! `mirage doctor`

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
        return Ok(());
    }
    for finding in &findings {
        let mark = if finding.hint.is_none() { Meaning::Ok } else { Meaning::Warn };
        let glyph = context.printer.paint(mark, mark.glyph());
        context.printer.data(&format!("{glyph} {:<10} {}", finding.subject, finding.seen));
        if let Some(hint) = &finding.hint {
            context.printer.data(&format!("    hint: {hint}"));
        }
    }
    match findings.iter().filter(|finding| finding.hint.is_some()).count() {
        0 => Ok(()),
        1 => Err(Error::new(Code::TargetUnavailable, "one thing needs attention")),
        n => Err(Error::new(Code::TargetUnavailable, format!("{n} things need attention"))),
    }
}
