//! What stands in the way on this machine.

use crate::Control;
use crate::access::{Action, Actor};
use mirage_core::{CertificateSource, Result};

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
        let subject = || "domains".to_owned();
        let certified = domains.iter().any(|record| record.certificate != CertificateSource::None);
        if certified && self.parts.settings.proxy_tls_port.is_none() {
            return Ok(vec![Finding {
                subject: subject(),
                seen: format!("{}, with certificates, and the proxy speaks no TLS", domains.len()),
                hint: Some("start `mirage serve` with `--proxy-tls-listen`, such as `0.0.0.0:443`".into()),
            }]);
        }
        let failing: Vec<_> = self.parts.store.certificates().await?;
        let failing =
            failing.into_iter().filter_map(|record| Some((record.domain, record.status.last_error?)));
        let mut findings: Vec<Finding> = failing
            .map(|(domain, error)| Finding {
                subject: subject(),
                seen: format!("`{domain}` has no new certificate: {error}"),
                hint: Some(format!("`mirage domain renew {domain}` tries again at once")),
            })
            .collect();
        if findings.is_empty() {
            findings.push(Finding {
                subject: subject(),
                seen: format!("{}, all well", domains.len()),
                hint: None,
            });
        }
        Ok(findings)
    }
}
