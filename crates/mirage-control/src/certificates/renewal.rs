//! One certificate, from being due to being served.

use std::sync::Arc;

use async_trait::async_trait;
use mirage_core::fault::{pause, point};
use mirage_core::port::{AuthorityRefusal, CertificateOrder, ChallengeStage};
use mirage_core::{
    CertificateStatus, Challenge, ChallengeMethod, Code, Domain, Error, EventKind, Result, Secret, Validity,
    retry_pause,
};
use mirage_store::CertificateRecord;
use tracing::{error, info, warn};

use super::{Certificates, lock};
use crate::access::Actor;

/// How long asking for one certificate may take in all.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(600);

impl Certificates {
    /// Asks for the certificate of a domain, and writes down what came of it.
    pub(super) async fn renew(self: Arc<Self>, domain: Domain) {
        if let Ok(_place) = self.places.acquire().await
            && let Err(error) = self.attempt(&domain).await
        {
            // Not written down, so it is still due.
            error!(%domain, ?error, "the database could not be asked about a certificate");
            tokio::time::sleep(pause(super::PAUSE)).await;
        }
        lock(&self.busy).remove(&domain);
        if lock(&self.challenges).remove(&domain).is_some()
            && let Err(error) = self.install_now().await
        {
            error!(%domain, ?error, "the proxy could not be told that a challenge is over");
        }
        self.ring();
    }

    async fn attempt(&self, domain: &Domain) -> Result<()> {
        let outcome = match tokio::time::timeout(DEADLINE, self.obtain(domain)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                Err(Error::new(Code::DeadlineExceeded, "the certificate authority took too long").into())
            }
        };
        let now = self.parts.clock.now();
        let chance = self.chance();
        match outcome {
            Ok(Some(new)) => {
                point("certificate/had")?;
                let New { chain, key, validity } = new;
                let kind = EventKind::CertificateInstalled {
                    domain: domain.to_string(),
                    expires_at: validity.until,
                };
                let written = self.change(domain, Some(kind), |record| {
                    let binding = CertificateRecord::key_binding(domain);
                    record.kept = Some((chain, self.parts.vault.seal(&binding, key.reveal())?));
                    record.order = None;
                    record.failures = 0;
                    record.status = CertificateStatus {
                        issued_at: Some(validity.from),
                        expires_at: Some(validity.until),
                        next_renewal_at: Some(validity.renewal_at(chance)),
                        last_error: None,
                        last_tried_at: record.status.last_tried_at,
                    };
                    Ok(())
                });
                if written.await? {
                    info!(%domain, until = %validity.until, "a new certificate");
                    self.install_now().await?;
                }
            }
            // The domain went meanwhile.
            Ok(None) => {}
            Err(AuthorityRefusal { error, retry_after }) => {
                error!(%domain, ?error, ?retry_after, "no certificate");
                let reason = match error.next_step() {
                    Some(hint) => format!("{}; {hint}", error.message()),
                    None => error.message().to_owned(),
                };
                let kind = EventKind::CertificateFailed {
                    domain: domain.to_string(),
                    reason: error.message().to_owned(),
                };
                self.change(domain, Some(kind), |record| {
                    record.failures = record.failures.saturating_add(1);
                    let next = now.saturating_add(retry_pause(record.failures, chance, retry_after));
                    record.status.next_renewal_at = Some(next.unwrap_or(now));
                    record.status.last_error = Some(reason);
                    Ok(())
                })
                .await?;
            }
        }
        Ok(())
    }

    /// A certificate that serves the domain; `None` where nobody wants it any more.
    async fn obtain(&self, domain: &Domain) -> Result<Option<New>, AuthorityRefusal> {
        let Some((key, begun, failures)) = self.prepared(domain).await? else { return Ok(None) };
        let account = self.account().await?;
        // Who cannot be reached one way may be the other way.
        let method = match failures % 2 {
            1 if self.parts.settings.proxy_tls_port.is_some() => ChallengeMethod::TlsAlpn,
            _ => ChallengeMethod::Http,
        };
        let authority = &self.parts.authority;
        let order =
            CertificateOrder { domain, account: &account, key: &key, begun: begun.as_deref(), method };
        let stage = Stage { certificates: self, domain };
        let chain = authority.obtain(&order, &stage).await?;
        let validity = authority.check(&chain, &key, domain)?;
        if validity.until <= self.parts.clock.now() {
            return Err(Error::new(
                Code::TargetUnavailable,
                "the authority gave a certificate that has expired",
            )
            .hint("check the clock of this machine with `date`")
            .into());
        }
        Ok(Some(New { chain, key, validity }))
    }

    /// The key to order with, the order if one was begun with it, and how often that failed before. What was begun is
    /// written down before it is used.
    async fn prepared(&self, domain: &Domain) -> Result<Option<(Secret, Option<String>, u32)>> {
        let Some(record) = self.parts.store.certificate(domain).await? else { return Ok(None) };
        let binding = CertificateRecord::order_binding(domain);
        let begun = record.order.and_then(|(sealed, url)| match self.parts.vault.unseal(&binding, &sealed) {
            Ok(key) => Some((key, url)),
            Err(error) => {
                warn!(%domain, ?error, "an order that was begun cannot be read, and another one is made");
                None
            }
        });
        let is_new = begun.is_none();
        let (key, begun) = match begun {
            Some(begun) => begun,
            None => (self.parts.authority.new_key()?, None),
        };
        let now = self.parts.clock.now();
        let written = self
            .change(domain, None, |record| {
                record.status.last_tried_at = Some(now);
                if is_new {
                    record.order = Some((self.parts.vault.seal(&binding, key.reveal())?, None));
                }
                Ok(())
            })
            .await?;
        Ok(written.then_some((key, begun, record.failures)))
    }

    /// The account at the authority, made where there is none.
    async fn account(&self) -> Result<Secret, AuthorityRefusal> {
        let _one_at_a_time = self.registering.lock().await;
        let directory = self.parts.authority.directory();
        let binding = CertificateRecord::account_binding(directory);
        if let Some(sealed) = self.parts.store.acme_account(directory).await? {
            return Ok(self.parts.vault.unseal(&binding, &sealed)?);
        }
        let account = self.parts.authority.register().await?;
        point("certificate/account")?;
        let mut tx = self.parts.store.begin().await?;
        let sealed = self.parts.vault.seal(&binding, account.reveal())?;
        tx.set_acme_account(directory, &sealed, self.parts.clock.now()).await?;
        tx.commit().await?;
        Ok(account)
    }

    /// Changes what is written about a certificate that is still wanted, and answers whether it is. What `change`
    /// seals is sealed while nobody else writes, and so with the key that is in use.
    async fn change(
        &self,
        domain: &Domain,
        event: Option<EventKind>,
        change: impl FnOnce(&mut CertificateRecord) -> Result<()>,
    ) -> Result<bool> {
        let mut tx = self.parts.store.begin().await?;
        let wanted = tx.domain(domain).await?;
        let wanted = wanted.filter(|record| record.certificate == mirage_core::CertificateSource::Acme);
        let (Some(wanted), Some(mut record)) = (wanted, tx.certificate(domain).await?) else {
            return Ok(false);
        };
        change(&mut record)?;
        tx.set_certificate(&record).await?;
        if let Some(kind) = event {
            tx.append(Actor::platform().event(self.parts.clock.now(), Some(wanted.service), kind)).await?;
        }
        self.parts.announce(tx.commit().await?);
        Ok(true)
    }

    fn chance(&self) -> u32 {
        let [a, b, c, d, ..] = self.parts.random.bytes16();
        u32::from_be_bytes([a, b, c, d])
    }
}

/// A certificate that was had.
struct New {
    chain: String,
    key: Secret,
    validity: Validity,
}

/// Where the authority finds its proofs: in the database and at the proxy.
struct Stage<'a> {
    certificates: &'a Certificates,
    domain: &'a Domain,
}

#[async_trait]
impl ChallengeStage for Stage<'_> {
    async fn ordered(&self, order: &str) -> Result<()> {
        point("certificate/ordered")?;
        let url = order.to_owned();
        self.certificates
            .change(self.domain, None, |record| {
                if let Some((_, kept)) = &mut record.order {
                    *kept = Some(url);
                }
                Ok(())
            })
            .await
            .map(drop)
    }

    async fn present(&self, challenge: Challenge) -> Result<()> {
        point("certificate/show")?;
        lock(&self.certificates.challenges).insert(self.domain.clone(), challenge);
        self.certificates.install_now().await
    }
}
