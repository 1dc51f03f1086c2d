//! Domains of users' own: which service answers at which, and with which certificate.

use std::collections::HashSet;

use mirage_core::{
    CertificateSource, CertificateStatus, Code, Domain, DomainRecord, Error, EventKind, Name, Result, Secret,
    Service, SettingChange,
};
use mirage_store::{CertificateRecord, ListedDomain, Tx};

use crate::Control;
use crate::Listing;
use crate::access::{Action, Actor};
use crate::find::ServiceRef;

/// The most domains of one service.
pub const DOMAINS_MAX: u32 = 100;

/// A domain that a service is to have.
#[derive(Clone, Debug)]
pub struct NewDomain {
    /// The name.
    pub domain: Domain,
    /// Whether plain HTTP is led to HTTPS, once there is a certificate. Without an answer it is as it was, and a new
    /// one is.
    pub redirect_https: Option<bool>,
    /// Whether it is to have a certificate. One of the user's own stays. Without an answer it is as it was, and a
    /// new one is to.
    pub certificate: Option<bool>,
}

impl Control {
    /// Where a domain answers. Where plain HTTP is led to HTTPS, this leads there.
    pub fn url_of_domain(&self, domain: &Domain) -> String {
        self.parts.settings.url_of_name(domain.as_str())
    }

    /// Gives a domain to a service, or changes what holds for one that it has; answers with it, and whether it is
    /// new. Nothing is asked of anybody: a
    /// certificate is had later, and until then the domain answers over plain HTTP.
    ///
    /// # Errors
    /// `ROUTE_CONFLICT` where another service has the domain, `INVALID_REQUEST` where it cannot be had.
    pub async fn add_domain(
        &self,
        actor: &Actor,
        service: &ServiceRef,
        new: NewDomain,
    ) -> Result<(ListedDomain, bool)> {
        self.allow(actor, Action::ManageDomains)?;
        self.check_domain(&new)?;
        let service = self.find(service).await?;
        let mut tx = self.parts.store.begin().await?;
        let is_new = self.keep_domain(&mut tx, actor, &service, &new).await?;
        self.parts.announce(tx.commit().await?);
        self.domains_changed().await;
        Ok((self.domain(&new.domain).await?, is_new))
    }

    /// A page of domains by name, all or those of one service.
    pub async fn domains(
        &self,
        actor: &Actor,
        service: Option<&ServiceRef>,
        after: Option<&Domain>,
        limit: u32,
    ) -> Result<Listing<ListedDomain>> {
        self.allow(actor, Action::Read)?;
        let service = match service {
            Some(wanted) => Some(self.find(wanted).await?.id),
            None => None,
        };
        let found = self.parts.store.domain_page(service, after, limit.saturating_add(1)).await?;
        Ok(Listing::of(found, limit))
    }

    /// Takes a domain away from its service, with its certificate.
    pub async fn remove_domain(&self, actor: &Actor, domain: &Domain) -> Result<ListedDomain> {
        self.allow(actor, Action::ManageDomains)?;
        let view = self.domain(domain).await?;
        let mut tx = self.parts.store.begin().await?;
        if !tx.remove_domain(domain).await? {
            return Err(unknown(domain));
        }
        let kind = EventKind::DomainRemoved { domain: domain.to_string() };
        tx.append(actor.event(self.parts.clock.now(), Some(view.record.service), kind)).await?;
        self.parts.announce(tx.commit().await?);
        self.domains_changed().await;
        Ok(view)
    }

    /// Gives a domain a certificate of the user's own, which nobody renews. Both are PEM.
    ///
    /// # Errors
    /// `INVALID_REQUEST` where they cannot be used for this domain, at the field that is at fault.
    pub async fn set_certificate(
        &self,
        actor: &Actor,
        domain: &Domain,
        chain: &str,
        key: &Secret,
    ) -> Result<ListedDomain> {
        self.allow(actor, Action::ManageDomains)?;
        let view = self.domain(domain).await?;
        let validity = self.parts.authority.check(chain, key, domain)?;
        let now = self.parts.clock.now();
        if validity.until <= now {
            let what = format!("the certificate has expired on {}", validity.until);
            return Err(at_certificate(what).hint("ask whoever signed it for a new one"));
        }
        if validity.from > now {
            let what = format!("the certificate is valid from {} on, and not yet", validity.from);
            return Err(at_certificate(what).hint("check the clock of this machine with `date`"));
        }
        let mut tx = self.parts.store.begin().await?;
        let Some(record) = tx.domain(domain).await? else { return Err(unknown(domain)) };
        let sealed = self.parts.vault.seal(&CertificateRecord::key_binding(domain), key.reveal())?;
        tx.set_domain(&DomainRecord { certificate: CertificateSource::Own, ..record }).await?;
        let status = CertificateStatus {
            issued_at: Some(validity.from),
            expires_at: Some(validity.until),
            ..CertificateStatus::default()
        };
        let kept = Some((chain.to_owned(), sealed));
        tx.set_certificate(&CertificateRecord { kept, status, ..CertificateRecord::none(domain.clone()) })
            .await?;
        let kind = EventKind::CertificateInstalled { domain: domain.to_string(), expires_at: validity.until };
        tx.append(actor.event(self.parts.clock.now(), Some(view.record.service), kind)).await?;
        self.parts.announce(tx.commit().await?);
        if let Err(error) = self.certificates.install_now().await {
            tracing::warn!(?error, "the proxy does not have a certificate yet");
            self.certificates.ring();
        }
        self.domain(domain).await
    }

    /// Asks for the certificate of a domain now instead of when it is due.
    ///
    /// # Errors
    /// `CONFLICT` where its certificate does not come from an authority.
    pub async fn renew_certificate(&self, actor: &Actor, domain: &Domain) -> Result<ListedDomain> {
        self.allow(actor, Action::ManageDomains)?;
        let now = self.parts.clock.now();
        let mut tx = self.parts.store.begin().await?;
        let Some(record) = tx.domain(domain).await? else { return Err(unknown(domain)) };
        if record.certificate != CertificateSource::Acme {
            return Err(Error::new(
                Code::Conflict,
                format!("the certificate of `{domain}` is not asked for by Mirage"),
            )
            .hint(format!(
                "`mirage domain certificate {domain} --cert FILE --key FILE` brings another one"
            )));
        }
        let found = tx.certificate(domain).await?;
        let mut certificate = found.unwrap_or_else(|| CertificateRecord::none(domain.clone()));
        certificate.status.next_renewal_at = Some(now);
        tx.set_certificate(&certificate).await?;
        self.parts.announce(tx.commit().await?);
        self.certificates.ring();
        self.domain(domain).await
    }

    /// What can be said against a domain before anything is read.
    pub(crate) fn check_domain(&self, new: &NewDomain) -> Result<()> {
        new.domain.check_outside(&self.parts.settings.base_domain)?;
        if new.certificate == Some(true) && new.domain.is_wildcard() {
            return Err(no_authority(&new.domain));
        }
        Ok(())
    }

    /// What speaks against giving these domains to a service that is not made yet.
    pub(crate) async fn domain_objections(&self, new: &[NewDomain]) -> Result<Vec<Error>> {
        let mut known = HashSet::new();
        let different: Vec<&NewDomain> = new.iter().filter(|one| known.insert(&one.domain)).collect();
        if different.len() > DOMAINS_MAX as usize {
            let given = different.len();
            let what = format!("a service can have at most {DOMAINS_MAX} domains, and {given} are given");
            let hint = "give it some of them, and the others to other services";
            return Ok(vec![Error::new(Code::InvalidRequest, what).field("domain").hint(hint)]);
        }
        let mut all = Vec::new();
        for one in different {
            let asks = one.certificate != Some(false);
            if let Err(error) = self.check_domain(one) {
                all.push(error);
            } else if self.parts.store.domain(&one.domain).await?.is_some() {
                all.push(of_another(&one.domain));
            } else if asks && one.domain.is_wildcard() {
                all.push(no_authority(&one.domain));
            }
        }
        Ok(all)
    }

    /// Writes a domain and the event that tells of it; answers whether it is new.
    pub(crate) async fn keep_domain(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        service: &Service,
        new: &NewDomain,
    ) -> Result<bool> {
        let NewDomain { domain, redirect_https, certificate } = new;
        if tx.service(service.id).await?.is_none_or(|service| service.removed) {
            return Err(Error::new(Code::Conflict, format!("`{}` is being removed", service.name))
                .hint("give the domain to another service"));
        }
        let before = tx.domain(domain).await?;
        if before.as_ref().is_some_and(|before| before.service != service.id) {
            return Err(of_another(domain));
        }
        if before.is_none() && tx.domain_count(service.id).await? >= DOMAINS_MAX {
            return Err(too_many(&service.name));
        }
        let now = self.parts.clock.now();
        let source_before = before.as_ref().map(|before| before.certificate);
        let source = match (certificate, source_before) {
            (None, Some(before)) => before,
            (Some(false), _) => CertificateSource::None,
            (_, Some(CertificateSource::Own)) => CertificateSource::Own,
            _ => CertificateSource::Acme,
        };
        if source == CertificateSource::Acme && domain.is_wildcard() {
            return Err(no_authority(domain));
        }
        let redirect_before = before.as_ref().map(|before| before.redirect_https);
        let after = DomainRecord {
            domain: domain.clone(),
            service: service.id,
            redirect_https: redirect_https.or(redirect_before).unwrap_or(true),
            certificate: source,
            created_at: before.as_ref().map_or(now, |before| before.created_at),
        };
        tx.set_domain(&after).await?;
        if source_before != Some(source) {
            let mut certificate = CertificateRecord::none(domain.clone());
            certificate.status.next_renewal_at = (source == CertificateSource::Acme).then_some(now);
            tx.set_certificate(&certificate).await?;
        }
        let changes = before.as_ref().map(|before| differences(before, &after));
        let kind = match changes {
            None => EventKind::DomainAdded { domain: domain.to_string() },
            Some(changes) if changes.is_empty() => return Ok(false),
            Some(changes) => EventKind::DomainChanged { domain: domain.to_string(), changes },
        };
        tx.append(actor.event(self.parts.clock.now(), Some(service.id), kind)).await?;
        Ok(before.is_none())
    }

    /// Brings what was written about domains to the proxy. What fails now is made up for by the next round.
    pub(crate) async fn domains_changed(&self) {
        if let Err(error) = self.reconciler.follow_domains().await {
            tracing::warn!(?error, "the proxy does not know of a domain yet");
        }
        self.certificates.ring();
    }

    async fn domain(&self, domain: &Domain) -> Result<ListedDomain> {
        self.parts.store.listed_domain(domain).await?.ok_or_else(|| unknown(domain))
    }
}

/// What holds for a domain now that did not before.
fn differences(before: &DomainRecord, after: &DomainRecord) -> Vec<SettingChange> {
    let all = [
        ("redirectHttps", before.redirect_https.to_string(), after.redirect_https.to_string()),
        ("certificate", before.certificate.as_str().to_owned(), after.certificate.as_str().to_owned()),
    ];
    let different = all.into_iter().filter(|(_, before, after)| before != after);
    different
        .map(|(field, before, after)| SettingChange {
            field: field.into(),
            before: Some(before),
            after: Some(after),
        })
        .collect()
}

fn no_authority(domain: &Domain) -> Error {
    let what = format!("no authority gives a certificate for `{domain}` to whoever can show files alone");
    Error::new(Code::InvalidRequest, what).field("certificate").hint(
        "use `mirage domain add` with `--no-certificate`, then bring one with `mirage domain certificate`",
    )
}

fn of_another(domain: &Domain) -> Error {
    Error::new(Code::RouteConflict, format!("another service has the domain `{domain}`"))
        .field("domain")
        .hint(format!("`mirage domain list` says which; `mirage domain remove {domain}` takes it away"))
}

fn too_many(name: &Name) -> Error {
    let what = format!("`{name}` has {DOMAINS_MAX} domains already, the most that a service can have");
    Error::new(Code::InvalidRequest, what).field("domain").hint("remove one first")
}

fn at_certificate(what: String) -> Error {
    Error::new(Code::InvalidRequest, what).field("certificate")
}

fn unknown(domain: &Domain) -> Error {
    Error::new(Code::NotFound, format!("no service has the domain `{domain}`"))
        .hint("`mirage domain list` shows those there are")
}
