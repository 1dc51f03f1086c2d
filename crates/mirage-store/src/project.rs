//! Projects and environments.

use mirage_core::{Environment, EnvironmentId, Name, Project, ProjectId, Result};
use sqlx::sqlite::SqliteRow;

use crate::column::{Columns, micros, text};
use crate::store::{Store, Tx, failed};

impl Store {
    /// The project of this name.
    pub async fn project_by_name(&self, name: &Name) -> Result<Option<Project>> {
        let row = sqlx::query("SELECT * FROM project WHERE name = ?")
            .bind(name.as_str())
            .fetch_optional(&self.reader)
            .await
            .map_err(|error| failed("read a project", error))?;
        row.as_ref().map(project).transpose()
    }

    /// Every project, by name.
    pub async fn projects(&self) -> Result<Vec<Project>> {
        let rows = sqlx::query("SELECT * FROM project ORDER BY name")
            .fetch_all(&self.reader)
            .await
            .map_err(|error| failed("read the projects", error))?;
        rows.iter().map(project).collect()
    }

    /// The environment of this name in the project of that name.
    pub async fn environment_at(
        &self,
        project: &Name,
        environment: &Name,
    ) -> Result<Option<(Project, Environment)>> {
        let id: Option<String> = sqlx::query_scalar(
            "SELECT environment.id FROM environment JOIN project ON project.id = environment.project_id
             WHERE project.name = ? AND environment.name = ?",
        )
        .bind(project.as_str())
        .bind(environment.as_str())
        .fetch_optional(&self.reader)
        .await
        .map_err(|error| failed("read an environment", error))?;
        match id.and_then(|id| id.parse().ok()) {
            Some(id) => self.environment(id).await,
            None => Ok(None),
        }
    }

    /// Every environment.
    pub async fn environments(&self) -> Result<Vec<Environment>> {
        let rows = sqlx::query("SELECT * FROM environment ORDER BY project_id, name")
            .fetch_all(&self.reader)
            .await
            .map_err(|error| failed("read the environments", error))?;
        rows.iter().map(environment).collect()
    }

    /// An environment by its id, with its project.
    pub async fn environment(&self, id: EnvironmentId) -> Result<Option<(Project, Environment)>> {
        let row = sqlx::query("SELECT * FROM environment WHERE id = ?")
            .bind(text(id))
            .fetch_optional(&self.reader)
            .await
            .map_err(|error| failed("read an environment", error))?;
        let Some(row) = row else { return Ok(None) };
        let environment = environment(&row)?;
        let row = sqlx::query("SELECT * FROM project WHERE id = ?")
            .bind(text(environment.project))
            .fetch_one(&self.reader)
            .await
            .map_err(|error| failed("read a project", error))?;
        Ok(Some((project(&row)?, environment)))
    }
}

impl Tx {
    /// The project of this name.
    pub async fn project_by_name(&mut self, name: &Name) -> Result<Option<Project>> {
        let row = sqlx::query("SELECT * FROM project WHERE name = ?")
            .bind(name.as_str())
            .fetch_optional(&mut *self.inner)
            .await
            .map_err(|error| failed("read a project", error))?;
        row.as_ref().map(project).transpose()
    }

    /// The environment of this name in a project.
    pub async fn environment_by_name(
        &mut self,
        project: ProjectId,
        name: &Name,
    ) -> Result<Option<Environment>> {
        let row = sqlx::query("SELECT * FROM environment WHERE project_id = ? AND name = ?")
            .bind(text(project))
            .bind(name.as_str())
            .fetch_optional(&mut *self.inner)
            .await
            .map_err(|error| failed("read an environment", error))?;
        row.as_ref().map(environment).transpose()
    }

    /// The lowest network number that no environment has.
    pub async fn free_network(&mut self) -> Result<u16> {
        let taken: Vec<i64> = sqlx::query_scalar("SELECT network FROM environment ORDER BY network")
            .fetch_all(&mut *self.inner)
            .await
            .map_err(|error| failed("read the environments", error))?;
        Ok((0..u16::MAX).find(|n| taken.binary_search(&i64::from(*n)).is_err()).unwrap_or(u16::MAX))
    }

    /// Adds a project.
    pub async fn insert_project(&mut self, project: &Project) -> Result<()> {
        self.writes.add("insert_project");
        sqlx::query("INSERT INTO project (id, name, created_at) VALUES (?, ?, ?)")
            .bind(text(project.id))
            .bind(project.name.as_str())
            .bind(micros(project.created_at))
            .execute(&mut *self.inner)
            .await
            .map_err(|error| failed("write a project", error))?;
        Ok(())
    }

    /// Adds an environment.
    pub async fn insert_environment(&mut self, environment: &Environment) -> Result<()> {
        self.writes.add("insert_environment");
        sqlx::query(
            "INSERT INTO environment (id, project_id, name, network, created_at) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(text(environment.id))
        .bind(text(environment.project))
        .bind(environment.name.as_str())
        .bind(i64::from(environment.network))
        .bind(micros(environment.created_at))
        .execute(&mut *self.inner)
        .await
        .map_err(|error| failed("write an environment", error))?;
        Ok(())
    }
}

pub(crate) fn project(row: &SqliteRow) -> Result<Project> {
    Ok(Project { id: row.parsed("id")?, name: row.parsed("name")?, created_at: row.time("created_at")? })
}

pub(crate) fn environment(row: &SqliteRow) -> Result<Environment> {
    Ok(Environment {
        id: row.parsed("id")?,
        project: row.parsed("project_id")?,
        name: row.parsed("name")?,
        network: row.number("network")?,
        created_at: row.time("created_at")?,
    })
}
