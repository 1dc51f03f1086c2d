//! Instances.

use mirage_core::{Exit, Instance, InstanceId, Result, ServiceId};
use sqlx::sqlite::SqliteRow;

use crate::column::{Columns, micros, text, to_json};
use crate::deployment::CURRENT;
use crate::store::{Store, Tx, failed};

/// Ended instances that are remembered for each service.
const REMEMBERED: u32 = 64;

impl Store {
    /// The instances of a service that have not ended, and the newest that have, oldest first. In the
    /// order in which they were written: the clock may have jumped in between.
    pub async fn instances(&self, service: ServiceId) -> Result<Vec<Instance>> {
        let rows = sqlx::query("SELECT * FROM instance WHERE service_id = ? ORDER BY rowid")
            .bind(text(service))
            .fetch_all(&self.reader)
            .await
            .map_err(|error| failed("read the instances", error))?;
        rows.iter().map(instance).collect()
    }

    /// An instance by its id.
    pub async fn instance(&self, id: InstanceId) -> Result<Option<Instance>> {
        let row = sqlx::query("SELECT * FROM instance WHERE id = ?")
            .bind(text(id))
            .fetch_optional(&self.reader)
            .await
            .map_err(|error| failed("read an instance", error))?;
        row.as_ref().map(instance).transpose()
    }
}

impl Tx {
    /// Adds an instance, and forgets the oldest ended ones beyond what is remembered. The last one at each place of
    /// a deployment that serves or is on its way stays: it says whether, and when, the next is started.
    pub async fn insert_instance(&mut self, instance: &Instance) -> Result<()> {
        self.writes.add("insert_instance");
        sqlx::query(
            "INSERT INTO instance (id, service_id, deployment_id, ordinal, generation, attempt, created_at, exit, stopped)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(text(instance.id))
        .bind(text(instance.service))
        .bind(text(instance.deployment))
        .bind(instance.ordinal)
        .bind(instance.generation.cast_signed())
        .bind(instance.attempt)
        .bind(micros(instance.created_at))
        .bind(instance.exit.as_ref().map(to_json).transpose()?)
        .bind(instance.stopped)
        .execute(&mut *self.inner)
        .await
        .map_err(|error| failed("write an instance", error))?;
        let forget = format!(
            "DELETE FROM instance WHERE rowid IN (
                 SELECT rowid FROM instance WHERE service_id = ?1 AND exit IS NOT NULL
                 ORDER BY rowid DESC LIMIT -1 OFFSET ?2)
             AND rowid NOT IN (
                 SELECT max(i.rowid) FROM instance i JOIN deployment d ON d.id = i.deployment_id
                 WHERE i.service_id = ?1 AND d.phase IN {CURRENT} GROUP BY i.deployment_id, i.ordinal)"
        );
        sqlx::query(sqlx::AssertSqlSafe(forget))
            .bind(text(instance.service))
            .bind(REMEMBERED)
            .execute(&mut *self.inner)
            .await
            .map_err(|error| failed("forget an instance", error))?;
        Ok(())
    }

    /// Records that somebody asked for the end of an instance.
    pub async fn set_stopped(&mut self, id: InstanceId) -> Result<()> {
        self.writes.add("set_stopped");
        sqlx::query("UPDATE instance SET stopped = 1 WHERE id = ?")
            .bind(text(id))
            .execute(&mut *self.inner)
            .await
            .map_err(|error| failed("write an instance", error))?;
        Ok(())
    }

    /// Records how an instance ended; says whether that was news.
    pub async fn set_exit(&mut self, id: InstanceId, exit: &Exit) -> Result<bool> {
        self.writes.add("set_exit");
        let done = sqlx::query("UPDATE instance SET exit = ? WHERE id = ? AND exit IS NULL")
            .bind(to_json(exit)?)
            .bind(text(id))
            .execute(&mut *self.inner)
            .await
            .map_err(|error| failed("write an instance", error))?;
        Ok(done.rows_affected() > 0)
    }
}

pub(crate) fn instance(row: &SqliteRow) -> Result<Instance> {
    Ok(Instance {
        id: row.parsed("id")?,
        service: row.parsed("service_id")?,
        deployment: row.parsed("deployment_id")?,
        ordinal: row.number("ordinal")?,
        generation: row.number("generation")?,
        attempt: row.number("attempt")?,
        created_at: row.time("created_at")?,
        exit: row.maybe_json("exit")?,
        stopped: row.raw("stopped")?,
    })
}
