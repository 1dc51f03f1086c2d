use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::future::join_all;

use super::script::{FakeAws, KEY, OVER, POWERLESS, SECRET, SESSION, TEMPORARY};
use super::*;
use crate::client::script::{HandClock, Script, Seen, options};
use crate::client::transport::Transport;

const START: &str = "2026-11-21T08:00:00Z";

fn clock(time: &str) -> Arc<HandClock> {
    Arc::new(HandClock::at(time.parse().unwrap()))
}

fn registry() -> EcrRegistry {
    EcrRegistry::of(&"123456789012.dkr.ecr.eu-west-1.amazonaws.com".parse().unwrap()).unwrap()
}

fn login(username: &str, password: &str) -> Login {
    let owner = CredentialOwner { host: registry().host, username: username.into() };
    Login { owner, password: Secret::from(password.to_owned()) }
}

fn ecr(endpoint: &Url, clock: &Arc<HandClock>) -> Ecr {
    let options = RegistryOptions { ecr_endpoint: Some(endpoint.clone()), ..options() };
    Ecr::new(options, 7, Arc::<HandClock>::clone(clock))
}

/// What the registry would be shown, or the error.
async fn outcome(ecr: &Ecr, username: &str, password: &str) -> Result<String> {
    let transport = Transport::new(options()).unwrap();
    let client = transport.client(&registry().host, false).await.unwrap().client;
    let login = ecr.login(&client, &registry(), &login(username, password)).await?;
    Ok(format!("{}:{}", login.owner.username, login.password.reveal()))
}

#[tokio::test]
async fn a_ready_made_password_is_used_as_it_is() {
    let nobody = "http://127.0.0.1:1/".parse().unwrap();
    let ecr = ecr(&nobody, &clock(START));
    assert_eq!(outcome(&ecr, "AWS", "eyJwYXlsb2FkIjoi").await.unwrap(), "AWS:eyJwYXlsb2FkIjoi");
}

#[tokio::test]
async fn many_pulls_at_once_mint_one_password() {
    let aws = FakeAws::start(clock(START)).await;
    let ecr = ecr(&aws.url, &aws.clock);
    let all = join_all((0..20).map(|_| outcome(&ecr, KEY, SECRET))).await;
    assert!(all.iter().all(|one| one.as_deref().unwrap() == "AWS:password-1"));
    assert_eq!(aws.asked(), 1);
}

#[tokio::test]
async fn a_refusal_is_shared_by_those_who_waited_and_asked_for_again_later() {
    let aws = FakeAws::start(clock(START)).await;
    let ecr = ecr(&aws.url, &aws.clock);
    let all = join_all((0..20).map(|_| outcome(&ecr, KEY, "wrong"))).await;
    assert!(all.iter().all(|one| one.as_ref().unwrap_err().code() == Code::RegistryAuthError));
    assert_eq!(aws.asked(), 1);
    outcome(&ecr, KEY, "wrong").await.unwrap_err();
    assert_eq!(aws.asked(), 2);
}

#[tokio::test]
async fn a_password_is_renewed_ten_minutes_before_it_runs_out() {
    let aws = FakeAws::start(clock(START)).await;
    let ecr = ecr(&aws.url, &aws.clock);
    assert_eq!(outcome(&ecr, KEY, SECRET).await.unwrap(), "AWS:password-1");
    aws.clock.advance(Duration::from_secs(12 * 3600 - 601));
    assert_eq!(outcome(&ecr, KEY, SECRET).await.unwrap(), "AWS:password-1");
    aws.clock.advance(Duration::from_secs(1));
    assert_eq!(outcome(&ecr, KEY, SECRET).await.unwrap(), "AWS:password-2");
    assert_eq!(aws.minted(), 2);
}

#[tokio::test]
async fn while_aws_does_not_answer_a_password_is_used_to_its_end() {
    let aws = FakeAws::start(clock(START)).await;
    let (ecr, clock) = (ecr(&aws.url, &aws.clock), Arc::clone(&aws.clock));
    outcome(&ecr, KEY, SECRET).await.unwrap();
    drop(aws);
    clock.advance(Duration::from_secs(12 * 3600 - 60));
    assert_eq!(outcome(&ecr, KEY, SECRET).await.unwrap(), "AWS:password-1");
    clock.advance(Duration::from_secs(60));
    let error = outcome(&ecr, KEY, SECRET).await.unwrap_err();
    assert_eq!(error.code(), Code::RegistryUnreachable, "{error:?}");
}

#[tokio::test]
async fn a_secret_that_was_replaced_gets_nothing_of_the_old_one() {
    let aws = FakeAws::start(clock(START)).await;
    let ecr = ecr(&aws.url, &aws.clock);
    outcome(&ecr, KEY, SECRET).await.unwrap();
    let error = outcome(&ecr, KEY, "another").await.unwrap_err();
    assert_eq!(error.code(), Code::RegistryAuthError);
    assert_eq!(outcome(&ecr, KEY, SECRET).await.unwrap(), "AWS:password-1");
}

#[tokio::test]
async fn a_temporary_key_comes_with_its_session() {
    let aws = FakeAws::start(clock(START)).await;
    let ecr = ecr(&aws.url, &aws.clock);
    let both = format!("{SECRET}:{SESSION}");
    assert_eq!(outcome(&ecr, TEMPORARY, &both).await.unwrap(), "AWS:password-1");
}

#[tokio::test]
async fn a_key_that_aws_refuses_is_named_with_the_remedy_and_its_secret_never() {
    let aws = FakeAws::start(clock(START)).await;
    let ecr = ecr(&aws.url, &aws.clock);
    let both = format!("{SECRET}:{SESSION}");
    let wrong = format!("wrong:{SESSION}");
    for (id, password, why, remedy) in [
        (KEY, "wrong", "is not its secret", "make a new key"),
        (TEMPORARY, &wrong, "is not its secret", "make a new key"),
        (TEMPORARY, SECRET, "its session token is missing", "a colon and its session token"),
        ("AKIAUNKNOWN0EXAMPLE", SECRET, "does not know the access key", "is active"),
        (POWERLESS, SECRET, "user/ci is not authorized", "`AmazonEC2ContainerRegistryPullOnly`"),
        (OVER, &both, "no longer good", "a key that stays"),
        ("alice", SECRET, "neither `AWS` nor the id of an access key", "and its secret"),
    ] {
        let error = outcome(&ecr, id, password).await.unwrap_err();
        assert_eq!(error.code(), Code::RegistryAuthError, "{error:?}");
        assert!(error.message().contains(why) && error.message().contains(id), "{}", error.message());
        assert!(error.next_step().unwrap().contains(remedy), "{:?}", error.next_step());
        let all = format!("{error:?} {:?}", error.next_step());
        assert!(!all.contains(SECRET) && !all.contains(SESSION), "{all}");
    }
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_named_and_by_how_much() {
    let aws = FakeAws::start(clock(START)).await;
    for (here, words) in [
        ("2026-11-21T07:43:00Z", "the clock of this machine is 17 min behind that of AWS"),
        ("2026-11-21T08:20:00Z", "the clock of this machine is 20 min ahead of that of AWS"),
    ] {
        let error = outcome(&ecr(&aws.url, &clock(here)), KEY, SECRET).await.unwrap_err();
        assert_eq!(error.code(), Code::RegistryAuthError);
        assert!(error.message().ends_with(words), "{}", error.message());
        assert!(error.next_step().unwrap().contains("timedatectl"));
    }
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_no_password() {
    let answers: [(&str, u16, String); 9] = [
        ("not the one of ECR", 200, "<html>".into()),
        ("not the one of ECR", 200, r#"{"authorizationData":{}}"#.into()),
        ("has no password", 200, r#"{"authorizationData":[]}"#.into()),
        ("not in Base64", 200, r#"{"authorizationData":[{"authorizationToken":"?"}]}"#.into()),
        ("no text", 200, r#"{"authorizationData":[{"authorizationToken":"/w=="}]}"#.into()),
        ("without a user", 200, r#"{"authorizationData":[{"authorizationToken":"QVdT"}]}"#.into()),
        ("the limit is", 200, "x".repeat(300 << 10)),
        ("`500 Internal Server Error`", 500, String::new()),
        ("`307 Temporary Redirect`", 307, String::new()),
    ];
    for (why, status, body) in answers {
        let answer = move |_: &Seen| (StatusCode::from_u16(status).unwrap(), body.clone()).into_response();
        let script = Script::start(answer).await;
        let url = format!("http://{}/", script.host).parse().unwrap();
        let error = outcome(&ecr(&url, &clock(START)), KEY, SECRET).await.unwrap_err();
        assert_eq!(error.code(), Code::RegistryUnreachable, "{why}: {error:?}");
        assert!(error.message().contains(why), "{why}: {}", error.message());
    }
}

#[tokio::test]
async fn a_stumble_of_aws_is_not_the_end() {
    let script = Script::start(|seen| -> Response {
        match seen.nth {
            0 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            // Without a time it is used, and not kept.
            _ => r#"{"authorizationData":[{"authorizationToken":"QVdTOnNlc2FtZQ=="}]}"#.into_response(),
        }
    })
    .await;
    let url = format!("http://{}/", script.host).parse().unwrap();
    let ecr = ecr(&url, &clock(START));
    assert_eq!(outcome(&ecr, KEY, SECRET).await.unwrap(), "AWS:sesame");
    assert_eq!(script.requests().len(), 2);
    outcome(&ecr, KEY, SECRET).await.unwrap();
    assert_eq!(script.requests().len(), 3);
}

#[tokio::test]
async fn asking_too_often_has_its_own_code() {
    let body = r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#;
    let script = Script::start(move |_| (StatusCode::BAD_REQUEST, body).into_response()).await;
    let url = format!("http://{}/", script.host).parse().unwrap();
    let error = outcome(&ecr(&url, &clock(START)), KEY, SECRET).await.unwrap_err();
    assert_eq!(error.code(), Code::RegistryRateLimited, "{error:?}");
}

#[tokio::test]
async fn an_expiry_beyond_reason_is_cut_to_twelve_hours() {
    let body = r#"{"authorizationData":[{"authorizationToken":"QVdTOnNlc2FtZQ==","expiresAt":1e300}]}"#;
    let script = Script::start(move |_| body.into_response()).await;
    let url = format!("http://{}/", script.host).parse().unwrap();
    let clock = clock(START);
    let ecr = ecr(&url, &clock);
    for (hours, asked) in [(0, 1), (11, 1), (1, 2)] {
        clock.advance(Duration::from_secs(hours * 3600));
        outcome(&ecr, KEY, SECRET).await.unwrap();
        assert_eq!(script.requests().len(), asked);
    }
}

#[test]
fn without_a_setting_aws_itself_is_asked() {
    let ecr = Ecr::new(options(), 7, clock(START));
    let endpoint = ecr.endpoint(&registry()).unwrap();
    assert_eq!(endpoint.as_str(), "https://api.ecr.eu-west-1.amazonaws.com/");
}
