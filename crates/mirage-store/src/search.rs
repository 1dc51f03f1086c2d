//! What a few typed characters may mean.

use mirage_core::{DeploymentId, Name, Result};
use sqlx::sqlite::SqliteRow;

use crate::column::Columns;
use crate::overview::{ServicePath, path};
use crate::store::{Store, failed};

/// Words that a search looks at.
pub const SEARCH_WORDS: usize = 4;

impl Store {
    /// Services that are not on their way out and whose project, environment and name have each of these words,
    /// which are lower-case. Those whose name begins with the last word come first, the shortest before others. No
    /// word at all finds every service.
    pub async fn services_like(&self, words: &[&str], limit: u32) -> Result<Vec<ServicePath>> {
        let word = |at: usize| words.get(at).copied().unwrap_or_default().to_owned();
        let rows = sqlx::query(
            "SELECT id, project, environment, name FROM (
                 SELECT s.id, p.name AS project, e.name AS environment, s.name,
                     p.name || '/' || e.name || '/' || s.name AS path
                 FROM service s JOIN environment e ON e.id = s.environment_id JOIN project p ON p.id = e.project_id
                 WHERE s.removed = 0)
             WHERE instr(path, ?1) AND instr(path, ?2) AND instr(path, ?3) AND instr(path, ?4)
             ORDER BY substr(name, 1, length(?5)) = ?5 DESC, instr(name, ?5) = 0, length(name), name, path LIMIT ?6",
        )
        .bind(word(0))
        .bind(word(1))
        .bind(word(2))
        .bind(word(3))
        .bind(words.iter().take(SEARCH_WORDS).next_back().copied().unwrap_or_default().to_owned())
        .bind(limit)
        .fetch_all(&self.reader)
        .await
        .map_err(|error| failed("search the services", error))?;
        rows.iter().map(path).collect()
    }

    /// Projects that have this in their name, lower-case; those that begin with it first.
    pub async fn projects_like(&self, word: &str, limit: u32) -> Result<Vec<Name>> {
        let rows = sqlx::query(
            "SELECT name FROM project WHERE instr(name, ?1) ORDER BY instr(name, ?1), length(name), name LIMIT ?2",
        )
        .bind(word.to_owned())
        .bind(limit)
        .fetch_all(&self.reader)
        .await
        .map_err(|error| failed("search the projects", error))?;
        rows.iter().map(|row| row.parsed("name")).collect()
    }

    /// Deployments whose id begins with this, of which the caller knows that it has nothing but digits, letters up to
    /// `f` and hyphens; with their service.
    pub async fn deployments_from(
        &self,
        start: &str,
        limit: u32,
    ) -> Result<Vec<(DeploymentId, ServicePath)>> {
        let rows = sqlx::query(
            "SELECT d.id AS deployment, s.id, p.name AS project, e.name AS environment, s.name
             FROM deployment d JOIN service s ON s.id = d.service_id
             JOIN environment e ON e.id = s.environment_id JOIN project p ON p.id = e.project_id
             WHERE d.id >= ?1 AND d.id < ?1 || 'g' ORDER BY d.id LIMIT ?2",
        )
        .bind(start.to_owned())
        .bind(limit)
        .fetch_all(&self.reader)
        .await
        .map_err(|error| failed("search the deployments", error))?;
        let found = |row: &SqliteRow| Ok((row.parsed("deployment")?, path(row)?));
        rows.iter().map(found).collect()
    }
}
