//! People at a browser.

use mirage_core::Secret;

use super::*;
use crate::Action;
use crate::NewToken;

impl Stage {
    fn log_in(&self, token: &str) -> Result<Secret, Error> {
        self.log_in_from("192.0.2.1", token)
    }

    fn log_in_from(&self, address: &str, token: &str) -> Result<Secret, Error> {
        self.control.open_session(&Secret::from(token.to_owned()), address.parse().ok())
    }

    fn who(&self, cookie: &Secret) -> Result<String, Error> {
        self.control.session(cookie.reveal()).map(|session| session.actor.name().to_owned())
    }
}

/// The refusal; what is not refused cannot be shown.
fn refused<T>(result: Result<T, Error>) -> Error {
    result.err().expect("a refusal")
}

#[tokio::test(start_paused = true)]
async fn a_session_survives_a_restart_and_ends_after_twelve_hours() {
    let mut stage = Stage::new().await;
    let cookie = stage.log_in(&format!("{TOKEN}\n")).unwrap();
    assert_eq!(stage.who(&cookie).unwrap(), "admin");
    stage.restart_control().await;
    assert_eq!(stage.who(&cookie).unwrap(), "admin");
    stage.clock.set_ahead(Duration::from_secs(12 * 3600 - 60));
    assert_eq!(stage.who(&cookie).unwrap(), "admin");
    stage.clock.set_ahead(Duration::from_secs(60));
    assert_eq!(refused(stage.who(&cookie)).code(), Code::Unauthenticated);
}

#[tokio::test(start_paused = true)]
async fn a_session_of_a_clock_that_was_ahead_ends_when_it_is_put_right() {
    let stage = Stage::new().await;
    stage.clock.set_ahead(Duration::from_secs(86_400));
    let cookie = stage.log_in(TOKEN).unwrap();
    stage.clock.set_back(Duration::from_secs(600));
    assert!(stage.who(&cookie).is_ok(), "a clock may be put right a little");
    stage.clock.set_back(Duration::from_secs(86_400 - 600));
    assert_eq!(refused(stage.who(&cookie)).code(), Code::Unauthenticated);
}

#[tokio::test(start_paused = true)]
async fn a_cookie_is_no_token_and_holds_none_in_the_open() {
    let stage = Stage::new().await;
    let cookie = stage.log_in(TOKEN).unwrap();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+/".contains(&byte);
    assert!(cookie.reveal().bytes().all(allowed), "no quoting is needed in a cookie");
    assert!(!cookie.reveal().contains(TOKEN));
    assert_eq!(refused(stage.control.authenticate(cookie.reveal())).code(), Code::Unauthenticated);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_cookie_of_this_platform_opens_nothing() {
    let stage = Stage::new().await;
    let cookie = stage.log_in(TOKEN).unwrap().reveal().to_owned();
    let torn = cookie[..cookie.len() - 4].to_owned();
    let other = stage.control.parts.vault.seal("credential", &format!("99999999999\n{TOKEN}")).unwrap();
    let changed = cookie.replacen(|c: char| c.is_ascii_digit(), "x", 1);
    let long = "A".repeat(100_000);
    for text in ["", "x", TOKEN, "é", &torn, &String::from(other), &changed, &long] {
        assert_eq!(refused(stage.control.session(text)).code(), Code::Unauthenticated);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_when_its_token_is_changed() {
    let stage = Stage::new().await;
    let sealed = stage.control.parts.vault.seal("session", "1790003600\nthe token before").unwrap();
    assert_eq!(refused(stage.control.session(&String::from(sealed))).code(), Code::Unauthenticated);
}

#[tokio::test(start_paused = true)]
async fn a_token_for_images_opens_no_pages() {
    let stage = Stage::new().await;
    let new = NewToken { name: "ci".parse().unwrap(), project: None, push: true };
    let (_, token) = stage.control.create_token(&stage.actor, new).await.unwrap();
    assert_eq!(refused(stage.log_in(token.reveal())).code(), Code::Forbidden);
}

#[tokio::test(start_paused = true)]
async fn after_ten_failed_log_ins_nobody_logs_in_from_there_for_a_minute() {
    let stage = Stage::new().await;
    let cookie = stage.log_in(TOKEN).unwrap();
    for number in 0..10 {
        assert_eq!(refused(stage.log_in(&format!("guess {number}"))).code(), Code::Unauthenticated);
        stage.clock.set_ahead(Duration::from_secs(1));
    }
    let limited = refused(stage.log_in(TOKEN));
    assert_eq!(limited.code(), Code::Forbidden);
    assert_eq!(limited.next_step(), Some("try again in 51 s"));
    assert!(stage.who(&cookie).is_ok(), "who is logged in stays so");
    assert!(stage.log_in_from("192.0.2.2", TOKEN).is_ok(), "nobody else is shut out");
    assert!(stage.log_in_from("unknown", TOKEN).is_ok());
    stage.clock.set_ahead(Duration::from_secs(51));
    assert!(stage.log_in(TOKEN).is_ok());
}

#[tokio::test(start_paused = true)]
async fn whoever_guesses_from_many_addresses_has_one_try_at_each_and_shuts_out_nobody() {
    let stage = Stage::new().await;
    for number in 0..100 {
        let address = format!("198.51.100.{}", number % 50);
        assert_eq!(refused(stage.log_in_from(&address, "guess")).code(), Code::Unauthenticated);
    }
    assert_eq!(refused(stage.log_in_from("198.51.100.7", TOKEN)).code(), Code::Forbidden, "it has guessed");
    assert_eq!(refused(stage.log_in_from("203.0.113.1", "guess")).code(), Code::Unauthenticated);
    assert_eq!(refused(stage.log_in_from("203.0.113.1", "guess")).code(), Code::Forbidden);
    for number in 0..5_000 {
        let address = format!("2001:db8:{:x}::1", number);
        assert_eq!(refused(stage.log_in_from(&address, "guess")).code(), Code::Unauthenticated);
    }
    assert!(stage.log_in_from("192.0.2.1", TOKEN).is_ok(), "the right token from elsewhere always opens");
}

#[tokio::test(start_paused = true)]
async fn a_network_of_ipv6_is_one_address_and_a_mapped_one_is_that_of_ipv4() {
    let stage = Stage::new().await;
    for number in 0..10 {
        let address = format!("2001:db8:1:2:{number:x}::{number:x}");
        assert_eq!(refused(stage.log_in_from(&address, "guess")).code(), Code::Unauthenticated);
        let mapped = ["::ffff:192.0.2.9", "192.0.2.9"][number % 2];
        assert_eq!(refused(stage.log_in_from(mapped, "guess")).code(), Code::Unauthenticated);
    }
    assert_eq!(refused(stage.log_in_from("2001:db8:1:2:ffff::1", TOKEN)).code(), Code::Forbidden);
    assert_eq!(refused(stage.log_in_from("192.0.2.9", TOKEN)).code(), Code::Forbidden);
    assert!(stage.log_in_from("2001:db8:1:3::1", TOKEN).is_ok());
}

#[tokio::test(start_paused = true)]
async fn whoever_has_one_try_is_not_told_of_too_many() {
    let stage = Stage::new().await;
    for number in 0..100 {
        refused(stage.log_in_from(&format!("192.0.2.{number}"), "guess"));
    }
    assert_eq!(refused(stage.log_in_from("198.51.100.1", "typo")).code(), Code::Unauthenticated);
    let error = refused(stage.log_in_from("198.51.100.1", TOKEN));
    assert!(error.message().contains("each address has one try"), "{}", error.message());
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_put_right_shuts_nobody_out_for_longer() {
    let stage = Stage::new().await;
    stage.clock.set_ahead(Duration::from_secs(86_400));
    for _ in 0..10 {
        refused(stage.log_in("guess"));
    }
    stage.clock.set_back(Duration::from_secs(86_400));
    assert!(stage.log_in(TOKEN).is_ok());
}

#[tokio::test(start_paused = true)]
async fn only_a_proxy_that_is_trusted_says_for_whom_it_asks() {
    let stage = Stage::new().await;
    let of = |peer: &str, forwarded: &[&str]| {
        let found = stage.control.client_address(peer.parse().ok(), forwarded.iter().copied());
        found.map(|address| address.to_string()).unwrap_or_default()
    };
    assert_eq!(of("192.0.2.1", &["203.0.113.9"]), "192.0.2.1", "anybody may send that header");
    assert_eq!(of("10.0.0.1", &["203.0.113.9"]), "203.0.113.9");
    assert_eq!(of("::ffff:10.0.0.1", &["evil, 198.51.100.1", "203.0.113.9, 10.0.0.1"]), "203.0.113.9");
    assert_eq!(of("10.0.0.1", &["[2001:db8::1]:4711"]), "2001:db8::1");
    assert_eq!(of("10.0.0.1", &["203.0.113.9:80"]), "203.0.113.9");
    assert_eq!(of("10.0.0.1", &["unknown"]), "10.0.0.1");
    assert_eq!(of("10.0.0.1", &[]), "10.0.0.1");
    assert_eq!(of("", &["203.0.113.9"]), "");
}

#[tokio::test(start_paused = true)]
async fn a_form_is_taken_from_its_own_session_only() {
    let stage = Stage::new().await;
    let open = || {
        stage.clock.set_ahead(Duration::from_secs(1));
        stage.control.session(stage.log_in(TOKEN).unwrap().reveal()).unwrap()
    };
    let (one, other) = (open(), open());
    assert!(one.check_form(one.form()).is_ok());
    for shown in ["", other.form(), TOKEN] {
        assert_eq!(refused(one.check_form(shown)).code(), Code::Forbidden);
    }
}

#[tokio::test(start_paused = true)]
async fn projects_come_by_pages_with_their_environments() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    for (project, environment) in [("shop", "staging"), ("blog", "production"), ("shop", "production")] {
        let spec = ServiceSpec::image("acme/web:1".parse().unwrap());
        let request = CreateService {
            project: Some(project.parse().unwrap()),
            environment: Some(environment.parse().unwrap()),
            name: Some("web".parse().unwrap()),
            ..CreateService::new(spec)
        };
        stage.control.create_service(&stage.actor, request).await.unwrap();
    }
    let first = stage.control.projects(&stage.actor, None, 1).await.unwrap();
    assert_eq!((first.items[0].project.name.as_str(), first.more), ("blog", true));
    let next = Some(&first.items[0].project.name);
    let last = stage.control.projects(&stage.actor, next, 1).await.unwrap();
    assert_eq!((last.items[0].project.name.as_str(), last.more), ("shop", false));
    let names: Vec<_> = last.items[0].environments.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["production", "staging"]);
    let missing = stage.control.project_named(&stage.actor, &"none".parse().unwrap()).await;
    assert_eq!(refused(missing).code(), Code::NotFound);
}

#[tokio::test(start_paused = true)]
async fn who_only_looks_is_shown_everything_and_does_nothing() {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    stage.ended(stage.create("acme/web:1").await.id).await;
    let looking = stage.actor.clone().only_looking();
    let repository = "shop/web".parse().unwrap();
    for action in [Action::Read, Action::ReadLogs, Action::ListImages, Action::Diagnose, Action::KeepDrafts] {
        assert!(stage.control.allow(&looking, action).is_ok(), "{action:?}");
    }
    for action in [
        Action::Inspect,
        Action::Deploy,
        Action::Remove,
        Action::PullImages(&repository),
        Action::PushImages(&repository),
        Action::ManageVolumes,
        Action::ManageCredentials,
        Action::ManageTokens,
        Action::ManageDomains,
        Action::ManageVault,
        Action::Backup,
    ] {
        let refused = stage.control.allow(&looking, action).unwrap_err();
        assert_eq!(refused.code(), Code::Forbidden, "{action:?}");
        assert!(refused.next_step().unwrap().contains("send it again"));
    }
    assert!(stage.control.redeploy(&looking, &web()).await.is_err());
    assert_eq!(stage.control.service(&looking, &web()).await.unwrap().newest.unwrap().revision, 1);
}
