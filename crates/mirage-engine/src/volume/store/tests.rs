//! Volumes on a machine on which others want something too.

use futures_util::{StreamExt, TryStreamExt};

use super::*;

/// A volume whose archive does not fit into what waits to be read.
fn volume(data: &Path, number: u8) -> VolumeId {
    let id = VolumeId::from_random([number; 16]);
    let folder = data.join(format!("volumes/{id}/data"));
    fs::create_dir_all(&folder).unwrap();
    let mut noise = 0x9e37_79b9_u32;
    let bytes = std::iter::repeat_with(|| {
        noise ^= noise << 13;
        noise ^= noise >> 17;
        noise ^= noise << 5;
        noise.to_le_bytes()[0]
    });
    fs::write(folder.join("file"), bytes.take(2 << 20).collect::<Vec<u8>>()).unwrap();
    id
}

fn open_with(data: &Path, patience: Duration) -> LocalVolumes {
    LocalVolumes { patience, ..LocalVolumes::open(data).unwrap() }
}

#[tokio::test]
async fn a_backup_that_nobody_reads_on_is_in_nobodys_way_for_long() {
    let data = tempfile::tempdir().unwrap();
    let id = volume(data.path(), 1);
    let volumes = open_with(data.path(), Duration::from_millis(50));
    let mut archive = volumes.backup(id).await.unwrap();
    assert!(archive.next().await.unwrap().is_ok());
    while let Err(error) = volumes.remove(id).await {
        assert_eq!(error.code(), Code::Conflict);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // What comes out of it does not look whole.
    let rest: Result<Vec<Vec<u8>>> = archive.try_collect().await;
    assert_eq!(rest.unwrap_err().code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn backups_that_nobody_reads_leave_room_for_everything_else() {
    let data = tempfile::tempdir().unwrap();
    let id = volume(data.path(), 1);
    let patient = open_with(data.path(), Duration::from_secs(600));
    let mut archives = Vec::new();
    for _ in 0..ARCHIVES_AT_ONCE {
        archives.push(patient.backup(id).await.unwrap());
    }
    let hasty = LocalVolumes { patience: Duration::from_millis(10), ..patient.clone() };
    let told = hasty.backup(id).await.err().unwrap();
    assert_eq!(
        (told.code(), told.message()),
        (Code::Conflict, "8 volumes are being backed up or restored already")
    );
    assert!(patient.size(id).await.unwrap().is_some());
    // Whoever goes away makes room.
    drop(archives.pop());
    let whole: Result<Vec<Vec<u8>>> = patient.backup(id).await.unwrap().try_collect().await;
    assert!(whole.unwrap().concat().len() > 1 << 20);
}

#[tokio::test]
async fn a_volume_that_has_lost_its_name_and_not_its_bytes_is_deleted_when_it_is_asked_for_again() {
    let data = tempfile::tempdir().unwrap();
    let volumes = LocalVolumes::open(data.path()).unwrap();
    let id = volume(data.path(), 1);
    let trash = volumes.place(id).throw_away().unwrap();
    assert!(trash.join("data/file").exists());
    volumes.remove(id).await.unwrap();
    assert_eq!(fs::read_dir(data.path().join("volumes")).unwrap().count(), 0);
    volumes.remove(id).await.unwrap();
}
