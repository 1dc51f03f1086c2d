use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};

use jiff::Timestamp;
use mirage_core::{
    CertificateSource, Credential, CredentialId, CredentialOwner, CredentialScope, Domain, DomainRecord,
    DraftId, Environment, EnvironmentId, Project, ProjectId, Revision, Service, ServiceId, ServiceSpec,
    SharedVariable,
};

use super::*;
use crate::{CertificateRecord, DraftRecord};

/// Other bytes with each call.
#[derive(Default)]
struct Dice(AtomicU8);

impl Randomness for Dice {
    fn bytes32(&self) -> [u8; 32] {
        [self.0.fetch_add(1, Ordering::Relaxed) + 1; 32]
    }
}

async fn open(store: &Store, source: &KeySource) -> Vault {
    Vault::open(store, source.clone(), Arc::new(Dice::default())).await.unwrap()
}

fn given(keys: &str) -> KeySource {
    KeySource::Given { variable: "MIRAGE_VAULT_KEY", keys: keys.to_owned().into() }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn what_is_sealed_for_one_owner_is_opened_for_that_owner_alone() {
    let store = Store::in_memory().await.unwrap();
    let vault = open(&store, &given(&"0f".repeat(32))).await;
    let sealed = vault.seal("eve", "sesame").unwrap();
    assert_eq!(vault.unseal("eve", &sealed).unwrap().reveal(), "sesame");
    assert!(vault.unseal("bob", &sealed).is_err(), "a record that was moved");
    assert_ne!(vault.seal("eve", "sesame").unwrap(), sealed, "the same secret is never the same record");
    for place in 0..sealed.record().len() {
        let mut record = sealed.record().to_vec();
        record[place] ^= 1;
        assert!(vault.unseal("eve", &Sealed::new(record)).is_err(), "byte {place}");
        assert!(
            vault.unseal("eve", &Sealed::new(sealed.record()[..place].to_vec())).is_err(),
            "{place} bytes"
        );
    }
}

#[tokio::test]
async fn a_first_start_makes_the_key_file_and_later_ones_use_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.key");
    let (store, source) = (Store::in_memory().await.unwrap(), KeySource::File(path.clone()));
    let sealed = open(&store, &source).await.seal("eve", "sesame").unwrap();
    assert_eq!(mode(&path), 0o600);
    let again = open(&store, &source).await;
    assert_eq!(again.unseal("eve", &sealed).unwrap().reveal(), "sesame");
    let names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["vault.key"], "no draft is left");
}

#[tokio::test]
async fn a_key_that_is_missing_wrong_open_or_garbled_locks_the_vault_and_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.key");
    let (store, source) = (Store::in_memory().await.unwrap(), KeySource::File(path.clone()));
    let sealed = open(&store, &source).await.seal("eve", "sesame").unwrap();
    let key = fs::read(&path).unwrap();

    fs::remove_file(&path).unwrap();
    let missing = open(&store, &source).await;
    assert!(!path.exists(), "another key would hide what happened");
    fs::write(&path, "f".repeat(64)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let wrong = open(&store, &source).await;
    fs::write(&path, "no key").unwrap();
    let garbled = open(&store, &source).await;
    fs::write(&path, &key).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let readable = open(&store, &source).await;
    for (vault, why) in [
        (missing, "is missing"),
        (wrong, "is not the key that"),
        (garbled, "holds no key"),
        (readable, "can be read by others"),
    ] {
        for error in
            [vault.seal("eve", "x").unwrap_err(), vault.unseal("eve", &sealed).map(drop).unwrap_err()]
        {
            assert_eq!(error.code(), Code::TargetUnavailable);
            assert!(error.message().contains(why), "{}", error.message());
            assert!(error.message().contains(path.to_str().unwrap()), "{}", error.message());
        }
        assert!(vault.rotate(&store).await.is_err());
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(open(&store, &source).await.unseal("eve", &sealed).is_ok());
}

/// A database with a sealed password, and sealed variables of a service, a revision and an environment.
async fn furnished(vault: &Vault) -> (Store, Credential, Service, SharedVariable) {
    let store = Store::in_memory().await.unwrap();
    let now = Timestamp::from_second(1_790_000_000).unwrap();
    let project =
        Project { id: ProjectId::from_random([1; 16]), name: "p".parse().unwrap(), created_at: now };
    let environment = EnvironmentId::from_random([2; 16]);
    let mut spec = ServiceSpec::image("nginx".parse().unwrap());
    let id = ServiceId::from_random([3; 16]);
    let name: mirage_core::VariableName = "KEY".parse().unwrap();
    let seal = |owner: &str| VariableValue::Sealed { sealed: vault.seal(owner, "treasure").unwrap() };
    spec.variables.insert(name.clone(), seal(&name.binding(id)));
    spec.variables.insert("PLAIN".parse().unwrap(), "hello".into());
    let service = Service {
        id,
        environment,
        name: "web".parse().unwrap(),
        host: "web".into(),
        spec: spec.clone(),
        replicas: 1,
        generation: 0,
        auto_deploy_paused: false,
        removed: false,
        created_at: now,
        updated_at: now,
    };
    let credential = Credential {
        id: CredentialId::from_random([4; 16]),
        scope: CredentialScope::Service(id),
        owner: CredentialOwner { host: "ghcr.io".parse().unwrap(), username: "eve".into() },
        prefix: None,
        created_at: now,
        updated_at: now,
    };
    let value = seal(&name.shared_binding(environment));
    let shared = SharedVariable { environment, name, value, updated_at: now };
    let mut tx = store.begin().await.unwrap();
    tx.insert_project(&project).await.unwrap();
    let name = "production".parse().unwrap();
    let place = Environment { id: environment, project: project.id, name, network: 0, created_at: now };
    tx.insert_environment(&place).await.unwrap();
    tx.insert_service(&service).await.unwrap();
    tx.set_credential(&credential, &vault.seal(&credential.binding(), "sesame").unwrap()).await.unwrap();
    tx.set_shared_variable(&shared).await.unwrap();
    tx.commit().await.unwrap();
    (store, credential, service, shared)
}

#[tokio::test]
async fn after_a_rotation_the_old_key_opens_nothing_and_the_new_one_everything() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.key");
    let source = KeySource::File(path.clone());
    let vault = open(&Store::in_memory().await.unwrap(), &source).await;
    let (store, credential, service, shared) = furnished(&vault).await;
    let old_key = fs::read_to_string(&path).unwrap();
    let before = store.sealed_credential(credential.id).await.unwrap().unwrap().1;
    assert_eq!(vault.rotate(&store).await.unwrap(), 3);
    let new_key = fs::read_to_string(&path).unwrap();
    assert_eq!((new_key.len(), mode(&path)), (65, 0o600));
    assert_ne!(old_key, new_key);

    let after = open(&store, &source).await;
    let password = store.sealed_credential(credential.id).await.unwrap().unwrap().1;
    assert_eq!(after.unseal(&credential.binding(), &password).unwrap().reveal(), "sesame");
    let found = store.service(service.id).await.unwrap().unwrap();
    let (name, value) = found.spec.variables.first_key_value().unwrap();
    assert_eq!(after.variable(&name.binding(service.id), value).unwrap().reveal(), "treasure");
    let found = store.shared_variables(shared.environment).await.unwrap().remove(0);
    let binding = found.name.shared_binding(shared.environment);
    assert_eq!(after.variable(&binding, &found.value).unwrap().reveal(), "treasure");
    assert!(
        after.unseal(&credential.binding(), &before).is_err(),
        "the old record is worth nothing any more"
    );
}

#[tokio::test]
async fn a_draft_follows_a_rotation_and_goes_where_the_key_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let source = KeySource::File(folder.path().join("vault.key"));
    let store = Store::in_memory().await.unwrap();
    let vault = open(&store, &source).await;
    let (id, changed_at) = (DraftId::from_random([7; 16]), Timestamp::from_second(1_790_000_000).unwrap());
    let owner = DraftRecord::binding(id, "admin");
    let fields = vault.seal(&owner, "sesame").unwrap();
    let mut tx = store.begin().await.unwrap();
    tx.set_draft(&DraftRecord { id, actor: "admin".into(), fields, changed_at }).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(vault.rotate(&store).await.unwrap(), 1);
    let after = open(&store, &source).await;
    let kept = store.draft(id).await.unwrap().unwrap();
    assert_eq!(after.unseal(&owner, &kept.fields).unwrap().reveal(), "sesame");

    fs::remove_file(folder.path().join("vault.key")).unwrap();
    let locked = open(&store, &source).await;
    locked.reset(&store, changed_at).await.unwrap();
    assert!(store.draft(id).await.unwrap().is_none());
}

#[tokio::test]
async fn a_rotation_that_is_killed_between_its_writes_leaves_everything_readable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.key");
    let source = KeySource::File(path.clone());
    let vault = open(&Store::in_memory().await.unwrap(), &source).await;
    let (store, credential, ..) = furnished(&vault).await;
    vault.rotate(&store).await.unwrap();
    let newest = fs::read_to_string(&path).unwrap();
    // Before its transaction: the file has a key that nothing is sealed with.
    fs::write(&path, format!("{}\n{newest}", "e".repeat(64))).unwrap();
    let password = store.sealed_credential(credential.id).await.unwrap().unwrap().1;
    let early = open(&store, &source).await;
    assert!(early.unseal(&credential.binding(), &password).is_ok());
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2, "it may have sealed something since");
    // After its transaction: the file still has the key before.
    fs::write(&path, format!("{newest}{}\n", "e".repeat(64))).unwrap();
    let late = open(&store, &source).await;
    assert!(late.unseal(&credential.binding(), &password).is_ok());
    assert_eq!(fs::read_to_string(&path).unwrap(), newest);
}

#[tokio::test]
async fn a_rotation_that_meets_a_damaged_record_leaves_the_key_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.key");
    let source = KeySource::File(path.clone());
    let vault = open(&Store::in_memory().await.unwrap(), &source).await;
    let (store, credential, ..) = furnished(&vault).await;
    let key = fs::read_to_string(&path).unwrap();
    let set = async |record: &Sealed| {
        let mut tx = store.begin().await.unwrap();
        tx.set_credential(&credential, record).await.unwrap();
        tx.commit().await.unwrap();
    };
    set(&Sealed::new(vec![VERSION; 40])).await;
    // A file of many keys would not be read to its end.
    for _ in 0..70 {
        assert!(vault.rotate(&store).await.is_err());
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), key);
    set(&vault.seal(&credential.binding(), "sesame").unwrap()).await;
    assert_eq!(vault.rotate(&store).await.unwrap(), 3);
    let password = store.sealed_credential(credential.id).await.unwrap().unwrap().1;
    assert!(open(&store, &source).await.unseal(&credential.binding(), &password).is_ok());
}

#[tokio::test]
async fn keys_from_outside_are_rotated_by_giving_both() {
    let (old, new) = ("0a".repeat(32), "0b".repeat(32));
    let vault = open(&Store::in_memory().await.unwrap(), &given(&old)).await;
    let (store, credential, ..) = furnished(&vault).await;
    let alone = open(&store, &given(&old)).await;
    assert_eq!(alone.rotate(&store).await.unwrap_err().code(), Code::Conflict);
    let both = open(&store, &given(&format!("{new},{old}"))).await;
    assert_eq!(both.rotate(&store).await.unwrap(), 3);
    let later = open(&store, &given(&new)).await;
    let password = store.sealed_credential(credential.id).await.unwrap().unwrap().1;
    assert!(later.unseal(&credential.binding(), &password).is_ok());
    let error = open(&store, &given(&old)).await.locked().unwrap();
    assert!(error.message().contains("what MIRAGE_VAULT_KEY holds is not the key"), "{}", error.message());
}

#[tokio::test]
async fn a_key_that_is_lost_for_good_is_given_up_with_what_it_sealed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.key");
    let source = KeySource::File(path.clone());
    let vault = open(&Store::in_memory().await.unwrap(), &source).await;
    let (store, credential, service, shared) = furnished(&vault).await;
    let open_one = open(&store, &source).await;
    open_one.rotate(&store).await.unwrap();
    assert_eq!(
        open_one.reset(&store, Timestamp::UNIX_EPOCH).await.unwrap_err().code(),
        Code::Conflict,
        "an open vault is not emptied"
    );
    let spec = store.service(service.id).await.unwrap().unwrap().spec;
    let digest = format!("sha256:{}", "0".repeat(64));
    let image = serde_json::json!({
        "reference": "docker.io/library/nginx", "digest": digest, "manifest": digest,
        "platform": { "os": "linux", "architecture": "amd64", "variant": null }, "platforms": [], "size_bytes": 1, "layers": 1, "config": {},
    });
    let image = serde_json::from_value(image).unwrap();
    let created_at = service.created_at;
    let old = Revision { service: service.id, number: 1, spec, image, credential: None, created_at };
    let mut tx = store.begin().await.unwrap();
    tx.insert_revision(&old).await.unwrap();
    tx.commit().await.unwrap();
    fs::remove_file(&path).unwrap();
    // Another draw than the first one.
    let dice = Arc::new(Dice(AtomicU8::new(100)));
    let locked = Vault::open(&store, source.clone(), dice).await.unwrap();
    let hint = locked.seal("eve", "x").unwrap_err();
    assert!(hint.next_step().unwrap().contains("`mirage vault reset`"), "{hint:?}");
    assert_eq!(
        locked.reset(&store, Timestamp::UNIX_EPOCH).await.unwrap(),
        GivenUp { credentials: 1, variables: 2, certificates: 0 }
    );
    assert_eq!(mode(&path), 0o600);
    assert!(store.sealed_credential(credential.id).await.unwrap().is_none());
    let left = store.service(service.id).await.unwrap().unwrap().spec.variables;
    assert_eq!(left.len(), 1, "plain ones stay");
    assert!(store.shared_variables(shared.environment).await.unwrap().is_empty());
    assert_eq!(locked.rotate(&store).await.unwrap(), 0, "what an old revision has is left as it is");
    assert_eq!(store.revision(service.id, 1).await.unwrap(), Some(old));
    let sealed = locked.seal("eve", "anew").unwrap();
    assert_eq!(open(&store, &source).await.unseal("eve", &sealed).unwrap().reveal(), "anew");
}

#[tokio::test]
async fn the_keys_of_certificates_are_sealed_anew_and_given_up_like_any_other_secret() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.key");
    let source = KeySource::File(path.clone());
    let vault = open(&Store::in_memory().await.unwrap(), &source).await;
    let (store, _, service, _) = furnished(&vault).await;
    let now = service.created_at;
    let directory = "https://ca.example/directory";
    let mut tx = store.begin().await.unwrap();
    for (name, certificate) in
        [("own.example.com", CertificateSource::Own), ("acme.example.com", CertificateSource::Acme)]
    {
        let domain: Domain = name.parse().unwrap();
        let record = DomainRecord {
            domain: domain.clone(),
            service: service.id,
            redirect_https: true,
            certificate,
            created_at: now,
        };
        tx.set_domain(&record).await.unwrap();
        let key = vault.seal(&CertificateRecord::key_binding(&domain), "a key").unwrap();
        let order = vault.seal(&CertificateRecord::order_binding(&domain), "another key").unwrap();
        let record = CertificateRecord {
            kept: Some(("a chain".into(), key)),
            order: Some((order, Some("https://ca.example/order/1".into()))),
            ..CertificateRecord::none(domain)
        };
        tx.set_certificate(&record).await.unwrap();
    }
    let account = vault.seal(&CertificateRecord::account_binding(directory), "an account").unwrap();
    tx.set_acme_account(directory, &account, now).await.unwrap();
    tx.commit().await.unwrap();

    assert_eq!(vault.rotate(&store).await.unwrap(), 3 + 4 + 1);
    let after = open(&store, &source).await;
    for record in store.certificates().await.unwrap() {
        let (chain, key) = record.kept.unwrap();
        assert_eq!(chain, "a chain");
        assert_eq!(
            after.unseal(&CertificateRecord::key_binding(&record.domain), &key).unwrap().reveal(),
            "a key"
        );
        let (key, url) = record.order.unwrap();
        let opened = after.unseal(&CertificateRecord::order_binding(&record.domain), &key).unwrap();
        assert_eq!((opened.reveal(), url.as_deref()), ("another key", Some("https://ca.example/order/1")));
    }
    let kept = store.acme_account(directory).await.unwrap().unwrap();
    assert_eq!(
        after.unseal(&CertificateRecord::account_binding(directory), &kept).unwrap().reveal(),
        "an account"
    );
    assert!(
        after.unseal(&CertificateRecord::account_binding(directory), &account).is_err(),
        "sealed with the old key"
    );

    fs::remove_file(&path).unwrap();
    let dice = Arc::new(Dice(AtomicU8::new(100)));
    let locked = Vault::open(&store, source.clone(), dice).await.unwrap();
    assert_eq!(locked.reset(&store, now).await.unwrap().certificates, 3);
    assert!(store.acme_account(directory).await.unwrap().is_none());
    let left = store.certificates().await.unwrap();
    assert!(left.iter().all(|record| record.kept.is_none() && record.order.is_none()));
    assert!(left.iter().all(|record| record.status.last_error.as_deref().unwrap().contains("given up")));
    let next: Vec<_> = left.iter().map(|record| record.status.next_renewal_at).collect();
    assert_eq!(next, [Some(now), None], "what an authority gave is asked for again, what a user gave is not");
    assert_eq!(store.domains(Some(service.id)).await.unwrap().len(), 2, "the domains stay");
}
