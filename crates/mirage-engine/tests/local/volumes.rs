//! Volumes of the local engine.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use mirage_core::port::{InstanceEngine, VolumeStore};
use mirage_core::{Code, InstanceSpec, InstanceState, MountedVolume, VolumeId};
use mirage_engine::conformance::{Bench, Outcome};
use mirage_engine::volume::LocalVolumes;
use nix::mount::{MsFlags, mount, umount};

use crate::LocalStory;
use crate::bench::LocalBench;
use crate::stories::{equal, run, shell};

pub(crate) const STORIES: &[LocalStory] = &[
    ("a_volume_is_backed_up_while_it_is_used_and_replaced_only_when_it_is_not", |bench| {
        Box::pin(backed_up_and_replaced(bench))
    }),
    ("a_volume_that_is_in_use_is_not_deleted_and_one_that_is_not_goes", |bench| Box::pin(deleted(bench))),
    ("a_volume_is_replaced_even_where_what_was_in_it_cannot_be_deleted", |bench| {
        Box::pin(replaced_for_good(bench))
    }),
    ("an_archive_that_breaks_off_changes_nothing", |bench| Box::pin(an_archive_that_breaks_off(bench))),
];

/// A volume that nothing here knows of.
pub(crate) fn forgotten_by_all(bench: &LocalBench) -> PathBuf {
    let data = bench.data().join(format!("volumes/{}/data", VolumeId::from_random(bench.random())));
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("file"), "precious").unwrap();
    data
}

pub(crate) fn is_kept(data: &Path) -> Outcome {
    equal(&fs::read_to_string(data.join("file")).ok().as_deref(), &Some("precious"))
}

async fn backed_up_and_replaced(bench: &LocalBench) -> Outcome {
    let volumes = LocalVolumes::open(&bench.data()).unwrap();
    let id = VolumeId::from_random(bench.random());
    equal(&volumes.size(id).await.unwrap(), &None)?;
    equal(&volumes.backup(id).await.err().unwrap().code(), &Code::NotFound)?;
    let writer = with(shell(bench, "echo one > /data/file; exec sleep 1000"), id);
    let before = bench.data().join(format!("volumes/{id}/data/file"));
    bench.local().start(&writer).await.unwrap();
    while !fs::read_to_string(&before).is_ok_and(|text| text == "one\n") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let archive: Vec<Vec<u8>> = volumes.backup(id).await.unwrap().try_collect().await.unwrap();
    fs::write(&before, "two\n").unwrap();
    let given = || stream::iter(archive.clone().into_iter().map(Ok)).boxed();
    equal(&volumes.restore(id, given()).await.unwrap_err().code(), &Code::Conflict)?;
    // A control plane that starts again learns it from the machine.
    bench.restart_after(|| {}).await;
    let volumes = LocalVolumes::open(&bench.data()).unwrap();
    equal(&volumes.restore(id, given()).await.unwrap_err().code(), &Code::Conflict)?;
    equal(&fs::read_to_string(&before).unwrap(), &"two\n".to_owned())?;
    bench.local().stop(writer.id, Duration::ZERO).await.unwrap();
    volumes.restore(id, given()).await.unwrap();
    let reader = with(shell(bench, "grep -q one /data/file && echo more > /data/more"), id);
    run(bench, &reader).await;
    bench.local().stop(reader.id, Duration::ZERO).await.unwrap();
    equal(&before.with_file_name("more").exists(), &true)?;
    equal(&volumes.size(id).await.unwrap().map(|size| size.complete), &Some(true))
}

async fn deleted(bench: &LocalBench) -> Outcome {
    let volumes = LocalVolumes::open(&bench.data()).unwrap();
    let id = VolumeId::from_random(bench.random());
    let spec = with(shell(bench, "exec sleep 1000"), id);
    bench.local().start(&spec).await.unwrap();
    equal(&volumes.remove(id).await.unwrap_err().code(), &Code::Conflict)?;
    bench.local().stop(spec.id, Duration::ZERO).await.unwrap();
    let folder = bench.data().join(format!("volumes/{id}"));
    equal(&folder.exists(), &true)?;
    volumes.remove(id).await.unwrap();
    volumes.remove(id).await.unwrap();
    equal(&folder.exists(), &false)?;
    // Killed while it deleted: the next one goes on, and takes nothing else.
    let other = VolumeId::from_random(bench.random());
    let trash = bench.data().join(format!("volumes/.trash-{id}"));
    fs::create_dir_all(trash.join("data/deep")).unwrap();
    fs::create_dir_all(bench.data().join(format!("volumes/{other}/incoming/half"))).unwrap();
    fs::create_dir_all(bench.data().join(format!("volumes/{other}/data"))).unwrap();
    LocalVolumes::open(&bench.data()).unwrap();
    while fs::read_dir(bench.data().join("volumes")).unwrap().any(|one| is_trash(&one.unwrap().file_name())) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let kept = bench.data().join(format!("volumes/{other}"));
    equal(&[kept.join("data").exists(), kept.join("incoming").exists()], &[true, false])
}

async fn replaced_for_good(bench: &LocalBench) -> Outcome {
    let volumes = LocalVolumes::open(&bench.data()).unwrap();
    let id = VolumeId::from_random(bench.random());
    let folder = bench.data().join(format!("volumes/{id}"));
    fs::create_dir_all(folder.join("data")).unwrap();
    fs::write(folder.join("data/file"), "new").unwrap();
    let archive: Vec<Vec<u8>> = volumes.backup(id).await.unwrap().try_collect().await.unwrap();
    fs::write(folder.join("data/file"), "old").unwrap();
    // Nobody deletes what something is mounted on.
    let stuck = folder.join("data/stuck");
    fs::create_dir(&stuck).unwrap();
    mount(Some("none"), &stuck, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
    let restored = volumes.restore(id, stream::iter(archive.clone().into_iter().map(Ok)).boxed()).await;
    let again = volumes.restore(id, stream::iter(archive.into_iter().map(Ok)).boxed()).await;
    let next_start = LocalVolumes::open(&bench.data());
    let run = run(bench, &with(shell(bench, "grep -q new /data/file"), id)).await;
    let stuck = bench.data().join(format!("volumes/.trash-{id}-incoming/stuck"));
    umount(&stuck).unwrap();
    next_start.map_err(|error| format!("{error:?}"))?;
    restored.and(again).map_err(|error| format!("{error:?}"))?;
    equal(&matches!(run.state, InstanceState::Exited(exit) if exit.code == Some(0)), &true)?;
    bench.local().stop(run.id, Duration::ZERO).await.unwrap();
    equal(&[folder.join("data").exists(), folder.join("incoming").exists()], &[true, false])
}

async fn an_archive_that_breaks_off(bench: &LocalBench) -> Outcome {
    let volumes = LocalVolumes::open(&bench.data()).unwrap();
    let id = VolumeId::from_random(bench.random());
    let folder = bench.data().join(format!("volumes/{id}"));
    fs::create_dir_all(folder.join("data")).unwrap();
    fs::write(folder.join("data/file"), "x".repeat(100_000)).unwrap();
    let archive: Vec<Vec<u8>> = volumes.backup(id).await.unwrap().try_collect().await.unwrap();
    let whole: Vec<u8> = archive.concat();
    fs::write(folder.join("data/file"), "kept").unwrap();
    let half = whole[..whole.len() / 2].to_vec();
    let broken = mirage_core::Error::new(Code::TargetUnavailable, "the client went away");
    for (pieces, code) in [
        (vec![Ok(half.clone())], Code::InvalidRequest),
        (vec![Ok(half), Err(broken)], Code::TargetUnavailable),
        (vec![Ok(b"no archive at all".to_vec())], Code::InvalidRequest),
        (vec![], Code::InvalidRequest),
    ] {
        let refused = volumes.restore(id, stream::iter(pieces).boxed()).await.unwrap_err();
        equal(&refused.code(), &code)?;
        equal(&fs::read_to_string(folder.join("data/file")).unwrap(), &"kept".to_owned())?;
        equal(&folder.join("incoming").exists(), &false)?;
    }
    Ok(())
}

fn is_trash(name: &OsStr) -> bool {
    name.to_string_lossy().starts_with(".trash-")
}

fn with(mut spec: InstanceSpec, id: VolumeId) -> InstanceSpec {
    spec.volumes.push(MountedVolume { id, path: "/data".parse().unwrap() });
    spec
}
