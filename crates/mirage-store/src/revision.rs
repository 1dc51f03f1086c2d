//! Revisions.

use mirage_core::{Reference, Result, Revision, ServiceId};
use sqlx::sqlite::SqliteRow;

use crate::column::{Columns, micros, text, to_json};
use crate::store::{Store, Tx, failed};

impl Store {
    /// A revision by its number.
    pub async fn revision(&self, service: ServiceId, number: u32) -> Result<Option<Revision>> {
        let row = sqlx::query("SELECT * FROM revision WHERE service_id = ? AND number = ?")
            .bind(text(service))
            .bind(number)
            .fetch_optional(&self.reader)
            .await
            .map_err(|error| failed("read a revision", error))?;
        row.as_ref().map(revision).transpose()
    }

    /// The newest revision of a service.
    pub async fn newest_revision_of(&self, service: ServiceId) -> Result<Option<Revision>> {
        let row = sqlx::query("SELECT * FROM revision WHERE service_id = ? ORDER BY number DESC LIMIT 1")
            .bind(text(service))
            .fetch_optional(&self.reader)
            .await
            .map_err(|error| failed("read a revision", error))?;
        row.as_ref().map(revision).transpose()
    }

    /// The newest revision of a service that is of exactly this reference: what it last turned out to be.
    pub async fn newest_revision_with(
        &self,
        service: ServiceId,
        reference: &Reference,
    ) -> Result<Option<Revision>> {
        let row = sqlx::query(
            "SELECT * FROM revision WHERE service_id = ? AND json_extract(image, '$.reference') = ?
             ORDER BY number DESC LIMIT 1",
        )
        .bind(text(service))
        .bind(reference.to_string())
        .fetch_optional(&self.reader)
        .await
        .map_err(|error| failed("read a revision", error))?;
        row.as_ref().map(revision).transpose()
    }

    /// The newest `keep` revisions of every service, and those of deployments that are active or on
    /// their way: whatever may still have to run.
    pub async fn kept_revisions(&self, keep: u32) -> Result<Vec<Revision>> {
        let rows = sqlx::query(
            "SELECT r.* FROM revision r
             WHERE r.number > (SELECT MAX(n.number) FROM revision n WHERE n.service_id = r.service_id) - ?1
                OR EXISTS (SELECT 1 FROM deployment d WHERE d.service_id = r.service_id AND d.revision = r.number
                           AND d.phase NOT IN ('superseded', 'failed', 'cancelled'))",
        )
        .bind(keep)
        .fetch_all(&self.reader)
        .await
        .map_err(|error| failed("read the revisions", error))?;
        rows.iter().map(revision).collect()
    }
}

impl Tx {
    /// A revision by its number.
    pub async fn revision(&mut self, service: ServiceId, number: u32) -> Result<Option<Revision>> {
        let row = sqlx::query("SELECT * FROM revision WHERE service_id = ? AND number = ?")
            .bind(text(service))
            .bind(number)
            .fetch_optional(&mut *self.inner)
            .await
            .map_err(|error| failed("read a revision", error))?;
        row.as_ref().map(revision).transpose()
    }

    /// The number of the newest revision, 0 where there is none.
    pub async fn newest_revision(&mut self, service: ServiceId) -> Result<u32> {
        sqlx::query_scalar("SELECT COALESCE(MAX(number), 0) FROM revision WHERE service_id = ?")
            .bind(text(service))
            .fetch_one(&mut *self.inner)
            .await
            .map_err(|error| failed("read the revisions", error))
    }

    /// Adds a revision.
    pub async fn insert_revision(&mut self, revision: &Revision) -> Result<()> {
        self.writes.add("insert_revision");
        sqlx::query(
            "INSERT INTO revision (service_id, number, spec, image, credential, created_at) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(text(revision.service))
        .bind(revision.number)
        .bind(to_json(&revision.spec)?)
        .bind(to_json(&revision.image)?)
        .bind(revision.credential.as_ref().map(to_json).transpose()?)
        .bind(micros(revision.created_at))
        .execute(&mut *self.inner)
        .await
        .map_err(|error| failed("write a revision", error))?;
        Ok(())
    }
}

pub(crate) fn revision(row: &SqliteRow) -> Result<Revision> {
    Ok(Revision {
        service: row.parsed("service_id")?,
        number: row.number("number")?,
        spec: row.json("spec")?,
        image: row.json("image")?,
        credential: row.maybe_json("credential")?,
        created_at: row.time("created_at")?,
    })
}
