//! Services.

use mirage_core::{EnvironmentId, Name, Result, Service, ServiceId};
use sqlx::sqlite::SqliteRow;

use crate::column::{Columns, micros, text, to_json};
use crate::store::{Store, Tx, failed};

const HOST_IS_TAKEN: &str = "SELECT EXISTS (SELECT 1 FROM service WHERE host = ?)";

/// Which services of a list are wanted.
#[derive(Clone, Debug, Default)]
pub struct ServiceFilter {
    /// Only of this environment.
    pub environment: Option<EnvironmentId>,
    /// Only of this name.
    pub name: Option<Name>,
    /// Only those whose name has this in it.
    pub part: Option<String>,
}

/// Which part of a list is wanted. Lists are ordered by name, then id.
#[derive(Clone, Debug)]
pub struct Page {
    /// Only what follows this name and id.
    pub after: Option<(Name, ServiceId)>,
    /// At most so many.
    pub limit: u32,
}

impl Store {
    /// A service by its id.
    pub async fn service(&self, id: ServiceId) -> Result<Option<Service>> {
        let row = sqlx::query("SELECT * FROM service WHERE id = ?")
            .bind(text(id))
            .fetch_optional(&self.reader)
            .await
            .map_err(|error| failed("read a service", error))?;
        row.as_ref().map(service).transpose()
    }

    /// The service of this name in this environment of this project.
    pub async fn service_at(
        &self,
        project: &Name,
        environment: &Name,
        name: &Name,
    ) -> Result<Option<Service>> {
        let row = sqlx::query(
            "SELECT service.* FROM service
             JOIN environment ON environment.id = service.environment_id
             JOIN project ON project.id = environment.project_id
             WHERE project.name = ? AND environment.name = ? AND service.name = ?",
        )
        .bind(project.as_str())
        .bind(environment.as_str())
        .bind(name.as_str())
        .fetch_optional(&self.reader)
        .await
        .map_err(|error| failed("read a service", error))?;
        row.as_ref().map(service).transpose()
    }

    /// A page of services.
    pub async fn services(&self, filter: &ServiceFilter, page: &Page) -> Result<Vec<Service>> {
        let (after_name, after_id) = match &page.after {
            Some((name, id)) => (name.as_str().to_owned(), text(id)),
            None => (String::new(), String::new()),
        };
        let rows = sqlx::query(
            "SELECT * FROM service
             WHERE (?1 IS NULL OR environment_id = ?1) AND (?2 IS NULL OR name = ?2)
                 AND (?3 IS NULL OR instr(name, ?3) > 0) AND (name, id) > (?4, ?5)
             ORDER BY name, id LIMIT ?6",
        )
        .bind(filter.environment.map(text))
        .bind(filter.name.as_ref().map(|name| name.as_str().to_owned()))
        .bind(filter.part.clone())
        .bind(after_name)
        .bind(after_id)
        .bind(page.limit)
        .fetch_all(&self.reader)
        .await
        .map_err(|error| failed("read the services", error))?;
        rows.iter().map(service).collect()
    }

    /// The services that are deployed by themselves when their tag is pushed.
    pub async fn auto_deployed(&self) -> Result<Vec<Service>> {
        let rows = sqlx::query(
            "SELECT * FROM service WHERE removed = 0 AND json_extract(spec, '$.auto_deploy') = 1",
        )
        .fetch_all(&self.reader)
        .await
        .map_err(|error| failed("read the services", error))?;
        rows.iter().map(service).collect()
    }

    /// Whether a service answers at this host, without a decision.
    pub async fn host_is_taken(&self, host: &str) -> Result<bool> {
        sqlx::query_scalar(HOST_IS_TAKEN)
            .bind(host.to_owned())
            .fetch_one(&self.reader)
            .await
            .map_err(|error| failed("read the hosts", error))
    }

    /// The id of every service.
    pub async fn service_ids(&self) -> Result<Vec<ServiceId>> {
        let rows = sqlx::query("SELECT id FROM service")
            .fetch_all(&self.reader)
            .await
            .map_err(|error| failed("read the services", error))?;
        rows.iter().map(|row| row.parsed("id")).collect()
    }
}

impl Tx {
    /// A service by its id.
    pub async fn service(&mut self, id: ServiceId) -> Result<Option<Service>> {
        let row = sqlx::query("SELECT * FROM service WHERE id = ?")
            .bind(text(id))
            .fetch_optional(&mut *self.inner)
            .await
            .map_err(|error| failed("read a service", error))?;
        row.as_ref().map(service).transpose()
    }

    /// The service of this name in an environment.
    pub async fn service_by_name(
        &mut self,
        environment: EnvironmentId,
        name: &Name,
    ) -> Result<Option<Service>> {
        let row = sqlx::query("SELECT * FROM service WHERE environment_id = ? AND name = ?")
            .bind(text(environment))
            .bind(name.as_str())
            .fetch_optional(&mut *self.inner)
            .await
            .map_err(|error| failed("read a service", error))?;
        row.as_ref().map(service).transpose()
    }

    /// Whether a service answers at this host.
    pub async fn host_is_taken(&mut self, host: &str) -> Result<bool> {
        sqlx::query_scalar(HOST_IS_TAKEN)
            .bind(host.to_owned())
            .fetch_one(&mut *self.inner)
            .await
            .map_err(|error| failed("read the hosts", error))
    }

    /// Adds a service.
    pub async fn insert_service(&mut self, service: &Service) -> Result<()> {
        self.writes.add("insert_service");
        sqlx::query(
            "INSERT INTO service (id, environment_id, name, host, spec, replicas, generation, auto_deploy_paused, removed, created_at, updated_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(text(service.id))
        .bind(text(service.environment))
        .bind(service.name.as_str())
        .bind(&service.host)
        .bind(to_json(&service.spec)?)
        .bind(service.replicas)
        .bind(service.generation.cast_signed())
        .bind(service.auto_deploy_paused)
        .bind(service.removed)
        .bind(micros(service.created_at))
        .bind(micros(service.updated_at))
        .execute(&mut *self.inner)
        .await
        .map_err(|error| failed("write a service", error))?;
        Ok(())
    }

    /// Writes what may change about a service.
    pub async fn update_service(&mut self, service: &Service) -> Result<()> {
        self.writes.add("update_service");
        sqlx::query("UPDATE service SET spec = ?, replicas = ?, generation = ?, auto_deploy_paused = ?, removed = ?, updated_at = ? WHERE id = ?")
            .bind(to_json(&service.spec)?)
            .bind(service.replicas)
            .bind(service.generation.cast_signed())
            .bind(service.auto_deploy_paused)
            .bind(service.removed)
            .bind(micros(service.updated_at))
            .bind(text(service.id))
            .execute(&mut *self.inner)
            .await
            .map_err(|error| failed("write a service", error))?;
        Ok(())
    }

    /// Deletes a service with its revisions, deployments and instances. Its events stay.
    pub async fn delete_service(&mut self, id: ServiceId) -> Result<()> {
        self.writes.add("delete_service");
        sqlx::query("DELETE FROM service WHERE id = ?")
            .bind(text(id))
            .execute(&mut *self.inner)
            .await
            .map_err(|error| failed("delete a service", error))?;
        Ok(())
    }
}

fn service(row: &SqliteRow) -> Result<Service> {
    Ok(Service {
        id: row.parsed("id")?,
        environment: row.parsed("environment_id")?,
        name: row.parsed("name")?,
        host: row.raw("host")?,
        spec: row.json("spec")?,
        replicas: row.number("replicas")?,
        generation: row.number("generation")?,
        auto_deploy_paused: row.raw("auto_deploy_paused")?,
        removed: row.raw("removed")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
