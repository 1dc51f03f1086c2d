use super::*;

fn owner(username: &str, host: &str) -> CredentialOwner {
    CredentialOwner { host: host.parse().unwrap(), username: username.into() }
}

/// What becomes of a credential: `keep`, `remove`, `alice at ghcr.io: new`, or the code and field at fault.
fn outcome(
    stored: Option<&CredentialOwner>,
    host: &str,
    username: Option<&str>,
    password: Option<&str>,
) -> String {
    let change = CredentialChange {
        username: username.map(str::to_owned),
        password: password.map(|text| Secret::from(text.to_owned())),
    };
    match change.decide(stored, &host.parse().unwrap()) {
        Ok(CredentialOutcome::Keep) => "keep".into(),
        Ok(CredentialOutcome::Remove) => "remove".into(),
        Ok(CredentialOutcome::Replace(login)) => format!("{}: {}", login.owner, login.password.reveal()),
        Err(error) => {
            assert!(error.next_step().is_some(), "{error:?}");
            let told = password.filter(|text| text.len() > 2);
            assert!(told.is_none_or(|text| !error.message().contains(text)), "{}", error.message());
            format!("{}: {}", error.code(), error.at_field().unwrap_or_default())
        }
    }
}

const NO_PASSWORD: &str = "CREDENTIAL_INCOMPLETE: registryCredentials.password";
const NO_NAME: &str = "CREDENTIAL_INCOMPLETE: registryCredentials.username";

#[test]
fn the_rule_line_by_line() {
    let alice = owner("alice", "ghcr.io");
    for (username, password, expected) in [
        (Some("alice"), None, "keep"),
        (Some("alice"), Some(""), "keep"),
        (Some("alice"), Some("new"), "alice at ghcr.io: new"),
        (Some("bob"), None, NO_PASSWORD),
        (Some("bob"), Some(""), NO_PASSWORD),
        (Some("bob"), Some("new"), "bob at ghcr.io: new"),
        (None, None, "keep"),
        (None, Some(""), "keep"),
        (None, Some("new"), NO_NAME),
        (Some(""), None, "remove"),
        (Some(""), Some(""), "remove"),
        (Some(""), Some("new"), NO_NAME),
    ] {
        let seen = outcome(Some(&alice), "ghcr.io", username, password);
        assert_eq!(seen, expected, "{username:?} {password:?}");
    }
}

#[test]
fn the_rule_where_nothing_is_stored() {
    for (username, password, expected) in [
        (Some("alice"), None, NO_PASSWORD),
        (Some("alice"), Some("new"), "alice at ghcr.io: new"),
        (None, None, "keep"),
        (None, Some("new"), NO_NAME),
        (Some(""), None, "remove"),
    ] {
        assert_eq!(outcome(None, "ghcr.io", username, password), expected, "{username:?} {password:?}");
    }
}

#[test]
fn another_registry_is_another_user() {
    let alice = owner("alice", "ghcr.io");
    for (username, password, expected) in [
        (Some("alice"), None, NO_PASSWORD),
        (Some("alice"), Some("new"), "alice at quay.io: new"),
        (None, None, NO_PASSWORD),
        (Some(""), None, "remove"),
    ] {
        let seen = outcome(Some(&alice), "quay.io", username, password);
        assert_eq!(seen, expected, "{username:?} {password:?}");
    }
    assert_eq!(outcome(Some(&owner("a", "localhost:5000")), "localhost:5001", None, None), NO_PASSWORD);
}

#[test]
fn what_no_registry_takes_is_refused() {
    let long = "x".repeat(MAX_PASSWORD + 1);
    for (username, password, field) in [
        ("a:b", "secret", USERNAME_FIELD),
        ("a\nb", "secret", USERNAME_FIELD),
        ("a", "secret\0", PASSWORD_FIELD),
        ("a", long.as_str(), PASSWORD_FIELD),
    ] {
        let seen = outcome(None, "ghcr.io", Some(username), Some(password));
        assert_eq!(seen, format!("INVALID_REQUEST: {field}"), "{username:?}");
    }
    let key = "{\n  \"type\": \"service_account\"\n}";
    let seen = outcome(None, "gcr.io", Some("_json_key"), Some(key));
    assert_eq!(seen, format!("_json_key at gcr.io: {key}"));
}

#[test]
fn a_rollback_needs_the_user_that_the_revision_was_made_with() {
    let (alice, bob, moved) = (owner("alice", "ghcr.io"), owner("bob", "ghcr.io"), owner("alice", "quay.io"));
    for (stored, revision, allowed) in [
        (Some(&alice), Some(&alice), true),
        (Some(&bob), Some(&alice), false),
        (Some(&moved), Some(&alice), false),
        (None, Some(&alice), false),
        (Some(&alice), None, true),
        (None, None, true),
    ] {
        assert_eq!(check_rollback(stored, revision).is_ok(), allowed, "{stored:?} {revision:?}");
    }
    assert_eq!(check_rollback(Some(&bob), Some(&alice)).unwrap_err().code(), Code::CredentialIncomplete);
}

#[test]
fn the_closest_and_narrowest_credential_pulls() {
    let number = |n: u8| [n; 16];
    let service = CredentialScope::Service(ServiceId::from_random(number(1)));
    let environment = CredentialScope::Environment(EnvironmentId::from_random(number(2)));
    let project = CredentialScope::Project(ProjectId::from_random(number(3)));
    let credential = |scope, username: &str, host: &str, prefix: &str| Credential {
        id: CredentialId::from_random(number(4)),
        scope,
        owner: owner(username, host),
        prefix: prefix.parse().ok(),
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    };
    let all = [
        credential(project, "p", "ghcr.io", ""),
        credential(project, "p-web", "ghcr.io", "acme/web"),
        credential(environment, "e-team", "ghcr.io", "team"),
        credential(environment, "e", "quay.io", ""),
        credential(service, "s", "quay.io", ""),
        credential(project, "hub", "docker.io", "nginx"),
    ];
    for (image, expected) in [
        ("ghcr.io/acme/web", Some("p-web")),
        ("ghcr.io/acme/web/api", Some("p-web")),
        ("ghcr.io/acme/website", Some("p")),
        ("ghcr.io/team/web", Some("e-team")),
        ("quay.io/acme/web", Some("s")),
        ("quay.io:443/acme/web", None),
        ("nginx", Some("hub")),
        ("nginx/other", Some("hub")),
        ("redis", None),
    ] {
        let chosen = Credential::choose(&all, &image.parse().unwrap());
        assert_eq!(chosen.map(|one| one.owner.username.as_str()), expected, "{image}");
    }
}
