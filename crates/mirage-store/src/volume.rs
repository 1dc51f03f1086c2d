//! Volumes: who owns which, and who has it mounted.

use jiff::Timestamp;
use mirage_core::{
    EnvironmentId, MountPath, Name, Result, ServiceId, Volume, VolumeId, VolumeMount, VolumeName,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{Executor, Sqlite};

use crate::column::{Columns, micros, text, to_json};
use crate::deployment::CURRENT;
use crate::store::{Store, Tx, failed};

const READING: &str = "read the volumes";
const WRITING: &str = "write a volume";

/// Which part of the list of volumes is wanted. It is ordered by name, then id.
#[derive(Clone, Debug)]
pub struct VolumePage {
    /// Only of this environment.
    pub environment: Option<EnvironmentId>,
    /// Only of this name.
    pub name: Option<VolumeName>,
    /// Only what follows this name and id.
    pub after: Option<(VolumeName, VolumeId)>,
    /// At most so many.
    pub limit: u32,
}

impl Store {
    /// A volume by its id.
    pub async fn volume(&self, id: VolumeId) -> Result<Option<Volume>> {
        by_id(&self.reader, id).await
    }

    /// The volume of this name in an environment, unless it was removed.
    pub async fn volume_named(&self, environment: EnvironmentId, name: &Name) -> Result<Option<Volume>> {
        by_name(&self.reader, environment, name).await
    }

    /// A page of volumes, those that were removed and can be taken back among them.
    pub async fn volumes(&self, page: &VolumePage) -> Result<Vec<Volume>> {
        let (after_name, after_id) = match &page.after {
            Some((name, id)) => (name.as_str().to_owned(), text(id)),
            None => (String::new(), String::new()),
        };
        let rows = sqlx::query(
            "SELECT * FROM volume WHERE purging = 0 AND (?1 IS NULL OR environment_id = ?1)
             AND (?2 IS NULL OR name = ?2) AND (name, id) > (?3, ?4) ORDER BY name, id LIMIT ?5",
        )
        .bind(page.environment.map(text))
        .bind(page.name.as_ref().map(|name| name.as_str().to_owned()))
        .bind(after_name)
        .bind(after_id)
        .bind(page.limit)
        .fetch_all(&self.reader)
        .await
        .map_err(|error| failed(READING, error))?;
        rows.iter().map(volume).collect()
    }

    /// Where the owner of a volume has it: by its settings, or in a deployment that is not over or an
    /// instance that still runs. `None` where nobody has.
    pub async fn volume_mount(&self, volume: &Volume) -> Result<Option<MountPath>> {
        mount(&self.reader, volume).await
    }

    /// The volumes that were removed at this time or earlier and can still be taken back.
    pub async fn volumes_removed_until(&self, time: Timestamp) -> Result<Vec<VolumeId>> {
        let rows = sqlx::query("SELECT id FROM volume WHERE purging = 0 AND removed_at <= ?")
            .bind(micros(time))
            .fetch_all(&self.reader)
            .await
            .map_err(|error| failed(READING, error))?;
        rows.iter().map(|row| row.parsed("id")).collect()
    }

    /// The volumes whose deletion has begun.
    pub async fn purging_volumes(&self) -> Result<Vec<Volume>> {
        let rows = sqlx::query("SELECT * FROM volume WHERE purging = 1")
            .fetch_all(&self.reader)
            .await
            .map_err(|error| failed(READING, error))?;
        rows.iter().map(volume).collect()
    }
}

impl Tx {
    /// A volume by its id.
    pub async fn volume(&mut self, id: VolumeId) -> Result<Option<Volume>> {
        by_id(&mut *self.inner, id).await
    }

    /// The volume of this name in an environment, unless it was removed.
    pub async fn volume_named(&mut self, environment: EnvironmentId, name: &Name) -> Result<Option<Volume>> {
        by_name(&mut *self.inner, environment, name).await
    }

    /// See [`Store::volume_mount`].
    pub async fn volume_mount(&mut self, volume: &Volume) -> Result<Option<MountPath>> {
        mount(&mut *self.inner, volume).await
    }

    /// A volume of a deployment of this service that is not over, or of an instance that still runs, whatever
    /// the settings of the service say by now.
    pub async fn running_mount(&mut self, service: ServiceId) -> Result<Option<VolumeMount>> {
        let sql = format!(
            "SELECT mount.value FROM revision, json_each(revision.spec, '$.volumes') AS mount
             WHERE {} LIMIT 1",
            current_revisions()
        );
        let found: Option<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .bind(text(service))
            .fetch_optional(&mut *self.inner)
            .await
            .map_err(|error| failed(READING, error))?;
        Ok(found.and_then(|json| serde_json::from_str(&json).ok()))
    }

    /// Adds a volume.
    pub async fn insert_volume(&mut self, volume: &Volume) -> Result<()> {
        self.writes.add("insert_volume");
        sqlx::query(
            "INSERT INTO volume (id, environment_id, name, service_id, created_at, removed_at)
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(text(volume.id))
        .bind(text(volume.environment))
        .bind(volume.name.as_str())
        .bind(volume.service.map(text))
        .bind(micros(volume.created_at))
        .bind(volume.removed_at.map(micros))
        .execute(&mut *self.inner)
        .await
        .map_err(|error| failed(WRITING, error))?;
        Ok(())
    }

    /// Writes what may change about a volume: name, owner, removal.
    pub async fn update_volume(&mut self, volume: &Volume) -> Result<()> {
        self.writes.add("update_volume");
        sqlx::query("UPDATE volume SET name = ?, service_id = ?, removed_at = ? WHERE id = ?")
            .bind(volume.name.as_str())
            .bind(volume.service.map(text))
            .bind(volume.removed_at.map(micros))
            .bind(text(volume.id))
            .execute(&mut *self.inner)
            .await
            .map_err(|error| failed(WRITING, error))?;
        Ok(())
    }

    /// Marks those of these volumes that were removed at this time or earlier: from now on nobody gets them back.
    pub async fn begin_purge(&mut self, removed_until: Timestamp, among: &[VolumeId]) -> Result<Vec<Volume>> {
        self.writes.add("begin_purge");
        let rows = sqlx::query(
            "UPDATE volume SET purging = 1 WHERE purging = 0 AND removed_at <= ?
             AND id IN (SELECT value FROM json_each(?)) RETURNING *",
        )
        .bind(micros(removed_until))
        .bind(to_json(&among.iter().map(|id| text(*id)).collect::<Vec<_>>())?)
        .fetch_all(&mut *self.inner)
        .await
        .map_err(|error| failed(WRITING, error))?;
        rows.iter().map(volume).collect()
    }

    /// Forgets a volume whose data is deleted.
    pub async fn delete_volume(&mut self, id: VolumeId) -> Result<()> {
        self.writes.add("delete_volume");
        sqlx::query("DELETE FROM volume WHERE id = ? AND purging = 1")
            .bind(text(id))
            .execute(&mut *self.inner)
            .await
            .map_err(|error| failed("forget a volume", error))?;
        Ok(())
    }
}

async fn by_id<'e>(database: impl Executor<'e, Database = Sqlite>, id: VolumeId) -> Result<Option<Volume>> {
    let row = sqlx::query("SELECT * FROM volume WHERE id = ? AND purging = 0")
        .bind(text(id))
        .fetch_optional(database)
        .await
        .map_err(|error| failed(READING, error))?;
    row.as_ref().map(volume).transpose()
}

async fn by_name<'e>(
    database: impl Executor<'e, Database = Sqlite>,
    environment: EnvironmentId,
    name: &Name,
) -> Result<Option<Volume>> {
    let row =
        sqlx::query("SELECT * FROM volume WHERE environment_id = ? AND name = ? AND removed_at IS NULL")
            .bind(text(environment))
            .bind(name.as_str().to_owned())
            .fetch_optional(database)
            .await
            .map_err(|error| failed(READING, error))?;
    row.as_ref().map(volume).transpose()
}

async fn mount<'e>(
    database: impl Executor<'e, Database = Sqlite>,
    volume: &Volume,
) -> Result<Option<MountPath>> {
    let Some(service) = volume.service else { return Ok(None) };
    let sql = format!(
        "SELECT json_extract(mount.value, '$.path') FROM service, json_each(service.spec, '$.volumes') AS mount
         WHERE service.id = ?1 AND json_extract(mount.value, '$.volume') = ?2
         UNION ALL
         SELECT json_extract(mount.value, '$.path') FROM revision, json_each(revision.spec, '$.volumes') AS mount
         WHERE {} AND json_extract(mount.value, '$.volume') = ?2
         LIMIT 1",
        current_revisions()
    );
    let path: Option<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
        .bind(text(service))
        .bind(volume.name.as_str().to_owned())
        .fetch_optional(database)
        .await
        .map_err(|error| failed(READING, error))?;
    path.map(|path| path.parse()).transpose()
}

/// The revisions of service `?1` that something may run of.
fn current_revisions() -> String {
    format!(
        "revision.service_id = ?1 AND revision.number IN (
             SELECT revision FROM deployment WHERE service_id = ?1 AND (phase IN {CURRENT}
                 OR id IN (SELECT deployment_id FROM instance WHERE service_id = ?1 AND exit IS NULL)))"
    )
}

fn volume(row: &SqliteRow) -> Result<Volume> {
    Ok(Volume {
        id: row.parsed("id")?,
        environment: row.parsed("environment_id")?,
        name: row.parsed("name")?,
        service: row.maybe_parsed("service_id")?,
        created_at: row.time("created_at")?,
        removed_at: row.maybe_time("removed_at")?,
    })
}
