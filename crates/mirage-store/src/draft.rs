//! What people typed so far for services that are not made yet.

use jiff::Timestamp;
use mirage_core::{DraftId, Result, Sealed};
use sqlx::sqlite::SqliteRow;

use crate::column::{Columns, micros, text};
use crate::store::{Store, Tx, failed};

const READING: &str = "read a draft";

/// A draft as it is kept.
#[derive(Clone, Debug)]
pub struct DraftRecord {
    /// Identity.
    pub id: DraftId,
    /// The name of whoever typed it.
    pub actor: String,
    /// What was typed.
    pub fields: Sealed,
    /// When it was last changed.
    pub changed_at: Timestamp,
}

impl DraftRecord {
    /// What the vault binds the fields to: a draft that is moved to somebody else cannot be opened.
    pub fn binding(id: DraftId, actor: &str) -> String {
        format!("the draft {id} of {actor}")
    }
}

impl Store {
    /// A draft.
    pub async fn draft(&self, id: DraftId) -> Result<Option<DraftRecord>> {
        let row = sqlx::query("SELECT * FROM draft WHERE id = ?")
            .bind(text(id))
            .fetch_optional(&self.reader)
            .await
            .map_err(|error| failed(READING, error))?;
        row.as_ref().map(draft).transpose()
    }

    /// The newest drafts of somebody, at most so many.
    pub async fn drafts(&self, actor: &str, limit: u32) -> Result<Vec<DraftRecord>> {
        let rows = sqlx::query("SELECT * FROM draft WHERE actor = ? ORDER BY changed_at DESC, id LIMIT ?")
            .bind(actor.to_owned())
            .bind(limit)
            .fetch_all(&self.reader)
            .await;
        rows.map_err(|error| failed(READING, error))?.iter().map(draft).collect()
    }

    /// Whether any draft was last changed before this time.
    pub async fn has_drafts_before(&self, time: Timestamp) -> Result<bool> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM draft WHERE changed_at < ?)")
            .bind(micros(time))
            .fetch_one(&self.reader)
            .await
            .map_err(|error| failed(READING, error))
    }
}

impl Tx {
    /// A draft.
    pub async fn draft(&mut self, id: DraftId) -> Result<Option<DraftRecord>> {
        let row = sqlx::query("SELECT * FROM draft WHERE id = ?")
            .bind(text(id))
            .fetch_optional(&mut *self.inner)
            .await
            .map_err(|error| failed(READING, error))?;
        row.as_ref().map(draft).transpose()
    }

    /// Every draft there is.
    pub(crate) async fn drafts(&mut self) -> Result<Vec<DraftRecord>> {
        let rows = sqlx::query("SELECT * FROM draft").fetch_all(&mut *self.inner).await;
        rows.map_err(|error| failed(READING, error))?.iter().map(draft).collect()
    }

    /// Writes a draft over what was there.
    pub async fn set_draft(&mut self, draft: &DraftRecord) -> Result<()> {
        self.writes.add("set_draft");
        sqlx::query(
            "INSERT INTO draft (id, actor, fields, changed_at) VALUES (?, ?, ?, ?)
             ON CONFLICT (id) DO UPDATE SET fields = excluded.fields, changed_at = excluded.changed_at",
        )
        .bind(text(draft.id))
        .bind(draft.actor.clone())
        .bind(draft.fields.record().to_vec())
        .bind(micros(draft.changed_at))
        .execute(&mut *self.inner)
        .await
        .map_err(|error| failed("write a draft", error))?;
        Ok(())
    }

    /// Forgets a draft; says whether there was one.
    pub async fn remove_draft(&mut self, id: DraftId) -> Result<bool> {
        self.writes.add("remove_draft");
        let done = sqlx::query("DELETE FROM draft WHERE id = ?")
            .bind(text(id))
            .execute(&mut *self.inner)
            .await
            .map_err(|error| failed("remove a draft", error))?;
        Ok(done.rows_affected() > 0)
    }

    /// Forgets all but the newest drafts of somebody, and whatever was last changed before this time.
    pub async fn forget_drafts(&mut self, actor: &str, newest: u32, before: Timestamp) -> Result<()> {
        self.writes.add("forget_drafts");
        let older = "DELETE FROM draft WHERE changed_at < ? OR (actor = ? AND id NOT IN
             (SELECT id FROM draft WHERE actor = ? ORDER BY changed_at DESC, id LIMIT ?))";
        sqlx::query(older)
            .bind(micros(before))
            .bind(actor.to_owned())
            .bind(actor.to_owned())
            .bind(newest)
            .execute(&mut *self.inner)
            .await
            .map_err(|error| failed("forget old drafts", error))?;
        Ok(())
    }

    /// Forgets what was last changed before this time.
    pub async fn forget_drafts_before(&mut self, time: Timestamp) -> Result<()> {
        self.writes.add("forget_drafts");
        let done = sqlx::query("DELETE FROM draft WHERE changed_at < ?").bind(micros(time));
        done.execute(&mut *self.inner).await.map_err(|error| failed("forget old drafts", error))?;
        Ok(())
    }
}

fn draft(row: &SqliteRow) -> Result<DraftRecord> {
    Ok(DraftRecord {
        id: row.parsed("id")?,
        actor: row.raw("actor")?,
        fields: Sealed::new(row.raw("fields")?),
        changed_at: row.time("changed_at")?,
    })
}
