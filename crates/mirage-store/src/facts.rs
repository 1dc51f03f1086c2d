//! What belongs to services, read for a whole page of them at once.

use std::collections::HashMap;

use mirage_core::{
    CredentialOwner, Deployment, Domain, Environment, EnvironmentId, Instance, Phase, Project, Result,
    Revision, Service, ServiceId,
};

use crate::column::{Columns, text, to_json};
use crate::deployment::CURRENT;
use crate::store::{Store, failed};

/// What belongs to a service.
#[derive(Clone, Debug, Default)]
pub struct ServiceFacts {
    /// What serves.
    pub active: Option<Deployment>,
    /// What is on its way: the oldest that moves.
    pub candidate: Option<Deployment>,
    /// The newest deployment, whatever became of it.
    pub newest: Option<Deployment>,
    /// The revision of the first of these three that is there.
    pub revision: Option<Revision>,
    /// The instances that have not ended, oldest first.
    pub instances: Vec<Instance>,
    /// Whose credential of its own it pulls with.
    pub credential: Option<CredentialOwner>,
    /// Its domains, by name.
    pub domains: Vec<Domain>,
}

/// What belongs to several services, and where they are.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// By service.
    pub services: HashMap<ServiceId, ServiceFacts>,
    /// The environments of these services, with their projects.
    pub places: HashMap<EnvironmentId, (Project, Environment)>,
}

impl Store {
    /// What belongs to these services. Costs as many questions for a page as for one of them.
    pub async fn facts(&self, of: &[Service]) -> Result<Facts> {
        let ids = to_json(&of.iter().map(|service| text(service.id)).collect::<Vec<_>>())?;
        let mut facts = Facts { services: HashMap::new(), places: self.places(of).await? };
        for deployment in self.current_of(&ids).await? {
            facts.services.entry(deployment.service).or_default().add_current(deployment);
        }
        for deployment in self.newest_of(&ids).await? {
            let own = facts.services.entry(deployment.service).or_default();
            own.newest = Some(deployment);
        }
        let shown = facts.services.values().filter_map(ServiceFacts::shown).collect::<Vec<_>>();
        for revision in self.revisions_of(&shown).await? {
            let own = facts.services.entry(revision.service).or_default();
            own.revision = Some(revision);
        }
        for instance in self.alive_of(&ids).await? {
            facts.services.entry(instance.service).or_default().instances.push(instance);
        }
        self.add_credentials(&ids, &mut facts).await?;
        self.add_domains(&ids, &mut facts).await?;
        Ok(facts)
    }

    /// What serves and what is on its way, with their steps: `(active, candidate)`. The candidate is the oldest that
    /// moves; others wait behind it.
    pub async fn current_deployments(
        &self,
        service: ServiceId,
    ) -> Result<(Option<Deployment>, Option<Deployment>)> {
        let mut own = ServiceFacts::default();
        for deployment in self.current_of(&to_json(&[text(service)])?).await? {
            own.add_current(deployment);
        }
        Ok((own.active, own.candidate))
    }

    async fn places(&self, of: &[Service]) -> Result<HashMap<EnvironmentId, (Project, Environment)>> {
        let ids = to_json(&of.iter().map(|service| text(service.environment)).collect::<Vec<_>>())?;
        let rows = sqlx::query("SELECT * FROM environment WHERE id IN (SELECT value FROM json_each(?))")
            .bind(ids.clone())
            .fetch_all(&self.reader)
            .await
            .map_err(|error| failed("read the environments", error))?;
        let environments = rows.iter().map(crate::project::environment).collect::<Result<Vec<_>>>()?;
        let rows = sqlx::query(
            "SELECT * FROM project WHERE id IN (
                 SELECT project_id FROM environment WHERE id IN (SELECT value FROM json_each(?)))",
        )
        .bind(ids)
        .fetch_all(&self.reader)
        .await
        .map_err(|error| failed("read the projects", error))?;
        let projects = rows.iter().map(crate::project::project).collect::<Result<Vec<_>>>()?;
        let with_project = |environment: Environment| {
            let project = projects.iter().find(|project| project.id == environment.project)?;
            Some((environment.id, (project.clone(), environment)))
        };
        Ok(environments.into_iter().filter_map(with_project).collect())
    }

    /// The deployments that serve or are on their way, those that wait for their turn last.
    async fn current_of(&self, ids: &str) -> Result<Vec<Deployment>> {
        let rows = sqlx::query(sqlx::AssertSqlSafe(current()))
            .bind(ids.to_owned())
            .fetch_all(&self.reader)
            .await
            .map_err(|error| failed("read the deployments", error))?;
        self.with_steps(rows.iter().map(crate::deployment::deployment).collect::<Result<_>>()?).await
    }

    async fn newest_of(&self, ids: &str) -> Result<Vec<Deployment>> {
        let rows = sqlx::query(
            "SELECT d.* FROM json_each(?) i JOIN deployment d
             ON d.rowid = (SELECT MAX(n.rowid) FROM deployment n WHERE n.service_id = i.value)",
        )
        .bind(ids.to_owned())
        .fetch_all(&self.reader)
        .await
        .map_err(|error| failed("read the deployments", error))?;
        self.with_steps(rows.iter().map(crate::deployment::deployment).collect::<Result<_>>()?).await
    }

    async fn revisions_of(&self, wanted: &[(String, u32)]) -> Result<Vec<Revision>> {
        let rows = sqlx::query(
            "SELECT r.* FROM json_each(?) i JOIN revision r
             ON r.service_id = json_extract(i.value, '$[0]') AND r.number = json_extract(i.value, '$[1]')",
        )
        .bind(to_json(&wanted)?)
        .fetch_all(&self.reader)
        .await
        .map_err(|error| failed("read the revisions", error))?;
        rows.iter().map(crate::revision::revision).collect()
    }

    async fn alive_of(&self, ids: &str) -> Result<Vec<Instance>> {
        let rows = sqlx::query(
            "SELECT n.* FROM json_each(?) i JOIN instance n ON n.service_id = i.value
             WHERE n.exit IS NULL ORDER BY n.rowid",
        )
        .bind(ids.to_owned())
        .fetch_all(&self.reader)
        .await
        .map_err(|error| failed("read the instances", error))?;
        rows.iter().map(crate::instance::instance).collect()
    }

    async fn add_credentials(&self, ids: &str, facts: &mut Facts) -> Result<()> {
        let rows = sqlx::query(
            "SELECT service_id, host, username FROM credential WHERE service_id IN (SELECT value FROM json_each(?))",
        )
        .bind(ids.to_owned())
        .fetch_all(&self.reader)
        .await
        .map_err(|error| failed("read the credentials", error))?;
        for row in &rows {
            let owner = CredentialOwner { host: row.parsed("host")?, username: row.raw("username")? };
            facts.services.entry(row.parsed("service_id")?).or_default().credential = Some(owner);
        }
        Ok(())
    }

    async fn add_domains(&self, ids: &str, facts: &mut Facts) -> Result<()> {
        let rows = sqlx::query(
            "SELECT service_id, name FROM domain WHERE service_id IN (SELECT value FROM json_each(?)) ORDER BY name",
        )
        .bind(ids.to_owned())
        .fetch_all(&self.reader)
        .await
        .map_err(|error| failed("read the domains", error))?;
        for row in &rows {
            facts.services.entry(row.parsed("service_id")?).or_default().domains.push(row.parsed("name")?);
        }
        Ok(())
    }
}

/// The question for deployments of services that are not at an end, in the order in which they get their turn.
pub(crate) fn current() -> String {
    format!(
        "SELECT d.* FROM json_each(?) i JOIN deployment d ON d.service_id = i.value
         WHERE d.phase IN {CURRENT} ORDER BY d.phase = 'queued', d.rowid"
    )
}

impl ServiceFacts {
    /// Takes those that are not at an end, in the order in which they get their turn.
    fn add_current(&mut self, deployment: Deployment) {
        match deployment.phase {
            Phase::Active => self.active = Some(deployment),
            _ if self.candidate.is_none() => self.candidate = Some(deployment),
            _ => {}
        }
    }

    fn shown(&self) -> Option<(String, u32)> {
        let shown = self.active.as_ref().or(self.candidate.as_ref()).or(self.newest.as_ref())?;
        Some((text(shown.service), shown.revision))
    }
}
