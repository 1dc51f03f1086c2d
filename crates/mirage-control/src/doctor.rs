//! What stands in the way on this machine.

use crate::Control;
use crate::access::{Action, Actor};
use mirage_core::Result;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What: `kernel`, `layers`, `disk`, …
    pub subject: String,
    /// What was seen, in half a sentence.
    pub seen: String,
    /// What to do about it; `None` where all is well.
    pub hint: Option<String>,
}

impl Control {
    /// What the platform's parts found out about this machine.
    pub async fn doctor(&self, actor: &Actor) -> Result<Vec<Finding>> {
        self.allow(actor, Action::Diagnose)?;
        let mut findings = Vec::new();
        findings.push(match self.parts.store.newest_event().await {
            Ok(number) => {
                Finding { subject: "database".into(), seen: format!("answers, {number} events"), hint: None }
            }
            Err(error) => Finding {
                subject: "database".into(),
                seen: error.message().to_owned(),
                hint: error.next_step().map(str::to_owned),
            },
        });
        findings.push(match self.parts.router.table().await {
            Ok(table) => Finding {
                subject: "proxy".into(),
                seen: format!("answers, {} routes", table.routes.len()),
                hint: None,
            },
            Err(error) => Finding {
                subject: "proxy".into(),
                seen: error.message().to_owned(),
                hint: error.next_step().map(str::to_owned),
            },
        });
        findings.push(match self.parts.vault.locked() {
            None => Finding { subject: "vault".into(), seen: "open".into(), hint: None },
            Some(error) => Finding {
                subject: "vault".into(),
                seen: error.message().to_owned(),
                hint: error.next_step().map(str::to_owned),
            },
        });
        findings.extend((self.parts.machine)());
        Ok(findings)
    }
}
