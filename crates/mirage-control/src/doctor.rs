//! What stands in the way on this machine.

use std::collections::BTreeMap;

use mirage_core::{CertificateSource, CertificateStatus, Domain, Meaning, Result};

use crate::Control;
use crate::access::{Action, Actor};
use crate::standing::LISTEN;

/// One thing that was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// What: `kernel`, `layers`, `disk`, …
    pub subject: String,
    /// What was seen, in half a sentence.
    pub seen: String,
    /// What to do about it; `None` where all is well.
    pub hint: Option<String>,
    /// The domain that it is about, where it is about one.
    pub domain: Option<Domain>,
}

impl Control {
    /// What the platform's parts found out about this machine.
    pub async fn doctor(&self, actor: &Actor) -> Result<Vec<Finding>> {
        self.allow(actor, Action::Diagnose)?;
        let mut findings = Vec::new();
        findings.push(match self.parts.store.newest_event().await {
            Ok(number) => Finding {
                subject: "database".into(),
                seen: format!("answers, {number} events"),
                ..Finding::default()
            },
            Err(error) => Finding {
                subject: "database".into(),
                seen: error.message().to_owned(),
                hint: error.next_step().map(str::to_owned),
                ..Finding::default()
            },
        });
        findings.push(match self.parts.router.table().await {
            Ok(table) => Finding {
                subject: "proxy".into(),
                seen: format!("answers, {} routes", table.routes.len()),
                ..Finding::default()
            },
            Err(error) => Finding {
                subject: "proxy".into(),
                seen: error.message().to_owned(),
                hint: error.next_step().map(str::to_owned),
                ..Finding::default()
            },
        });
        findings.push(match self.parts.vault.locked() {
            None => Finding { subject: "vault".into(), seen: "open".into(), ..Finding::default() },
            Some(error) => Finding {
                subject: "vault".into(),
                seen: error.message().to_owned(),
                hint: error.next_step().map(str::to_owned),
                ..Finding::default()
            },
        });
        findings.extend(self.domain_findings().await?);
        findings.extend((self.parts.machine)());
        Ok(findings)
    }

    /// What domains lack; nothing where there are none.
    async fn domain_findings(&self) -> Result<Vec<Finding>> {
        let domains = self.parts.store.domains(None).await?;
        if domains.is_empty() {
            return Ok(Vec::new());
        }
        let finding = |seen, hint, domain| Finding { subject: "domains".to_owned(), seen, hint, domain };
        let certified = domains.iter().any(|record| record.certificate != CertificateSource::None);
        if certified && self.parts.settings.proxy_tls_port.is_none() {
            let seen = format!("{}, with certificates, and the proxy speaks no TLS", domains.len());
            return Ok(vec![finding(seen, Some(LISTEN.into()), None)]);
        }
        let known = self.parts.store.certificates().await?;
        let known: BTreeMap<_, _> = known.into_iter().map(|it| (it.domain, it.status)).collect();
        let none = CertificateStatus::default();
        let ill = domains.iter().filter_map(|record| {
            let standing = self.standing_of(record, known.get(&record.domain).unwrap_or(&none));
            let is_ill = matches!(standing.meaning, Meaning::Warn | Meaning::Bad);
            let seen = format!("`{}`: {}", record.domain, standing.seen);
            is_ill.then(|| finding(seen, standing.hint, Some(record.domain.clone())))
        });
        let mut findings: Vec<Finding> = ill.collect();
        if findings.is_empty() {
            findings.push(finding(format!("{}, all well", domains.len()), None, None));
        }
        Ok(findings)
    }
}
