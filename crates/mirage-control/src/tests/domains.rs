//! Domains and certificates: who has which, and what becomes of one that is not to be had.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use mirage_core::port::{
    AuthorityRefusal, CertificateAuthority, CertificateOrder, ChallengeStage, Clock as _,
};
use mirage_core::*;

use super::fakes::{Behaviour, World};
use super::{Stage, web};
use crate::{ListedDomain, NewDomain};

/// An authority that gives certificates, or does not.
#[derive(Default)]
pub(super) struct FakeAuthority {
    /// So many more orders are refused.
    pub(super) refusals: AtomicU64,
    /// What it asks for then.
    retry_after: Mutex<Option<Duration>>,
    /// While set, an order stays as it is once its proof is shown.
    pub(super) stuck: Mutex<bool>,
    pub(super) registered: AtomicU64,
    /// Domain, way of proof, and whether it was an order begun before.
    pub(super) orders: Mutex<Vec<(String, ChallengeMethod, bool)>>,
    /// What the proxy has: domains with their chains.
    served: Mutex<Vec<(String, String)>>,
    /// And what it proves.
    challenges: Mutex<Vec<Challenge>>,
}

impl FakeAuthority {
    pub(super) fn installed(&self, set: &CertificateSet) -> Result<()> {
        let one = |it: &ServedCertificate| {
            assert!(it.key.reveal().starts_with("a key"), "it was opened");
            (it.domain.to_string(), it.chain.clone())
        };
        *self.served.lock().unwrap() = set.certificates.iter().map(one).collect();
        *self.challenges.lock().unwrap() = set.challenges.clone();
        Ok(())
    }

    fn chain_of(&self, domain: &str) -> Option<String> {
        let served = self.served.lock().unwrap();
        served.iter().find(|(name, _)| name == domain).map(|(_, chain)| chain.clone())
    }

    fn challenges(&self) -> usize {
        self.challenges.lock().unwrap().len()
    }
}

/// A chain of the fake is its first and last second.
fn chain(from: Timestamp, until: Timestamp) -> String {
    format!("{} {}", from.as_second(), until.as_second())
}

#[async_trait]
impl CertificateAuthority for World {
    fn directory(&self) -> &str {
        "https://ca.test/directory"
    }

    fn check(&self, chain: &str, key: &Secret, domain: &Domain) -> Result<Validity> {
        let bad = |field| Error::new(Code::InvalidRequest, format!("not for {domain}")).field(field);
        if !key.reveal().starts_with("a key") {
            return Err(bad("key"));
        }
        let (from, until) = chain.split_once(' ').ok_or_else(|| bad("certificate"))?;
        let at = |text: &str| Timestamp::from_second(text.parse().unwrap()).unwrap();
        Ok(Validity { from: at(from), until: at(until) })
    }

    fn new_key(&self) -> Result<Secret> {
        Ok("a key".to_owned().into())
    }

    async fn register(&self) -> Result<Secret, AuthorityRefusal> {
        self.authority.registered.fetch_add(1, Ordering::SeqCst);
        Ok("an account".to_owned().into())
    }

    async fn obtain(
        &self,
        order: &CertificateOrder<'_>,
        stage: &dyn ChallengeStage,
    ) -> Result<String, AuthorityRefusal> {
        assert_eq!((order.account.reveal(), order.key.reveal()), ("an account", "a key"));
        let authority = &self.authority;
        let begun = order.begun.is_some();
        authority.orders.lock().unwrap().push((order.domain.to_string(), order.method, begun));
        stage.ordered("https://ca.test/order/1").await?;
        let (domain, method) = (order.domain.clone(), order.method);
        stage.present(Challenge { domain, method, file: "a".into(), proof: "b".into() }).await?;
        if *authority.stuck.lock().unwrap() {
            std::future::pending::<()>().await;
        }
        if authority.refusals.load(Ordering::SeqCst) > 0 {
            authority.refusals.fetch_sub(1, Ordering::SeqCst);
            let error = Error::new(Code::TargetUnavailable, "nobody answers at the domain").hint("check DNS");
            return Err(AuthorityRefusal { error, retry_after: *authority.retry_after.lock().unwrap() });
        }
        let now = self.clock.now();
        Ok(chain(now, now + SignedDuration::from_hours(6)))
    }
}

const SHOP: &str = "shop.example.com";

fn new(domain: &str) -> NewDomain {
    NewDomain { domain: domain.parse().unwrap(), redirect_https: Some(true), certificate: Some(true) }
}

impl Stage {
    async fn with_web() -> Self {
        let stage = Self::new().await;
        stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
        let deployment = stage.create("acme/web:1").await;
        assert_eq!(stage.ended(deployment.id).await.phase, Phase::Active);
        stage
    }

    async fn add(&self, domain: &str) -> Result<ListedDomain> {
        Ok(self.control.add_domain(&self.actor, &web(), new(domain)).await?.0)
    }

    async fn domain(&self, domain: &str) -> ListedDomain {
        let all = self.control.domains(&self.actor, None, None, 500).await.unwrap();
        all.items.into_iter().find(|view| view.record.domain.as_str() == domain).unwrap()
    }

    /// Waits until a domain stands like this.
    async fn until_domain(
        &self,
        domain: &str,
        done: impl Fn(&CertificateStatus) -> bool,
    ) -> CertificateStatus {
        // Seven minutes: more than the watch over certificates sleeps.
        for _ in 0..4_200 {
            let status = self.domain(domain).await.certificate;
            if done(&status) {
                return status;
            }
            self.time.pass(Duration::from_millis(100), Duration::from_millis(100)).await;
        }
        panic!("it never got there: {:?}", self.domain(domain).await.certificate);
    }

    /// Waits until the proxy has another chain for a domain than this one.
    async fn served(&self, domain: &str, before: Option<&String>) -> Option<String> {
        for _ in 0..500 {
            let now = self.world.authority.chain_of(domain);
            if now.as_ref() != before {
                return now;
            }
            self.pass(Duration::from_millis(20)).await;
        }
        panic!("the proxy goes on with {before:?}");
    }

    /// Lets time pass until a moment before `time`. In small steps: who waits for the database gives up after so
    /// much time, and not after so many steps.
    async fn until_before(&self, time: Timestamp) {
        let left = Duration::try_from(time.duration_since(self.clock.now())).unwrap_or_default();
        self.time.pass(left.saturating_sub(Duration::from_secs(6)), Duration::from_secs(5)).await;
    }

    fn hosts(&self) -> Vec<(String, usize, bool)> {
        let table = self.world.table.lock().unwrap().clone();
        let mut all: Vec<_> =
            table.routes.iter().map(|it| (it.host.clone(), it.backends.len(), it.domain.is_some())).collect();
        all.sort();
        all
    }
}

#[tokio::test(start_paused = true)]
async fn a_domain_is_routed_gets_its_certificate_and_has_it_renewed_before_it_expires() {
    let stage = Stage::with_web().await;
    let added = stage.add(SHOP).await.unwrap();
    assert_eq!(added.record.certificate, CertificateSource::Acme);
    assert_eq!(stage.hosts(), [(SHOP.into(), 1, true), ("web-production.localhost".into(), 1, false)]);
    let first = stage.until_domain(SHOP, |status| status.issued_at.is_some()).await;
    assert_eq!(first.last_error, None);
    let (issued, next) = (first.issued_at.unwrap(), first.next_renewal_at.unwrap());
    let minutes = next.duration_since(issued).as_mins();
    assert!((220..=240).contains(&minutes), "two thirds of six hours: {minutes}");
    let chain = stage.served(SHOP, None).await.unwrap();
    stage.settle().await;
    assert_eq!(stage.world.authority.challenges(), 0, "the proof is taken away again");
    stage.until_before(next).await;
    let second = stage.until_domain(SHOP, |status| status.issued_at != Some(issued)).await;
    assert!(second.expires_at > first.expires_at);
    assert!(stage.served(SHOP, Some(&chain)).await.is_some());
    assert_eq!(stage.world.authority.registered.load(Ordering::SeqCst), 1, "one account for all");
    let orders = stage.world.authority.orders.lock().unwrap().clone();
    assert_eq!(orders, vec![(SHOP.to_owned(), ChallengeMethod::Http, false); 2]);
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_is_not_to_be_had_is_asked_for_again_later_and_another_way_and_says_why() {
    let stage = Stage::with_web().await;
    stage.world.authority.refusals.store(2, Ordering::SeqCst);
    stage.add(SHOP).await.unwrap();
    let failed = stage.until_domain(SHOP, |status| status.last_error.is_some()).await;
    assert_eq!(failed.last_error.as_deref(), Some("nobody answers at the domain; check DNS"));
    let pause = failed.next_renewal_at.unwrap().duration_since(failed.last_tried_at.unwrap());
    assert!((10..=12).contains(&pause.as_mins()), "{pause:?}");
    assert_eq!(stage.hosts()[0], (SHOP.into(), 1, true), "it answers over plain HTTP meanwhile");
    let doctor = stage.control.doctor(&stage.actor).await.unwrap();
    assert!(doctor.iter().any(|found| found.seen.contains("nobody answers at the domain")), "{doctor:?}");
    stage.until_before(failed.next_renewal_at.unwrap()).await;
    let again = stage.until_domain(SHOP, |status| status.next_renewal_at > failed.next_renewal_at).await;
    stage.until_before(again.next_renewal_at.unwrap()).await;
    let had = stage.until_domain(SHOP, |status| status.issued_at.is_some()).await;
    assert_eq!(had.last_error, None);
    let ways: Vec<_> = stage.world.authority.orders.lock().unwrap().iter().map(|order| order.1).collect();
    assert_eq!(ways, [ChallengeMethod::Http, ChallengeMethod::TlsAlpn, ChallengeMethod::Http]);
    stage.settle().await;
    let renewed = stage.control.renew_certificate(&stage.actor, &SHOP.parse().unwrap()).await;
    renewed.unwrap();
    let before = had.issued_at;
    stage.until_domain(SHOP, |status| status.issued_at != before).await;
}

#[tokio::test(start_paused = true)]
async fn an_order_that_was_interrupted_is_gone_on_with_after_a_restart() {
    let mut stage = Stage::with_web().await;
    *stage.world.authority.stuck.lock().unwrap() = true;
    stage.add(SHOP).await.unwrap();
    for _ in 0..500 {
        if stage.world.authority.challenges() > 0 {
            break;
        }
        stage.pass(Duration::from_millis(20)).await;
    }
    assert_eq!(stage.world.authority.challenges(), 1);
    stage.control.certificates.stop().await;
    *stage.world.authority.stuck.lock().unwrap() = false;
    stage.restart_control().await;
    stage.until_domain(SHOP, |status| status.issued_at.is_some()).await;
    let orders = stage.world.authority.orders.lock().unwrap().clone();
    let begun: Vec<bool> = orders.iter().map(|order| order.2).collect();
    assert_eq!(begun, [false, true]);
    // They are taken away once the certificate is kept.
    for _ in 0..500 {
        if stage.world.authority.challenges() == 0 {
            break;
        }
        stage.pass(Duration::from_millis(20)).await;
    }
    assert_eq!(stage.world.authority.challenges(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_domain_belongs_to_one_service_and_a_refusal_changes_nothing() {
    let stage = Stage::with_web().await;
    stage.add(SHOP).await.unwrap();
    stage.world.publish_image("docker.io/acme/other:1", 2, Behaviour::Serves);
    stage.create_as("other", "acme/other:1").await.unwrap();
    let other = "other".parse().unwrap();
    let taken = stage.control.add_domain(&stage.actor, &other, new(SHOP)).await.unwrap_err();
    assert_eq!((taken.code(), taken.at_field()), (Code::RouteConflict, Some("domain")));
    assert_eq!(stage.domain(SHOP).await.service.as_str(), "web");
    let spec = ServiceSpec::image("acme/other:1".parse().unwrap());
    let request = crate::CreateService {
        name: "third".parse().ok(),
        domains: vec![new("third.example.com"), new(SHOP)],
        ..crate::CreateService::new(spec)
    };
    let refused = stage.control.create_service(&stage.actor, request.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::RouteConflict);
    assert_eq!(stage.control.domains(&stage.actor, None, None, 500).await.unwrap().items.len(), 1);
    assert!(stage.control.service(&stage.actor, &"third".parse().unwrap()).await.is_err());
    stage.control.remove_domain(&stage.actor, &SHOP.parse().unwrap()).await.unwrap();
    stage.control.create_service(&stage.actor, request.clone()).await.unwrap();
    assert_eq!(stage.control.domains(&stage.actor, None, None, 500).await.unwrap().items.len(), 2);

    let many = (0..101).chain(0..101).map(|number| new(&format!("m{number}.example.org"))).collect();
    let request = crate::CreateService { name: "fourth".parse().ok(), domains: many, ..request };
    let told = stage.control.objections(&stage.actor, &request).await.unwrap();
    let told: Vec<_> = told.iter().map(mirage_core::Error::message).collect();
    assert_eq!(told, ["a service can have at most 100 domains, and 101 are given"]);

    for (domain, certificate) in [("web.localhost.example", true), ("*.example.com", false)] {
        let wanted = NewDomain { certificate: Some(certificate), ..new(domain) };
        stage.control.add_domain(&stage.actor, &web(), wanted).await.unwrap();
    }
    let wildcard = stage.add("*.example.org").await.unwrap_err();
    assert_eq!((wildcard.code(), wildcard.at_field()), (Code::InvalidRequest, Some("certificate")));
    for number in 0..98 {
        let wanted = NewDomain { certificate: Some(false), ..new(&format!("n{number}.example.net")) };
        stage.control.add_domain(&stage.actor, &web(), wanted).await.unwrap();
    }
    assert!(stage.add("one-more.example.net").await.unwrap_err().message().contains("100 domains"));
}

#[tokio::test(start_paused = true)]
async fn a_certificate_of_ones_own_is_served_at_once_and_one_that_cannot_be_changes_nothing() {
    let stage = Stage::with_web().await;
    let domain: Domain = SHOP.parse().unwrap();
    let give = async |chain: &str, key: &str| {
        stage.control.set_certificate(&stage.actor, &domain, chain, &key.to_owned().into()).await
    };
    assert_eq!(give("0 1", "a key").await.unwrap_err().code(), Code::NotFound);
    let wanted = NewDomain { certificate: Some(false), ..new(SHOP) };
    stage.control.add_domain(&stage.actor, &web(), wanted).await.unwrap();
    let now = stage.clock.now();
    let day = SignedDuration::from_hours(24);
    for (chain, key, field) in [
        (chain(now - day, now + day), "another", "key"),
        ("nonsense".to_owned(), "a key", "certificate"),
        (chain(now - day * 2, now - day), "a key", "certificate"),
        (chain(now + day, now + day * 2), "a key", "certificate"),
    ] {
        let error = give(&chain, key).await.unwrap_err();
        assert_eq!((error.code(), error.at_field()), (Code::InvalidRequest, Some(field)), "{chain}");
    }
    assert_eq!(stage.world.authority.chain_of(SHOP), None);
    assert_eq!(stage.domain(SHOP).await.record.certificate, CertificateSource::None);
    let good = chain(now - day, now + day * 30);
    let view = give(&good, "a key of mine").await.unwrap();
    assert_eq!(view.record.certificate, CertificateSource::Own);
    assert_eq!((view.certificate.next_renewal_at, view.certificate.expires_at.is_some()), (None, true));
    assert_eq!(stage.world.authority.chain_of(SHOP).as_ref(), Some(&good));
    stage.add(SHOP).await.unwrap();
    assert_eq!(
        stage.domain(SHOP).await.record.certificate,
        CertificateSource::Own,
        "it is not taken away by that"
    );
    assert_eq!(
        stage.control.renew_certificate(&stage.actor, &domain).await.unwrap_err().code(),
        Code::Conflict
    );
    stage.world.authority.served.lock().unwrap().clear();
    stage.control.introduce_proxy().await.unwrap();
    assert_eq!(
        stage.world.authority.chain_of(SHOP).as_ref(),
        Some(&good),
        "a new proxy is brought all of them"
    );
    stage.control.remove_domain(&stage.actor, &domain).await.unwrap();
    assert_eq!(stage.served(SHOP, Some(&good)).await, None);
    assert_eq!(stage.hosts(), [("web-production.localhost".into(), 1, false)]);
}

#[tokio::test(start_paused = true)]
async fn what_is_changed_about_a_domain_is_in_the_event_log_with_before_and_after() {
    let stage = Stage::with_web().await;
    stage.add(SHOP).await.unwrap();
    for (redirect_https, certificate) in [(false, true), (false, true), (true, false)] {
        let changed =
            NewDomain { redirect_https: Some(redirect_https), certificate: Some(certificate), ..new(SHOP) };
        stage.control.add_domain(&stage.actor, &web(), changed).await.unwrap();
    }
    let about = |kind: &str| mirage_store::EventFilter { kind: Some(kind.into()), ..Default::default() };
    assert_eq!(stage.store.events(&about("domainAdded"), 0, 10).await.unwrap().len(), 1);
    let changed = stage.store.events(&about("domainChanged"), 0, 10).await.unwrap();
    let told: Vec<_> = changed
        .into_iter()
        .map(|event| {
            let EventKind::DomainChanged { domain, changes } = event.kind else { panic!("{:?}", event.kind) };
            assert_eq!((domain.as_str(), event.actor.as_str()), (SHOP, stage.actor.name()));
            let each = changes.into_iter().map(|it| format!("{} {:?} {:?}", it.field, it.before, it.after));
            each.collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(
        told,
        [
            vec![r#"redirectHttps Some("true") Some("false")"#],
            vec![r#"redirectHttps Some("false") Some("true")"#, r#"certificate Some("acme") Some("none")"#],
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_authority_that_asks_to_be_left_alone_for_a_while_is() {
    let stage = Stage::with_web().await;
    stage.world.authority.refusals.store(1, Ordering::SeqCst);
    *stage.world.authority.retry_after.lock().unwrap() = Some(Duration::from_secs(3 * 3600));
    stage.add(SHOP).await.unwrap();
    let failed = stage.until_domain(SHOP, |status| status.last_error.is_some()).await;
    let pause = failed.next_renewal_at.unwrap().duration_since(failed.last_tried_at.unwrap());
    assert!((180..=199).contains(&pause.as_mins()), "{pause:?}");
    stage.until_before(failed.next_renewal_at.unwrap()).await;
    assert_eq!(stage.world.authority.orders.lock().unwrap().len(), 1);
    stage.until_domain(SHOP, |status| status.issued_at.is_some()).await;
}

#[tokio::test(start_paused = true)]
async fn how_a_certificate_stands_is_told_with_what_to_do() {
    let stage = Stage::with_web().await;
    stage.world.authority.refusals.store(1, Ordering::SeqCst);
    let told = |listed: &ListedDomain| {
        let standing = stage.control.standing(listed);
        (standing.seen, standing.hint.unwrap_or_default())
    };
    let badge = |listed: &ListedDomain| {
        let standing = stage.control.standing(listed);
        (standing.meaning, standing.word)
    };
    let ill = async || {
        let all = stage.control.doctor(&stage.actor).await.unwrap();
        all.into_iter()
            .filter(|it| it.hint.is_some())
            .map(|it| (it.domain.unwrap(), it.seen))
            .collect::<Vec<_>>()
    };
    let fresh = stage.add(SHOP).await.unwrap();
    assert_eq!(badge(&fresh), (Meaning::Busy, "asked for"));
    assert_eq!(ill().await, [], "what is on its way needs nobody");
    let (seen, hint) = told(&fresh);
    assert_eq!(seen, "its certificate is asked for");
    assert!(hint.contains("`mirage domain list`"), "{hint}");
    stage.until_domain(SHOP, |status| status.last_error.is_some()).await;
    let refused = stage.domain(SHOP).await;
    assert_eq!(badge(&refused), (Meaning::Bad, "refused"));
    let (seen, hint) = told(&refused);
    assert_eq!(ill().await, [(refused.record.domain.clone(), format!("`{SHOP}`: {seen}"))]);
    assert_eq!(seen, "it has no certificate: nobody answers at the domain; check DNS");
    assert_eq!(hint, format!("`mirage domain renew {SHOP}` tries again at once"));
    stage.control.renew_certificate(&stage.actor, &SHOP.parse().unwrap()).await.unwrap();
    stage.until_domain(SHOP, |status| status.expires_at.is_some()).await;
    let mut listed = stage.domain(SHOP).await;
    let day = listed.certificate.expires_at.unwrap().strftime("%Y-%m-%d");
    assert_eq!(told(&listed), (format!("its certificate is valid until {day}"), String::new()));
    assert_eq!(badge(&listed), (Meaning::Ok, "valid"));
    listed.certificate.last_error = Some("it is closed".into());
    assert_eq!(badge(&listed), (Meaning::Warn, "not renewed"));
    listed.certificate.expires_at = Some(stage.clock.now());
    assert!(told(&listed).0.starts_with("its certificate expired on "));
    listed.record.certificate = CertificateSource::Own;
    assert_eq!(badge(&listed), (Meaning::Bad, "expired"));
    assert!(told(&listed).1.contains("`mirage domain certificate "), "{:?}", told(&listed));
    listed.record.certificate = CertificateSource::None;
    assert_eq!(told(&listed).0, "no certificate is wanted, it answers over plain HTTP");
}
