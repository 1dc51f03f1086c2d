//! Data that outlives services.

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use mirage_core::port::{Archive, VolumeSize, VolumeStore};
use mirage_core::{Result, VolumeId, VolumeMount};

use super::*;
use crate::{NewToken, NewVolume, VolumeRef};

/// An archive is its own content.
#[async_trait]
impl VolumeStore for World {
    async fn size(&self, id: VolumeId) -> Result<Option<VolumeSize>> {
        let size = |data: &Vec<u8>| VolumeSize { bytes: data.len() as u64, complete: true };
        Ok(self.volumes.lock().unwrap().get(&id).map(size))
    }

    async fn remove(&self, id: VolumeId) -> Result<()> {
        self.volumes.lock().unwrap().remove(&id);
        Ok(())
    }

    async fn backup(&self, id: VolumeId) -> Result<Archive> {
        let data = self.volumes.lock().unwrap().get(&id).cloned();
        let data = data.ok_or_else(|| Error::new(Code::NotFound, "no data"))?;
        Ok(stream::iter([Ok(data)]).boxed())
    }

    async fn restore(&self, id: VolumeId, archive: Archive) -> Result<()> {
        let pieces: Vec<Vec<u8>> = archive.try_collect().await?;
        self.volumes.lock().unwrap().insert(id, pieces.concat());
        Ok(())
    }
}

impl Stage {
    async fn create_mounting(&self, name: &str, volume: &str, replicas: u32) -> Result<Deployment> {
        let mut spec = ServiceSpec::image("acme/web:1".parse().unwrap());
        spec.volumes = mounts(volume);
        let request =
            CreateService { name: Some(name.parse().unwrap()), replicas, ..CreateService::new(spec) };
        self.control.create_service(&self.actor, request).await.map(|(_, deployment)| deployment)
    }

    async fn volume(&self, name: &str) -> crate::VolumeView {
        self.control.volume(&self.actor, &called(name)).await.unwrap()
    }

    async fn kinds(&self) -> Vec<EventKind> {
        let all = self.store.events(&mirage_store::EventFilter::default(), 0, 1000).await.unwrap();
        all.into_iter().map(|event| event.kind).collect()
    }
}

fn mounts(volume: &str) -> Vec<VolumeMount> {
    vec![VolumeMount { volume: volume.parse().unwrap(), path: "/data".parse().unwrap() }]
}

fn called(name: &str) -> VolumeRef {
    name.parse().unwrap()
}

fn code<T>(result: Result<T>) -> Code {
    result.err().expect("refused").code()
}

async fn stage() -> Stage {
    let stage = Stage::new().await;
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    stage
}

#[tokio::test(start_paused = true)]
async fn requests_wait_for_an_instance_only_while_one_is_wanted() {
    let stage = stage().await;
    stage.ended(stage.create_mounting("web", "data", 1).await.unwrap().id).await;
    let hold = || stage.world.table.lock().unwrap().routes[0].hold_millis;
    assert!(hold() > 0);
    for (replicas, waits) in [(0, false), (1, true)] {
        let patch = ServicePatch { replicas: Some(replicas), ..ServicePatch::default() };
        stage.control.update(&stage.actor, &web(), patch).await.unwrap();
        stage.settle().await;
        assert_eq!(hold() > 0, waits, "{replicas} wanted");
    }
}

#[tokio::test(start_paused = true)]
async fn a_volume_has_one_service_at_a_time_and_goes_to_the_next_one_when_that_is_gone() {
    let stage = stage().await;
    let first = stage.create_mounting("web", "data", 1).await.unwrap();
    stage.ended(first.id).await;
    let volume = stage.volume("data").await;
    assert_eq!((volume.service.unwrap().as_str(), volume.path.unwrap().as_str()), ("web", "/data"));
    assert_eq!(stage.world.mounts.lock().unwrap()[0][0].id, volume.volume.id);

    let before = stage.kinds().await;
    let refused = stage.create_mounting("other", "data", 1).await.unwrap_err();
    assert_eq!((refused.code(), refused.at_field()), (Code::Conflict, Some("volumes")));
    assert_eq!(refused.message(), "the service `web` has the volume `data` at `/data`");
    assert_eq!(stage.kinds().await, before, "nothing has changed");
    assert_eq!(code(stage.control.service(&stage.actor, &"other".parse().unwrap()).await), Code::NotFound);
    assert_eq!(code(stage.control.remove_volume(&stage.actor, &called("data")).await), Code::Conflict);

    stage.control.remove(&stage.actor, &web()).await.unwrap();
    stage.settle().await;
    assert_eq!(stage.volume("data").await.service, None);
    let second = stage.create_mounting("other", "data", 1).await.unwrap();
    stage.ended(second.id).await;
    assert_eq!(stage.volume("data").await.volume.id, volume.volume.id);
    let mounted = stage.world.mounts.lock().unwrap().last().unwrap()[0].id;
    assert_eq!(mounted, volume.volume.id);
    assert!(stage.kinds().await.contains(&EventKind::VolumeAdopted { volume: "data".into() }));
}

#[tokio::test(start_paused = true)]
async fn a_service_with_a_volume_has_one_instance() {
    let stage = stage().await;
    assert_eq!(code(stage.create_mounting("web", "data", 2).await), Code::InvalidRequest);
    let first = stage.create_mounting("web", "data", 1).await.unwrap();
    stage.ended(first.id).await;
    let scaled = ServicePatch { replicas: Some(2), ..ServicePatch::default() };
    let refused = stage.control.update(&stage.actor, &web(), scaled.clone()).await.err().unwrap();
    assert_eq!((refused.code(), refused.at_field()), (Code::InvalidRequest, Some("replicas")));
    // What runs has it, whatever the settings say.
    let without = ServicePatch { volumes: Some(Vec::new()), ..ServicePatch::default() };
    let both = ServicePatch { replicas: Some(2), ..without.clone() };
    assert_eq!(code(stage.control.update(&stage.actor, &web(), both.clone()).await), Code::InvalidRequest);
    stage.control.update(&stage.actor, &web(), without).await.unwrap();
    assert_eq!(code(stage.control.deploy(&stage.actor, &web(), both).await), Code::InvalidRequest);
    let second = stage.deploy("acme/web:1").await;
    stage.ended(second.id).await;
    stage.settle().await;
    stage.control.update(&stage.actor, &web(), scaled).await.unwrap();
    let refused = stage.control.rollback(&stage.actor, &web(), Some(1), CredentialChange::default()).await;
    assert_eq!(code(refused), Code::Conflict);
}

#[tokio::test(start_paused = true)]
async fn a_removal_is_taken_back_for_two_days_and_then_the_data_goes() {
    let stage = stage().await;
    let (control, actor) = (&stage.control, &stage.actor);
    let data = control.fill_volume(actor, &called("data"), stream::iter([Ok(b"old".to_vec())]).boxed()).await;
    let old = data.unwrap().volume.id;
    control.remove_volume(actor, &called("data")).await.unwrap();
    let refused = control.volume(actor, &called("data")).await.unwrap_err();
    assert!(refused.next_step().unwrap().contains("mirage volume restore data"), "{refused:?}");
    control.restore_volume(actor, &called("data"), None).await.unwrap();
    assert_eq!(stage.volume("data").await.volume.id, old);

    control.remove_volume(actor, &called("data")).await.unwrap();
    let new = NewVolume { name: "data".parse().unwrap(), project: None, environment: None };
    control.create_volume(actor, new.clone()).await.unwrap();
    assert_eq!(code(control.create_volume(actor, new).await), Code::NameTaken);
    assert_eq!(code(control.restore_volume(actor, &called("data"), None).await), Code::NameTaken);
    control.restore_volume(actor, &called("data"), Some("older".parse().unwrap())).await.unwrap();
    assert_eq!(stage.volume("older").await.volume.id, old);

    control.remove_volume(actor, &called("older")).await.unwrap();
    let hour = Duration::from_secs(3600);
    stage.time.pass(47 * hour, hour / 12).await;
    assert!(stage.world.volumes.lock().unwrap().contains_key(&old));
    stage.time.pass(2 * hour, hour / 12).await;
    stage.settle().await;
    assert!(!stage.world.volumes.lock().unwrap().contains_key(&old));
    assert_eq!(code(control.restore_volume(actor, &called("older"), None).await), Code::NotFound);
    assert!(stage.kinds().await.contains(&EventKind::VolumePurged { volume: "older".into() }));
    assert_eq!(control.volumes(actor, None, 10).await.unwrap().items.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_rollback_does_not_run_without_the_data_that_it_had() {
    let stage = stage().await;
    let first = stage.create_mounting("web", "data", 1).await.unwrap();
    stage.ended(first.id).await;
    let without = ServicePatch { volumes: Some(Vec::new()), ..ServicePatch::default() };
    let second = stage.control.deploy(&stage.actor, &web(), without).await.unwrap();
    stage.ended(second.id).await;
    stage.settle().await;
    let service = web();
    let back = || stage.control.rollback(&stage.actor, &service, Some(1), CredentialChange::default());
    stage.control.remove_volume(&stage.actor, &called("data")).await.unwrap();
    let refused = back().await.unwrap_err();
    assert_eq!(refused.code(), Code::Conflict);
    assert!(refused.next_step().unwrap().starts_with("`mirage volume restore data`"), "{refused:?}");
    stage.control.restore_volume(&stage.actor, &called("data"), None).await.unwrap();
    let third = back().await.unwrap();
    assert_eq!(stage.ended(third.id).await.phase, Phase::Active);
    assert_eq!(stage.volume("data").await.service.unwrap().as_str(), "web");
}

#[tokio::test(start_paused = true)]
async fn data_goes_out_and_in_and_what_does_not_arrive_leaves_no_volume() {
    let stage = stage().await;
    let (control, actor) = (&stage.control, &stage.actor);
    let whole = || stream::iter([Ok(b"da".to_vec()), Ok(b"ta".to_vec())]).boxed();
    control.fill_volume(actor, &called("default/staging/data"), whole()).await.unwrap();
    let (_, archive) = control.backup_volume(actor, &called("data")).await.unwrap();
    let pieces: Vec<Vec<u8>> = archive.try_collect().await.unwrap();
    assert_eq!(pieces.concat(), b"data");
    let broken = || stream::iter([Err(Error::new(Code::TargetUnavailable, "gone"))]).boxed();
    assert_eq!(code(control.fill_volume(actor, &called("new"), broken()).await), Code::TargetUnavailable);
    assert_eq!(code(control.volume(actor, &called("new")).await), Code::NotFound);
    let unknown = VolumeRef::Id(VolumeId::from_random([9; 16]));
    assert_eq!(code(control.fill_volume(actor, &unknown, whole()).await), Code::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_token_for_images_opens_no_volume() {
    let stage = stage().await;
    let new = NewToken { name: "ci".parse().unwrap(), project: None, push: true };
    let (_, token) = stage.control.create_token(&stage.actor, new).await.unwrap();
    let actor = stage.control.authenticate(token.reveal()).unwrap();
    let (control, data) = (&stage.control, called("data"));
    let new = NewVolume { name: "data".parse().unwrap(), project: None, environment: None };
    assert_eq!(code(control.volumes(&actor, None, 1).await), Code::Forbidden);
    assert_eq!(code(control.volume(&actor, &data).await), Code::Forbidden);
    assert_eq!(code(control.create_volume(&actor, new).await), Code::Forbidden);
    assert_eq!(code(control.remove_volume(&actor, &data).await), Code::Forbidden);
    assert_eq!(code(control.restore_volume(&actor, &data, None).await), Code::Forbidden);
    assert_eq!(code(control.backup_volume(&actor, &data).await), Code::Forbidden);
    let archive = stream::iter([]).boxed();
    assert_eq!(code(control.fill_volume(&actor, &data, archive).await), Code::Forbidden);
}

#[tokio::test(start_paused = true)]
async fn a_service_sees_all_of_its_own_volumes_and_only_a_few_are_measured() {
    let stage = stage().await;
    let (control, actor) = (&stage.control, &stage.actor);
    for number in 0..12 {
        let name = format!("a{number:02}").parse().unwrap();
        let new = NewVolume { name, project: None, environment: None };
        let made = control.create_volume(actor, new).await.unwrap();
        stage.world.volumes.lock().unwrap().insert(made.volume.id, b"data".to_vec());
    }
    let mut spec = ServiceSpec::image("acme/web:1".parse().unwrap());
    spec.volumes = (0..10)
        .map(|number| VolumeMount {
            volume: format!("z{}", 9 - number).parse().unwrap(),
            path: format!("/data/{number}").parse().unwrap(),
        })
        .collect();
    let request = CreateService { name: Some("web".parse().unwrap()), ..CreateService::new(spec) };
    stage.ended(control.create_service(actor, request).await.unwrap().1.id).await;
    let data = stage.volume("z9").await.volume.id;
    stage.world.volumes.lock().unwrap().insert(data, b"12345".to_vec());

    let beside = control.volumes_beside(actor, &"web".parse().unwrap(), 5).await.unwrap();
    let own: Vec<_> = beside.own.iter().map(|it| (it.volume.name.as_str(), it.is_measured)).collect();
    assert_eq!(own.len(), 10, "also behind the first five by name");
    assert_eq!((own[0], own[7], own[8], own[9]), (("z9", true), ("z2", true), ("z1", false), ("z0", false)));
    assert_eq!(beside.own[0].size.unwrap().bytes, 5);
    let others: Vec<_> = beside.others.items.iter().map(|it| it.volume.name.as_str()).collect();
    assert_eq!((others, beside.others.more), (vec!["a00", "a01", "a02", "a03", "a04"], true));
    assert!(beside.others.items.iter().all(|it| it.size.is_none() && !it.is_measured));
    let all = control.volumes_beside(actor, &"web".parse().unwrap(), 12).await.unwrap();
    assert_eq!((all.others.items.len(), all.others.more), (12, false));
}

#[tokio::test(start_paused = true)]
async fn of_a_long_list_the_first_volumes_are_measured() {
    let stage = Stage::new().await;
    for number in 0..40 {
        let new = NewVolume {
            name: format!("data-{number:02}").parse().unwrap(),
            project: None,
            environment: None,
        };
        stage.control.create_volume(&stage.actor, new).await.unwrap();
    }
    let all = stage.control.volumes(&stage.actor, None, 500).await.unwrap().items;
    let measured: Vec<_> = all.iter().map(|view| view.is_measured).collect();
    assert_eq!(measured, [vec![true; 32], vec![false; 8]].concat());
    assert!(stage.volume("data-39").await.is_measured, "one that is asked for is");
}
