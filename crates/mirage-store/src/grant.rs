//! Tokens of projects, by their hash.

use mirage_core::{Grant, Name, ProjectId, Result, TokenId};
use sqlx::sqlite::SqliteRow;

use crate::column::{Columns, micros, text};
use crate::store::{Store, Tx, failed};

const READING: &str = "read the tokens";
const JOINED: &str =
    "SELECT token.*, project.name AS project_name FROM token JOIN project ON project.id = token.project_id";

/// SHA-256 of a token.
pub type TokenHash = [u8; 32];

impl Store {
    /// At most so many of what tokens allow by project and name, from the one that follows this project and name on.
    pub async fn grant_page(&self, after: Option<&(Name, Name)>, limit: u32) -> Result<Vec<Grant>> {
        let (project, name) =
            after.map(|(project, name)| (project.to_string(), name.to_string())).unwrap_or_default();
        let sql = format!(
            "{JOINED} WHERE (project.name, token.name) > (?, ?) ORDER BY project.name, token.name LIMIT ?"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(project)
            .bind(name)
            .bind(limit)
            .fetch_all(&self.reader)
            .await
            .map_err(|error| failed(READING, error))?;
        rows.iter().map(grant).collect()
    }

    /// What each token allows, by project and name.
    pub async fn grants(&self) -> Result<Vec<(TokenHash, Grant)>> {
        let sql = format!("{JOINED} ORDER BY project.name, token.name");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&self.reader).await;
        rows.map_err(|error| failed(READING, error))?
            .iter()
            .map(|row| Ok((hash(row)?, grant(row)?)))
            .collect()
    }
}

impl Tx {
    /// The token of this name in a project.
    pub async fn grant_named(&mut self, project: ProjectId, name: &Name) -> Result<Option<Grant>> {
        let sql = format!("{JOINED} WHERE token.project_id = ? AND token.name = ?");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(text(project))
            .bind(name.as_str())
            .fetch_optional(&mut *self.inner)
            .await
            .map_err(|error| failed(READING, error))?;
        row.as_ref().map(grant).transpose()
    }

    /// Adds a token.
    pub async fn insert_grant(&mut self, grant: &Grant, hash: &TokenHash) -> Result<()> {
        self.writes.add("insert_grant");
        sqlx::query(
            "INSERT INTO token (id, name, project_id, push, hash, created_at) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(text(grant.id))
        .bind(grant.name.as_str())
        .bind(text(grant.project))
        .bind(grant.push)
        .bind(hash.to_vec())
        .bind(micros(grant.created_at))
        .execute(&mut *self.inner)
        .await
        .map_err(|error| failed("write a token", error))?;
        Ok(())
    }

    /// Takes a token away; says whether there was one.
    pub async fn remove_grant(&mut self, id: TokenId) -> Result<bool> {
        self.writes.add("remove_grant");
        let done = sqlx::query("DELETE FROM token WHERE id = ?")
            .bind(text(id))
            .execute(&mut *self.inner)
            .await
            .map_err(|error| failed("remove a token", error))?;
        Ok(done.rows_affected() > 0)
    }
}

fn hash(row: &SqliteRow) -> Result<TokenHash> {
    let bytes: Vec<u8> = row.raw("hash")?;
    bytes
        .try_into()
        .map_err(|_| mirage_core::Error::internal(READING, anyhow::anyhow!("a hash of another length")))
}

fn grant(row: &SqliteRow) -> Result<Grant> {
    Ok(Grant {
        id: row.parsed("id")?,
        name: row.parsed("name")?,
        project: row.parsed("project_id")?,
        project_name: row.parsed("project_name")?,
        push: row.raw("push")?,
        created_at: row.time("created_at")?,
    })
}
