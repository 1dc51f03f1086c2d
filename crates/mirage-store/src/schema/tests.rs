use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;

use super::*;
use crate::Store;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

/// A database as a Mirage with the first migration alone would have left it, with one setting.
async fn of_the_first_schema(path: &Path) {
    let mut file =
        SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await.unwrap();
    let first = Migrator::with_migrations(vec![STEPS.iter().next().unwrap().clone()]);
    first.run_direct(None, &mut file, false).await.unwrap();
    sqlx::query("INSERT INTO setting VALUES ('kept', 'yes')").execute(&mut file).await.unwrap();
    file.close().await.unwrap();
}

async fn from_a_newer_one(path: &Path) {
    Store::open(path, at(0)).await.unwrap().close().await;
    let mut file = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    let step =
        "INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time)
         VALUES (9999, 'from the future', '2099-01-01', 1, x'00', 0)";
    sqlx::query(step).execute(&mut file).await.unwrap();
    sqlx::query("UPDATE setting SET value = '7.0.0' WHERE key = ?")
        .bind(WRITTEN_BY)
        .execute(&mut file)
        .await
        .unwrap();
    file.close().await.unwrap();
}

/// Names, bytes and modes of everything below a folder.
fn everything(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, u32)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::metadata(&path).unwrap();
        match meta.is_dir() {
            true => found.extend(everything(&path)),
            false => drop(found.insert(path.clone(), (fs::read(&path).unwrap(), meta.mode()))),
        }
    }
    found
}

#[tokio::test]
async fn a_database_of_a_newer_mirage_is_refused_with_both_versions_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mirage.db");
    from_a_newer_one(&file).await;
    let before = everything(folder.path());
    let error = Store::open(&file, at(1)).await.unwrap_err();
    assert_eq!(error.code(), Code::Conflict);
    let message = format!(
        "the database was written by a newer Mirage 7.0.0 (schema 9999); this is Mirage {VERSION} (schema {})",
        schema()
    );
    assert_eq!(error.message(), message);
    let mut after = everything(folder.path());
    // What SQLite keeps for readers of a file with a log.
    after.retain(|path, (bytes, _)| !(path.ends_with("mirage.db-shm") || bytes.is_empty()));
    assert_eq!(after, before);
}

#[tokio::test]
async fn an_older_database_is_copied_before_its_schema_changes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mirage.db");
    of_the_first_schema(&file).await;
    let store = Store::open(&file, at(0)).await.unwrap();
    assert_eq!(store.setting("kept").await.unwrap().as_deref(), Some("yes"));
    assert_eq!(store.setting(WRITTEN_BY).await.unwrap().as_deref(), Some(VERSION));
    store.close().await;

    let kept: Vec<_> = everything(&folder.path().join("backups")).into_iter().collect();
    let [(copy, (_, mode))] = kept.as_slice() else { panic!("{} copies", kept.len()) };
    assert_eq!(copy.file_name().unwrap(), "mirage-1-20260921T141320Z.db");
    assert_eq!(mode & 0o777, 0o600);
    let facts = Store::facts_of_copy(copy).await.unwrap().unwrap();
    assert_eq!(facts.schema, 1, "as it was before");

    Store::open(&file, at(1)).await.unwrap().close().await;
    assert_eq!(everything(&folder.path().join("backups")).len(), 1, "nothing changes, so nothing is copied");
}

#[tokio::test]
async fn the_last_three_copies_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mirage.db");
    for second in 0..5 {
        for name in ["mirage.db", "mirage.db-wal", "mirage.db-shm"] {
            let _ = fs::remove_file(folder.path().join(name));
        }
        of_the_first_schema(&file).await;
        Store::open(&file, at(second)).await.unwrap().close().await;
    }
    let kept = everything(&folder.path().join("backups"));
    let names: Vec<_> = kept.keys().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    let expected = ["22", "23", "24"].map(|second| format!("mirage-1-20260921T1413{second}Z.db"));
    assert_eq!(names, expected);
}

#[tokio::test]
async fn an_upgrade_that_fails_again_and_again_keeps_the_copy_it_began_with() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mirage.db");
    of_the_first_schema(&file).await;
    let mut broken = SqliteConnectOptions::new().filename(&file).connect().await.unwrap();
    // In the way of the fourth migration, which makes a table of this name.
    sqlx::query("CREATE TABLE volume (x TEXT)").execute(&mut broken).await.unwrap();
    broken.close().await.unwrap();
    // The last time the clock was set back.
    for second in [10, 11, 12, 13, 14, 0] {
        Store::open(&file, at(second)).await.unwrap_err();
    }
    let kept = everything(&folder.path().join("backups"));
    let names: Vec<_> = kept.keys().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    let expected = [
        "1-20260921T141330",
        "3-20260921T141320",
        "3-20260921T141332",
        "3-20260921T141333",
        "3-20260921T141334",
    ];
    assert_eq!(names, expected.map(|name| format!("mirage-{name}Z.db")));
}

#[tokio::test]
async fn a_migration_that_fails_says_where_the_copy_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mirage.db");
    of_the_first_schema(&file).await;
    let mut broken = SqliteConnectOptions::new().filename(&file).connect().await.unwrap();
    // In the way of the second migration.
    sqlx::query("CREATE TABLE credential (x TEXT)").execute(&mut broken).await.unwrap();
    broken.close().await.unwrap();
    let error = Store::open(&file, at(0)).await.unwrap_err();
    assert_eq!(error.message(), format!("the database could not be brought from schema 1 to {}", schema()));
    let copy = folder.path().join("backups/mirage-1-20260921T141320Z.db");
    assert!(error.next_step().unwrap().contains(copy.to_str().unwrap()), "{error:?}");
    assert_eq!(Store::facts_of_copy(&copy).await.unwrap().unwrap().schema, 1);
    assert_eq!(Store::facts_of_copy(&file).await.unwrap().unwrap().schema, 1, "a step is taken whole or not");
}

#[tokio::test]
async fn a_copy_is_whole_while_others_write() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("mirage.db"), at(0)).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    tx.set_setting("node", "abcdef").await.unwrap();
    tx.set_setting("committed", "yes").await.unwrap();
    tx.commit().await.unwrap();
    let mut open = store.begin().await.unwrap();
    open.set_setting("not.committed", "yes").await.unwrap();
    let copy = folder.path().join("copy.db");
    let facts = store.copy_to(&copy).await.unwrap();
    assert_eq!(facts, crate::CopyFacts { schema: schema(), key: None });
    open.commit().await.unwrap();

    Store::settle_copy(&copy, &[("told", "now")]).await.unwrap();
    let copied = Store::open(&copy, at(1)).await.unwrap();
    let mut seen = Vec::new();
    for key in ["node", "committed", "not.committed", "told"] {
        seen.push(copied.setting(key).await.unwrap());
    }
    assert_eq!(seen, [None, Some("yes".into()), None, Some("now".into())]);
    fs::write(folder.path().join("torn.db"), &fs::read(&copy).unwrap()[..9000]).unwrap();
    let torn = Store::settle_copy(&folder.path().join("torn.db"), &[]).await.unwrap_err();
    assert_eq!(torn.code(), Code::InvalidRequest);
}
