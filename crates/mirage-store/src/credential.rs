//! Credentials, their passwords sealed.

use mirage_core::{
    Credential, CredentialId, CredentialOwner, CredentialScope, EnvironmentId, Name, ProjectId, Result,
    Sealed, ServiceId,
};
use sqlx::sqlite::SqliteRow;

use crate::column::{Columns, micros, text};
use crate::store::{Store, Tx, failed};

const READING: &str = "read the credentials";

/// A place in the list of credentials: registry, repository or nothing, id.
pub type CredentialPosition = (String, String, CredentialId);

/// A credential in a list, with the names of what it belongs to.
#[derive(Clone, Debug)]
pub struct ListedCredential {
    /// The credential.
    pub credential: Credential,
    /// Its project.
    pub project: Name,
    /// Its environment, where it is for one alone.
    pub environment: Option<Name>,
    /// Its service, where it is for one alone.
    pub service: Option<Name>,
}

/// The question for credentials with what they belong to.
const LISTED: &str =
    "SELECT credential.*, service.name AS service_name, environment.name AS environment_name,
         project.name AS project_name
     FROM credential
     LEFT JOIN service ON service.id = credential.service_id
     LEFT JOIN environment ON environment.id = coalesce(credential.environment_id, service.environment_id)
     JOIN project ON project.id = coalesce(credential.project_id, environment.project_id)";

impl Store {
    /// What a service may pull with: its own credential, those of its environment and of its project.
    pub async fn credentials_for(&self, service: ServiceId) -> Result<Vec<Credential>> {
        let rows = sqlx::query(
            "SELECT credential.* FROM credential
             JOIN service ON service.id = ?1
             JOIN environment ON environment.id = service.environment_id
             WHERE credential.service_id = service.id OR credential.environment_id = environment.id
                OR credential.project_id = environment.project_id",
        )
        .bind(text(service))
        .fetch_all(&self.reader)
        .await
        .map_err(|error| failed(READING, error))?;
        rows.iter().map(credential).collect()
    }

    /// The credentials that services of an environment share, and those of its project.
    pub async fn shared_credentials(
        &self,
        project: ProjectId,
        environment: Option<EnvironmentId>,
    ) -> Result<Vec<Credential>> {
        let rows = sqlx::query(
            "SELECT * FROM credential WHERE project_id = ?1 OR environment_id = ?2 ORDER BY host, prefix, id",
        )
        .bind(text(project))
        .bind(environment.map(text))
        .fetch_all(&self.reader)
        .await
        .map_err(|error| failed(READING, error))?;
        rows.iter().map(credential).collect()
    }

    /// At most so many credentials by registry, repository and id, from the one that follows these on.
    pub async fn credential_page(
        &self,
        after: Option<&CredentialPosition>,
        limit: u32,
    ) -> Result<Vec<ListedCredential>> {
        let (host, prefix, id) =
            after.cloned().map_or_else(Default::default, |(host, prefix, id)| (host, prefix, text(id)));
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
            "{LISTED} WHERE (credential.host, credential.prefix, credential.id) > (?, ?, ?)
             ORDER BY credential.host, credential.prefix, credential.id LIMIT ?",
        )))
        .bind(host)
        .bind(prefix)
        .bind(id)
        .bind(limit)
        .fetch_all(&self.reader)
        .await
        .map_err(|error| failed(READING, error))?;
        rows.iter().map(listed).collect()
    }

    /// One credential.
    pub async fn listed_credential(&self, id: CredentialId) -> Result<Option<ListedCredential>> {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("{LISTED} WHERE credential.id = ?")))
            .bind(text(id))
            .fetch_optional(&self.reader)
            .await
            .map_err(|error| failed(READING, error))?;
        row.as_ref().map(listed).transpose()
    }

    /// The service's own credential.
    pub async fn own_credential(&self, service: ServiceId) -> Result<Option<Credential>> {
        let row = sqlx::query("SELECT * FROM credential WHERE service_id = ?")
            .bind(text(service))
            .fetch_optional(&self.reader)
            .await
            .map_err(|error| failed(READING, error))?;
        row.as_ref().map(credential).transpose()
    }

    /// A credential with its sealed password, as both are now.
    pub async fn sealed_credential(&self, id: CredentialId) -> Result<Option<(Credential, Sealed)>> {
        let row = sqlx::query("SELECT * FROM credential WHERE id = ?")
            .bind(text(id))
            .fetch_optional(&self.reader)
            .await
            .map_err(|error| failed(READING, error))?;
        row.as_ref().map(|row| Ok((credential(row)?, Sealed::new(row.raw("password")?)))).transpose()
    }
}

impl Tx {
    /// The service's own credential.
    pub async fn own_credential(&mut self, service: ServiceId) -> Result<Option<Credential>> {
        let row = sqlx::query("SELECT * FROM credential WHERE service_id = ?")
            .bind(text(service))
            .fetch_optional(&mut *self.inner)
            .await
            .map_err(|error| failed(READING, error))?;
        row.as_ref().map(credential).transpose()
    }

    /// The credential of this scope for this registry and prefix.
    pub async fn credential_at(&mut self, like: &Credential) -> Result<Option<Credential>> {
        let (service, environment, project) = columns(like.scope);
        let row = sqlx::query(
            "SELECT * FROM credential WHERE service_id IS ?1 AND environment_id IS ?2 AND project_id IS ?3
             AND (service_id IS NOT NULL OR (host = ?4 AND prefix = ?5))",
        )
        .bind(service)
        .bind(environment)
        .bind(project)
        .bind(like.owner.host.as_str())
        .bind(prefix(like))
        .fetch_optional(&mut *self.inner)
        .await
        .map_err(|error| failed(READING, error))?;
        row.as_ref().map(credential).transpose()
    }

    /// Writes a credential, over the one with its id where there is one.
    pub async fn set_credential(&mut self, credential: &Credential, password: &Sealed) -> Result<()> {
        self.writes.add("set_credential");
        let (service, environment, project) = columns(credential.scope);
        sqlx::query(
            "INSERT INTO credential
                 (id, service_id, environment_id, project_id, host, prefix, username, password, created_at, updated_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (id) DO UPDATE SET host = excluded.host, prefix = excluded.prefix,
                 username = excluded.username, password = excluded.password, updated_at = excluded.updated_at",
        )
        .bind(text(credential.id))
        .bind(service)
        .bind(environment)
        .bind(project)
        .bind(credential.owner.host.as_str().to_owned())
        .bind(prefix(credential))
        .bind(&credential.owner.username)
        .bind(password.record().to_vec())
        .bind(micros(credential.created_at))
        .bind(micros(credential.updated_at))
        .execute(&mut *self.inner)
        .await
        .map_err(|error| failed("write a credential", error))?;
        Ok(())
    }

    /// Forgets a credential; says whether there was one.
    pub async fn remove_credential(&mut self, id: CredentialId) -> Result<bool> {
        self.writes.add("remove_credential");
        let done = sqlx::query("DELETE FROM credential WHERE id = ?")
            .bind(text(id))
            .execute(&mut *self.inner)
            .await
            .map_err(|error| failed("remove a credential", error))?;
        Ok(done.rows_affected() > 0)
    }
}

fn columns(scope: CredentialScope) -> (Option<String>, Option<String>, Option<String>) {
    match scope {
        CredentialScope::Service(id) => (Some(text(id)), None, None),
        CredentialScope::Environment(id) => (None, Some(text(id)), None),
        CredentialScope::Project(id) => (None, None, Some(text(id))),
    }
}

fn prefix(credential: &Credential) -> String {
    credential.prefix.as_ref().map(text).unwrap_or_default()
}

pub(crate) fn credential(row: &SqliteRow) -> Result<Credential> {
    let service = row.maybe_parsed("service_id")?.map(CredentialScope::Service);
    let environment = row.maybe_parsed("environment_id")?.map(CredentialScope::Environment);
    let scope = match service.or(environment) {
        Some(scope) => scope,
        None => CredentialScope::Project(row.parsed("project_id")?),
    };
    let prefix: String = row.raw("prefix")?;
    let prefix = if prefix.is_empty() { None } else { Some(row.parsed("prefix")?) };
    Ok(Credential {
        id: row.parsed("id")?,
        scope,
        owner: CredentialOwner { host: row.parsed("host")?, username: row.raw("username")? },
        prefix,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

fn listed(row: &SqliteRow) -> Result<ListedCredential> {
    Ok(ListedCredential {
        credential: credential(row)?,
        project: row.parsed("project_name")?,
        environment: row.maybe_parsed("environment_name")?,
        service: row.maybe_parsed("service_name")?,
    })
}
