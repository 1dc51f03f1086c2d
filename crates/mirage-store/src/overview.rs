//! The platform at a glance: which services there are, and how its deployments ended.

use std::fmt;

use mirage_core::{
    DeploymentId, EnvironmentId, Name, Phase, ProjectId, Reference, Repository, ResolvedImage, Result,
    ServiceId,
};

use sqlx::sqlite::SqliteRow;

use crate::column::{Columns, text};
use crate::store::{Store, Tx, failed};

/// A service by the names that lead to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePath {
    /// The service.
    pub id: ServiceId,
    /// Name of its project.
    pub project: Name,
    /// Name of its environment.
    pub environment: Name,
    /// Its name.
    pub name: Name,
}

impl fmt::Display for ServicePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.project, self.environment, self.name)
    }
}

/// A service with the image that it was asked to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageUser {
    /// The service.
    pub path: ServicePath,
    /// Its environment.
    pub environment: EnvironmentId,
    /// Its project.
    pub project: ProjectId,
    /// The image, as it was named.
    pub image: Reference,
}

/// A revision that may still have to run, and its image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptImage {
    /// The service.
    pub path: ServicePath,
    /// Number of the revision.
    pub revision: u32,
    /// Its image, as it was resolved.
    pub image: ResolvedImage,
    /// Whether a deployment of it is under way, which may still have to bring the image.
    pub moving: bool,
}

impl Store {
    /// Of the revisions that [`Store::kept_revisions`] answers with, those whose image may be in `repository`, by service,
    /// the newest first.
    pub async fn kept_images(&self, keep: u32, repository: &Repository) -> Result<Vec<KeptImage>> {
        let rows = sqlx::query(
            "SELECT s.id, p.name AS project, e.name AS environment, s.name, r.number, r.image,
                 EXISTS (SELECT 1 FROM deployment d WHERE d.service_id = r.service_id AND d.revision = r.number
                         AND d.phase NOT IN ('active', 'superseded', 'failed', 'cancelled')) AS moving
             FROM revision r JOIN service s ON s.id = r.service_id
             JOIN environment e ON e.id = s.environment_id JOIN project p ON p.id = e.project_id
             WHERE instr(r.image, ?2) > 0 AND s.removed = 0
               AND (r.number > (SELECT MAX(n.number) FROM revision n WHERE n.service_id = r.service_id) - ?1
                OR EXISTS (SELECT 1 FROM deployment d WHERE d.service_id = r.service_id AND d.revision = r.number
                           AND d.phase NOT IN ('superseded', 'failed', 'cancelled')))
             ORDER BY p.name, e.name, s.name, r.number DESC",
        )
        .bind(keep)
        .bind(format!("/{repository}"))
        .fetch_all(&self.reader)
        .await
        .map_err(|error| failed("read the revisions", error))?;
        let kept = |row: &SqliteRow| {
            Ok(KeptImage {
                path: path(row)?,
                revision: row.number("number")?,
                image: row.json("image")?,
                moving: row.number::<u8>("moving")? != 0,
            })
        };
        rows.iter().map(kept).collect()
    }

    /// Every service that is not on its way out, by project, environment and name.
    pub async fn service_paths(&self) -> Result<Vec<ServicePath>> {
        let rows = sqlx::query(
            "SELECT s.id, p.name AS project, e.name AS environment, s.name
             FROM service s JOIN environment e ON e.id = s.environment_id JOIN project p ON p.id = e.project_id
             WHERE s.removed = 0 ORDER BY p.name, e.name, s.name",
        )
        .fetch_all(&self.reader)
        .await
        .map_err(|error| failed("read the services", error))?;
        rows.iter().map(path).collect()
    }

    /// Every service that is not on its way out, with the image that it was asked to have, by project, environment and
    /// name.
    pub async fn image_users(&self) -> Result<Vec<ImageUser>> {
        let rows = sqlx::query(
            "SELECT s.id, p.name AS project, e.name AS environment, s.name, s.environment_id, e.project_id,
                 json_extract(s.spec, '$.source.image') AS image
             FROM service s JOIN environment e ON e.id = s.environment_id JOIN project p ON p.id = e.project_id
             WHERE s.removed = 0 ORDER BY p.name, e.name, s.name",
        )
        .fetch_all(&self.reader)
        .await
        .map_err(|error| failed("read the services", error))?;
        let user = |row: &SqliteRow| {
            Ok(ImageUser {
                path: path(row)?,
                environment: row.parsed("environment_id")?,
                project: row.parsed("project_id")?,
                image: row.parsed("image")?,
            })
        };
        rows.iter().map(user).collect()
    }

    /// How many deployments are in each phase that one is in.
    pub async fn deployments_by_phase(&self) -> Result<Vec<(Phase, u64)>> {
        let rows =
            sqlx::query("SELECT phase, COUNT(*) AS count FROM deployment GROUP BY phase ORDER BY phase")
                .fetch_all(&self.reader)
                .await
                .map_err(|error| failed("count the deployments", error))?;
        rows.iter().map(|row| Ok((row.word("phase")?, row.number("count")?))).collect()
    }
}

impl Tx {
    /// The image of a deployment's revision.
    pub async fn image_of_deployment(&mut self, id: DeploymentId) -> Result<Option<ResolvedImage>> {
        let row = sqlx::query(
            "SELECT r.image FROM deployment d
             JOIN revision r ON r.service_id = d.service_id AND r.number = d.revision WHERE d.id = ?",
        )
        .bind(text(id))
        .fetch_optional(&mut *self.inner)
        .await
        .map_err(|error| failed("read a revision", error))?;
        row.map(|row| row.json("image")).transpose()
    }
}

/// A service of a row with `id`, `project`, `environment` and `name`.
pub(crate) fn path(row: &SqliteRow) -> Result<ServicePath> {
    Ok(ServicePath {
        id: row.parsed("id")?,
        project: row.parsed("project")?,
        environment: row.parsed("environment")?,
        name: row.parsed("name")?,
    })
}
