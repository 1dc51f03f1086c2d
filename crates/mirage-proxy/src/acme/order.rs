//! One order, from its beginning or from wherever it was left, to the certificate.

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeStatus, ChallengeType, Identifier, NewOrder, Order, OrderStatus,
    Problem, RetryPolicy,
};
use mirage_core::port::{CertificateOrder, ChallengeStage};
use mirage_core::{Challenge, ChallengeMethod, Code, Error, Result};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};

use super::Acme;

/// How long an authority may take to look at a domain, and to sign.
const PATIENCE: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(120)).backoff(1.5);

/// The longest text of an authority that is repeated, in characters.
const SAID: usize = 600;

pub(super) async fn obtain(
    acme: &Acme,
    account: &Account,
    wanted: &CertificateOrder<'_>,
    stage: &dyn ChallengeStage,
) -> Result<String> {
    let mut order = match begun(account, wanted.begun).await {
        Some(order) => order,
        None => {
            let names = [Identifier::Dns(wanted.domain.to_string())];
            let order = account.new_order(&NewOrder::new(&names)).await;
            order.map_err(|error| acme.failed("takes no order", &error))?
        }
    };
    stage.ordered(order.url()).await?;
    if order.state().status == OrderStatus::Pending {
        prove(acme, &mut order, wanted, stage).await?;
    }
    if order.state().status == OrderStatus::Ready {
        let request = request(wanted)?;
        order.finalize_csr(&request).await.map_err(|error| acme.failed("does not sign", &error))?;
    }
    order.poll_certificate(&PATIENCE).await.map_err(|error| acme.failed("gave no certificate", &error))
}

/// The order that was left, if it leads anywhere.
async fn begun(account: &Account, url: Option<&str>) -> Option<Order> {
    let mut order = account.order(url?.to_owned()).await.ok()?;
    (order.state().status != OrderStatus::Invalid).then_some(order)
}

/// Puts proofs where they are looked for and waits until the authority has found them.
async fn prove(
    acme: &Acme,
    order: &mut Order,
    wanted: &CertificateOrder<'_>,
    stage: &dyn ChallengeStage,
) -> Result<()> {
    let kind = match wanted.method {
        ChallengeMethod::Http => ChallengeType::Http01,
        ChallengeMethod::TlsAlpn => ChallengeType::TlsAlpn01,
    };
    let mut authorizations = order.authorizations();
    while let Some(found) = authorizations.next().await {
        let mut authorization = found.map_err(|error| acme.failed("shows no challenge", &error))?;
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let Some(mut challenge) = authorization.challenge(kind.clone()) else {
            let what =
                format!("the certificate authority at `{}` does not look for a proof this way", acme.host());
            return Err(Error::new(Code::TargetUnavailable, what).hint("another way is tried next"));
        };
        let proof = challenge.key_authorization();
        let shown = Challenge {
            domain: wanted.domain.clone(),
            method: wanted.method,
            file: challenge.token.clone(),
            proof: proof.as_str().to_owned(),
        };
        stage.present(shown).await?;
        if challenge.status == ChallengeStatus::Pending {
            challenge
                .set_ready()
                .await
                .map_err(|error| acme.failed("does not look for the proof", &error))?;
        }
    }
    match order.poll_ready(&PATIENCE).await {
        Ok(OrderStatus::Invalid) => Err(refused(acme, order).await),
        Ok(_) => Ok(()),
        Err(error @ instant_acme::Error::Api(_)) => Err(acme.failed("did not find the proof", &error)),
        Err(error) => Err(acme.failed("did not finish looking for the proof", &error)),
    }
}

/// What the authority met where it looked.
async fn refused(acme: &Acme, order: &mut Order) -> Error {
    let mut reasons = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if let Ok(state) = authorization.refresh().await {
            reasons
                .extend(state.challenges.iter().filter_map(|challenge| challenge.error.as_ref()).map(said));
        }
    }
    let reason = if reasons.is_empty() { "it does not say why".to_owned() } else { reasons.join("; ") };
    let what = format!("the certificate authority at `{}` did not find the proof: {reason}", acme.host());
    Error::new(Code::TargetUnavailable, what)
        .hint("the domain must lead to this machine from the internet, on port 80 or on port 443")
}

/// What an authority says, shortened.
pub(super) fn said(problem: &Problem) -> String {
    let kind = problem.r#type.as_deref().and_then(|kind| kind.rsplit(':').next()).unwrap_or("unknown");
    let detail = problem.detail.as_deref().unwrap_or("no details");
    format!("{} ({kind})", detail.chars().take(SAID).collect::<String>())
}

/// The signing request (PKCS 10) for the key: the domain as alternative name, and no subject.
fn request(wanted: &CertificateOrder<'_>) -> Result<Vec<u8>> {
    let cannot = |error: rcgen::Error| Error::internal("write a signing request", error);
    let key = KeyPair::from_pem(wanted.key.reveal()).map_err(cannot)?;
    let mut params = CertificateParams::new([wanted.domain.to_string()]).map_err(cannot)?;
    params.distinguished_name = DistinguishedName::new();
    Ok(params.serialize_request(&key).map_err(cannot)?.der().to_vec())
}
