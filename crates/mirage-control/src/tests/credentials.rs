//! Who pulls with which password, and what becomes of sealed variables.

use std::collections::BTreeMap;

use mirage_core::{
    CredentialOwner, Secret, ServiceSpec, VariableInput, VariableName, VariableText, VariableValue,
};

use super::*;
use crate::{CredentialPlace, InspectImage, NewCredential};

const IMAGE: &str = "ghcr.io/acme/web:1";

fn given(username: Option<&str>, password: Option<&str>) -> CredentialChange {
    CredentialChange {
        username: username.map(str::to_owned),
        password: password.map(|text| Secret::from(text.to_owned())),
    }
}

impl Stage {
    /// A registry that lets in `eve` with this password, and an image in it.
    fn lock_up(&self, password: &str) {
        self.world.publish_image(IMAGE, 1, Behaviour::Serves);
        self.world.publish_image("ghcr.io/acme/web:2", 2, Behaviour::Serves);
        self.world.doors.lock().unwrap().insert("ghcr.io".into(), ("eve".into(), password.into()));
    }

    async fn create_with(&self, name: &str, credentials: CredentialChange) -> Result<Deployment, Error> {
        let request = CreateService {
            name: Some(name.parse().unwrap()),
            credentials,
            ..CreateService::new(ServiceSpec::image(IMAGE.parse().unwrap()))
        };
        self.control.create_service(&self.actor, request).await.map(|(_, deployment)| deployment)
    }

    async fn share(&self, environment: Option<&str>, prefix: &str, password: &str) {
        let new = NewCredential {
            place: CredentialPlace {
                project: None,
                environment: environment.map(|name| name.parse().unwrap()),
            },
            host: "ghcr.io".parse().unwrap(),
            prefix: prefix.parse().ok(),
            username: "eve".into(),
            password: Secret::from(password.to_owned()),
        };
        self.control.set_credential(&self.actor, new).await.unwrap();
    }

    async fn owner(&self) -> Option<CredentialOwner> {
        self.control.service(&self.actor, &web()).await.unwrap().credential
    }

    async fn set_variable(&self, name: &str, value: &str, seal: bool) {
        let input = VariableInput { text: VariableText::from(value), seal };
        let variables = BTreeMap::from([(name.parse().unwrap(), Some(input))]);
        let patch = ServicePatch { variables, ..ServicePatch::default() };
        self.control.update(&self.actor, &web(), patch).await.unwrap();
    }

    async fn variable(&self, name: &str) -> VariableValue {
        let name: VariableName = name.parse().unwrap();
        self.control.service(&self.actor, &web()).await.unwrap().service.spec.variables[&name].clone()
    }
}

#[tokio::test(start_paused = true)]
async fn a_private_image_is_pulled_with_what_was_given_once_and_a_wrong_password_writes_nothing() {
    let mut stage = Stage::new().await;
    stage.lock_up("sesame");
    for wrong in [given(None, None), given(Some("eve"), Some("simsim")), given(Some("bob"), Some("sesame"))] {
        let error = stage.create_with("web", wrong).await.unwrap_err();
        assert_eq!(error.code(), Code::RegistryAuthError);
    }
    for incomplete in [given(Some("eve"), None), given(None, Some("sesame"))] {
        let error = stage.create_with("web", incomplete).await.unwrap_err();
        assert_eq!(error.code(), Code::CredentialIncomplete);
    }
    assert!(stage.store.service_ids().await.unwrap().is_empty());
    assert!(stage.store.credential_page(None, 1).await.unwrap().is_empty());

    let first = stage.create_with("web", given(Some("eve"), Some("sesame"))).await.unwrap();
    assert_eq!(stage.ended(first.id).await.phase, Phase::Active);
    stage.restart_control().await;
    let second = stage.deploy("ghcr.io/acme/web:2").await;
    assert_eq!(stage.ended(second.id).await.phase, Phase::Active, "nobody was asked again");
    assert_eq!(stage.owner().await.unwrap().to_string(), "eve at ghcr.io");
}

#[tokio::test(start_paused = true)]
async fn a_login_that_its_registry_refuses_replaces_nothing_and_one_that_cannot_be_tried_is_kept() {
    let stage = Stage::new().await;
    stage.lock_up("sesame");
    let first = stage.create_with("web", given(Some("eve"), Some("sesame"))).await.unwrap();
    stage.ended(first.id).await;
    let update = async |credentials| {
        let patch = ServicePatch { credentials, ..ServicePatch::default() };
        stage.control.update(&stage.actor, &web(), patch).await.map(drop)
    };
    let refused = update(given(Some("eve"), Some("wrong"))).await.unwrap_err();
    assert_eq!(refused.code(), Code::RegistryAuthError);
    let mixed = update(given(Some("bob"), None)).await.unwrap_err();
    assert_eq!(mixed.code(), Code::CredentialIncomplete);
    let again = stage.deploy("ghcr.io/acme/web:2").await;
    assert_eq!(stage.ended(again.id).await.phase, Phase::Active, "the old password is still there");
    // The password is rotated at the registry, and the tag cannot be looked up just now.
    stage.lock_up("new");
    stage.world.tags.lock().unwrap().clear();
    update(given(Some("eve"), Some("new"))).await.unwrap();
    stage.lock_up("new");
    let rotated = stage.deploy(IMAGE).await;
    assert_eq!(stage.ended(rotated.id).await.phase, Phase::Active);
}

#[tokio::test(start_paused = true)]
async fn a_password_stays_with_the_host_it_was_given_for() {
    let stage = Stage::new().await;
    stage.lock_up("sesame");
    stage.world.publish_image("quay.io/acme/web:1", 3, Behaviour::Serves);
    stage.world.doors.lock().unwrap().insert("quay.io".into(), ("eve".into(), "sesame".into()));
    let first = stage.create_with("web", given(Some("eve"), Some("sesame"))).await.unwrap();
    stage.ended(first.id).await;
    let elsewhere = |credentials| ServicePatch {
        image: Some("quay.io/acme/web:1".parse().unwrap()),
        credentials,
        ..ServicePatch::default()
    };
    for incomplete in [given(None, None), given(Some("eve"), None)] {
        let error = stage.control.deploy(&stage.actor, &web(), elsewhere(incomplete)).await.unwrap_err();
        assert_eq!(error.code(), Code::CredentialIncomplete);
    }
    let moved = elsewhere(given(Some("eve"), Some("sesame")));
    let moved = stage.control.deploy(&stage.actor, &web(), moved).await.unwrap();
    assert_eq!(stage.ended(moved.id).await.phase, Phase::Active);
    // The revision before was another registry's.
    let name = web();
    let back = |credentials| stage.control.rollback(&stage.actor, &name, Some(1), credentials);
    let error = back(given(None, None)).await.unwrap_err();
    assert_eq!(error.code(), Code::CredentialIncomplete);
    assert_eq!(stage.owner().await.unwrap().to_string(), "eve at quay.io", "nothing changed");
    let back = back(given(Some("eve"), Some("sesame"))).await.unwrap();
    assert_eq!(stage.ended(back.id).await.phase, Phase::Active);
    assert_eq!(stage.owner().await.unwrap().to_string(), "eve at ghcr.io");
    // The service is set to the image that it was rolled back to, and that is what its credential is for.
    stage.set_variable("COLOUR", "red", false).await;
    assert_eq!(stage.owner().await.unwrap().to_string(), "eve at ghcr.io");
    let next = stage.control.deploy(&stage.actor, &web(), ServicePatch::default()).await.unwrap();
    assert_eq!(stage.ended(next.id).await.phase, Phase::Active);
}

#[tokio::test(start_paused = true)]
async fn an_older_revision_runs_with_the_password_of_today_and_for_its_own_user_alone() {
    let stage = Stage::new().await;
    stage.lock_up("sesame");
    let first = stage.create_with("web", given(Some("eve"), Some("sesame"))).await.unwrap();
    stage.ended(first.id).await;
    let second = stage.deploy("ghcr.io/acme/web:2").await;
    stage.ended(second.id).await;
    stage.lock_up("new");
    let patch = ServicePatch { credentials: given(Some("eve"), Some("new")), ..ServicePatch::default() };
    stage.control.update(&stage.actor, &web(), patch).await.unwrap();
    stage.world.present.lock().unwrap().clear();
    let back = stage.control.rollback(&stage.actor, &web(), Some(1), given(None, None)).await.unwrap();
    assert_eq!(stage.ended(back.id).await.phase, Phase::Active, "pulled again, with the password of today");
    let before = stage.store.deployments(back.service, 10).await.unwrap().len();
    for (change, code) in [
        (given(Some("bob"), Some("x")), Code::CredentialIncomplete),
        (given(Some("bob"), None), Code::CredentialIncomplete),
        (given(None, Some("new")), Code::CredentialIncomplete),
        (given(Some(""), None), Code::CredentialIncomplete),
        (given(Some("eve"), Some("wrong")), Code::RegistryAuthError),
    ] {
        let error = stage.control.rollback(&stage.actor, &web(), Some(2), change).await.unwrap_err();
        assert_eq!(error.code(), code);
    }
    assert_eq!(stage.store.deployments(back.service, 10).await.unwrap().len(), before);
    assert_eq!(stage.owner().await.unwrap().to_string(), "eve at ghcr.io");
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_needed_no_login_is_rolled_back_to_whatever_is_stored_now() {
    let stage = Stage::new().await;
    stage.lock_up("sesame");
    stage.world.publish_image("docker.io/acme/web:1", 3, Behaviour::Serves);
    let first = stage.create("acme/web:1").await;
    stage.ended(first.id).await;
    let image = IMAGE.parse().ok();
    let private =
        ServicePatch { image, credentials: given(Some("eve"), Some("sesame")), ..ServicePatch::default() };
    let second = stage.control.deploy(&stage.actor, &web(), private).await.unwrap();
    stage.ended(second.id).await;
    let back = stage.control.rollback(&stage.actor, &web(), Some(1), given(None, None)).await.unwrap();
    assert_eq!(stage.ended(back.id).await.phase, Phase::Active);
    assert_eq!(stage.owner().await.unwrap().to_string(), "eve at ghcr.io", "it stays for the way forward");
    // What the service is set to is at the other registry now; changing something else is no matter of logins, nor is
    // to say the same image again.
    stage.set_variable("COLOUR", "red", false).await;
    let same = || ServicePatch { image: "acme/web:1".parse().ok(), ..ServicePatch::default() };
    let next = stage.control.deploy(&stage.actor, &web(), same()).await.unwrap();
    assert_eq!(stage.ended(next.id).await.phase, Phase::Active);
    stage.world.doors.lock().unwrap().insert("docker.io".into(), ("eve".into(), "sesame".into()));
    for patch in [ServicePatch::default(), same()] {
        let closed = stage.control.deploy(&stage.actor, &web(), patch).await.err().unwrap();
        assert_eq!(closed.code(), Code::RegistryAuthError, "the one password is not for the other registry");
    }
    let forward = stage.control.rollback(&stage.actor, &web(), Some(2), given(None, None)).await.unwrap();
    assert_eq!(stage.ended(forward.id).await.phase, Phase::Active);
}

#[tokio::test(start_paused = true)]
async fn services_without_a_credential_pull_with_those_of_their_environment_and_project() {
    let stage = Stage::new().await;
    stage.lock_up("sesame");
    stage.share(None, "", "sesame").await;
    let first = stage.create_with("web", given(None, None)).await.unwrap();
    assert_eq!(stage.ended(first.id).await.phase, Phase::Active);
    assert_eq!(stage.owner().await, None, "it is not the service's own");
    // The environment's comes before the project's, and one for fewer repositories before one for all.
    stage.share(Some("production"), "", "wrong").await;
    assert_eq!(stage.create_with("b", given(None, None)).await.unwrap_err().code(), Code::RegistryAuthError);
    stage.share(Some("production"), "acme", "sesame").await;
    let second = stage.create_with("b", given(None, None)).await.unwrap();
    assert_eq!(stage.ended(second.id).await.phase, Phase::Active);
    let inspect = || InspectImage::new(IMAGE.parse().unwrap());
    assert!(stage.control.inspect(&stage.actor, inspect()).await.is_ok());
    let all = stage.control.credentials(&stage.actor, None, 100).await.unwrap().items;
    assert_eq!(all.len(), 3);
    for one in all {
        let id = one.credential.id;
        let wrong = one.environment.is_some() && one.credential.prefix.is_none();
        assert_eq!(stage.control.test_credential(&stage.actor, id, None).await.is_err(), wrong);
        stage.control.remove_credential(&stage.actor, id).await.unwrap();
        assert_eq!(
            stage.control.remove_credential(&stage.actor, id).await.unwrap_err().code(),
            Code::NotFound
        );
    }
    let error = stage.control.inspect(&stage.actor, inspect()).await.err().unwrap();
    assert_eq!(error.code(), Code::RegistryAuthError);
}

#[tokio::test(start_paused = true)]
async fn what_is_read_through_the_built_in_registry_is_asked_for_with_what_all_services_share() {
    let stage = Stage::new().await;
    let login = async || stage.control.shared_login(&stage.actor, &IMAGE.parse().unwrap()).await.unwrap();
    assert!(login().await.is_none());
    stage.lock_up("sesame");
    stage.create_with("web", given(Some("eve"), Some("sesame"))).await.unwrap();
    assert!(login().await.is_none(), "a service's own is for nobody else");
    stage.share(Some("staging"), "", "elsewhere").await;
    assert!(login().await.is_none());
    stage.share(None, "", "everybody").await;
    assert_eq!(login().await.unwrap().password.reveal(), "everybody");
}

#[tokio::test(start_paused = true)]
async fn the_token_variable_of_an_environment_is_the_login_of_its_registry() {
    let stage = Stage::new().await;
    stage.lock_up("ghp_1");
    stage.world.doors.lock().unwrap().insert("ghcr.io".into(), ("token".into(), "ghp_1".into()));
    let input = VariableInput { text: VariableText::from("ghp_1"), seal: true };
    let changes = BTreeMap::from([("GITHUB_TOKEN".parse().unwrap(), Some(input))]);
    let shown = stage.control.change_shared_variables(&stage.actor, None, None, changes).await.unwrap();
    assert_eq!((shown.len(), &shown[0].value), (1, &None), "what is sealed is not shown");
    let first = stage.create_with("web", given(None, None)).await.unwrap();
    assert_eq!(stage.ended(first.id).await.phase, Phase::Active);
    let environment = stage.world.environments.lock().unwrap()[0].clone();
    assert!(environment.iter().all(|(name, _)| name != "GITHUB_TOKEN"), "no process gets it unasked");
}

#[tokio::test(start_paused = true)]
async fn a_sealed_variable_reaches_its_process_and_stays_sealed_when_it_is_set_anew() {
    let stage = Stage::new().await;
    stage.world.publish_image(IMAGE, 1, Behaviour::Serves);
    let mut request = CreateService::new(ServiceSpec::image(IMAGE.parse().unwrap()));
    let sealed = VariableInput { text: VariableText::from("treasure"), seal: true };
    request.variables.insert("KEY".parse().unwrap(), sealed);
    let (_, first) = stage.control.create_service(&stage.actor, request).await.unwrap();
    stage.ended(first.id).await;
    let has = |value: &str| {
        let last = stage.world.environments.lock().unwrap().last().unwrap().clone();
        last.contains(&("KEY".to_owned(), value.to_owned()))
    };
    assert!(has("treasure"));
    assert_eq!(stage.variable("KEY").await.plain(), None);
    stage.set_variable("KEY", "jewels", false).await;
    assert_eq!(stage.variable("KEY").await.plain(), None, "nobody unseals by setting anew");
    let second = stage.deploy(IMAGE).await;
    stage.ended(second.id).await;
    assert!(has("jewels"));
    assert!(stage.control.rotate_vault(&stage.actor).await.is_err(), "one key alone from outside");
}

#[tokio::test(start_paused = true)]
async fn it_is_known_who_pulls_with_which_credential() {
    let stage = Stage::new().await;
    stage.lock_up("sesame");
    stage.world.publish_image("docker.io/acme/web:1", 3, Behaviour::Serves);
    stage.share(None, "", "sesame").await;
    stage.create_with("shared", given(None, None)).await.unwrap();
    stage.create_with("own", given(Some("eve"), Some("sesame"))).await.unwrap();
    stage.create_as("elsewhere", "acme/web:1").await.unwrap();
    stage.share(Some("staging"), "", "sesame").await;

    let all = stage.control.credentials(&stage.actor, None, 10).await.unwrap().items;
    let users = stage.control.credential_users(&stage.actor).await.unwrap();
    let mut told: Vec<_> = all
        .iter()
        .map(|one| {
            let services: Vec<_> = users.get(&one.credential.id).into_iter().flatten().collect();
            let place = one.service.as_ref().or(one.environment.as_ref()).unwrap_or(&one.project);
            (place.to_string(), services.iter().map(|path| path.name.to_string()).collect::<Vec<_>>())
        })
        .collect();
    told.sort();
    let expected = [("default", vec!["shared"]), ("own", vec!["own"]), ("staging", vec![])];
    assert_eq!(
        told,
        expected.map(|(place, of)| (place.to_owned(), of.into_iter().map(str::to_owned).collect()))
    );

    let id = all[0].credential.id;
    assert_eq!(stage.control.credential(&stage.actor, id).await.unwrap().credential, all[0].credential);
    stage.control.remove_credential(&stage.actor, id).await.unwrap();
    let gone = stage.control.credential(&stage.actor, id).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
}
