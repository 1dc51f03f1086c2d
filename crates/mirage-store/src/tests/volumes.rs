//! A volume and its owner.

use super::*;

fn volume(environment: EnvironmentId, n: u8, name: &str) -> Volume {
    Volume {
        id: VolumeId::from_random([n; 16]),
        environment,
        name: name.parse().unwrap(),
        service: None,
        created_at: now(),
        removed_at: None,
    }
}

fn revision(service: &Service, number: u32) -> Revision {
    let digest = Digest::sha256([1; 32]);
    let image = ResolvedImage {
        reference: "nginx:1".parse().unwrap(),
        digest: digest.clone(),
        manifest: digest,
        platform: Platform::linux("amd64"),
        platforms: Vec::new(),
        size_bytes: 1,
        layers: 1,
        config: ImageConfig::default(),
    };
    let spec = service.spec.clone();
    Revision { service: service.id, number, spec, image, credential: None, created_at: now() }
}

fn mounting(environment: EnvironmentId, n: u8, name: &str) -> Service {
    let mut service = service(environment, n, name);
    service.spec.volumes =
        vec![VolumeMount { volume: "data".parse().unwrap(), path: "/data".parse().unwrap() }];
    service
}

#[tokio::test]
async fn a_volume_outlives_its_service_and_its_name_is_free_once_it_is_removed() {
    let store = Store::in_memory().await.unwrap();
    let environment = environment(&store).await;
    let owner = mounting(environment, 3, "web");
    let mut data = Volume { service: Some(owner.id), ..volume(environment, 4, "data") };
    let mut tx = store.begin().await.unwrap();
    tx.insert_service(&owner).await.unwrap();
    tx.insert_volume(&data).await.unwrap();
    assert_eq!(tx.volume_mount(&data).await.unwrap(), Some("/data".parse().unwrap()));
    tx.commit().await.unwrap();
    assert_eq!(store.volume_named(environment, &data.name).await.unwrap().as_ref(), Some(&data));

    let mut tx = store.begin().await.unwrap();
    tx.delete_service(owner.id).await.unwrap();
    tx.commit().await.unwrap();
    data.service = None;
    assert_eq!(store.volume(data.id).await.unwrap().as_ref(), Some(&data));
    assert_eq!(store.volume_mount(&data).await.unwrap(), None);

    let mut tx = store.begin().await.unwrap();
    assert!(tx.insert_volume(&volume(environment, 5, "data")).await.is_err(), "the name is taken");
    drop(tx);
    data.removed_at = Some(now());
    let mut tx = store.begin().await.unwrap();
    tx.update_volume(&data).await.unwrap();
    tx.insert_volume(&volume(environment, 5, "data")).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        store.volume_named(environment, &data.name).await.unwrap().unwrap().id,
        VolumeId::from_random([5; 16])
    );
    let page = VolumePage { environment: None, name: None, after: None, limit: 1 };
    let first = store.volumes(&page).await.unwrap().remove(0);
    let second = VolumePage { after: Some((first.name, first.id)), ..page };
    assert_ne!(store.volumes(&second).await.unwrap().remove(0).id, first.id);
}

#[tokio::test]
async fn a_volume_is_in_use_as_long_as_anything_runs_that_was_deployed_with_it() {
    let store = Store::in_memory().await.unwrap();
    let environment = environment(&store).await;
    let mut owner = mounting(environment, 3, "web");
    let data = Volume { service: Some(owner.id), ..volume(environment, 4, "data") };
    let mut tx = store.begin().await.unwrap();
    tx.insert_service(&owner).await.unwrap();
    tx.insert_volume(&data).await.unwrap();
    tx.insert_revision(&revision(&owner, 1)).await.unwrap();
    let id = DeploymentId::from_random([6; 16]);
    let queued = NewDeployment {
        requested_by: "admin".into(),
        id,
        service: owner.id,
        revision: 1,
        trigger: Trigger::Deploy,
        replaces: None,
        created_at: now(),
    };
    tx.insert_deployment(&queued).await.unwrap();
    owner.spec.volumes.clear();
    tx.update_service(&owner).await.unwrap();
    assert!(
        tx.volume_mount(&data).await.unwrap().is_some()
            && tx.running_mount(owner.id).await.unwrap().is_some()
    );
    assert!(tx.set_phase(id, Phase::Cancelled, now()).await.unwrap());
    assert!(
        tx.volume_mount(&data).await.unwrap().is_none()
            && tx.running_mount(owner.id).await.unwrap().is_none()
    );
    let instance = Instance {
        id: InstanceId::from_random([7; 16]),
        service: owner.id,
        deployment: id,
        ordinal: 0,
        generation: 0,
        attempt: 0,
        created_at: now(),
        exit: None,
        stopped: true,
    };
    tx.insert_instance(&instance).await.unwrap();
    assert!(tx.volume_mount(&data).await.unwrap().is_some());
    let exit = Exit { code: Some(0), signal: None, oom: false, start_error: None, at: now() };
    tx.set_exit(instance.id, &exit).await.unwrap();
    assert!(tx.volume_mount(&data).await.unwrap().is_none());
}

#[tokio::test]
async fn once_the_deletion_has_begun_nobody_finds_the_volume() {
    let store = Store::in_memory().await.unwrap();
    let environment = environment(&store).await;
    let gone = Volume { removed_at: Some(now()), ..volume(environment, 4, "data") };
    let kept = Volume {
        removed_at: Some(now() + jiff::SignedDuration::from_secs(1)),
        ..volume(environment, 5, "data")
    };
    let mut tx = store.begin().await.unwrap();
    tx.insert_volume(&gone).await.unwrap();
    tx.insert_volume(&kept).await.unwrap();
    assert_eq!(tx.begin_purge(now(), &[kept.id]).await.unwrap(), []);
    let both = [gone.id, kept.id];
    assert_eq!(tx.begin_purge(now(), &both).await.unwrap(), std::slice::from_ref(&gone));
    assert_eq!(tx.begin_purge(now(), &both).await.unwrap(), []);
    tx.commit().await.unwrap();
    assert_eq!(store.volume(gone.id).await.unwrap(), None);
    assert_eq!(store.purging_volumes().await.unwrap(), std::slice::from_ref(&gone));
    let mut tx = store.begin().await.unwrap();
    tx.delete_volume(gone.id).await.unwrap();
    tx.delete_volume(kept.id).await.unwrap();
    tx.commit().await.unwrap();
    assert!(store.purging_volumes().await.unwrap().is_empty());
    assert!(store.volume(kept.id).await.unwrap().is_some(), "what is not being deleted cannot be forgotten");
}
