//! Domains and the services they belong to.

use mirage_core::{CertificateSource, CertificateStatus, Domain, DomainRecord, Name, Result, ServiceId};
use sqlx::sqlite::SqliteRow;

use crate::certificate::status;
use crate::column::{Columns, micros, text, to_word};
use crate::store::{Store, Tx, failed};

const READING: &str = "read the domains";

/// A domain in a list, with what it belongs to and how its certificate stands.
#[derive(Clone, Debug)]
pub struct ListedDomain {
    /// The domain.
    pub record: DomainRecord,
    /// Its service.
    pub service: Name,
    /// The project of the service.
    pub project: Name,
    /// The environment of the service.
    pub environment: Name,
    /// How its certificate stands.
    pub certificate: CertificateStatus,
}

/// The question for domains with what belongs to them.
const LISTED: &str = "SELECT domain.*, service.name AS service_name, project.name AS project_name,
         environment.name AS environment_name, certificate.issued_at, certificate.expires_at,
         certificate.next_renewal_at, certificate.last_error, certificate.last_tried_at
     FROM domain
     JOIN service ON service.id = domain.service_id
     JOIN environment ON environment.id = service.environment_id
     JOIN project ON project.id = environment.project_id
     LEFT JOIN certificate ON certificate.domain = domain.name";

impl Store {
    /// At most so many domains by name, all or those of one service, from the one that follows `after` on.
    pub async fn domain_page(
        &self,
        service: Option<ServiceId>,
        after: Option<&Domain>,
        limit: u32,
    ) -> Result<Vec<ListedDomain>> {
        let of = if service.is_some() { "domain.service_id = ?3 AND" } else { "" };
        let sql = format!("{LISTED} WHERE {of} domain.name > ?1 ORDER BY domain.name LIMIT ?2");
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(after.map(|after| after.as_str().to_owned()).unwrap_or_default())
            .bind(limit);
        if let Some(service) = service {
            query = query.bind(text(service));
        }
        let rows = query.fetch_all(&self.reader).await.map_err(|error| failed(READING, error))?;
        rows.iter().map(listed).collect()
    }

    /// One domain.
    pub async fn listed_domain(&self, name: &Domain) -> Result<Option<ListedDomain>> {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("{LISTED} WHERE domain.name = ?")))
            .bind(name.as_str().to_owned())
            .fetch_optional(&self.reader)
            .await
            .map_err(|error| failed(READING, error))?;
        row.as_ref().map(listed).transpose()
    }

    /// Every domain, or those of one service; by name.
    pub async fn domains(&self, service: Option<ServiceId>) -> Result<Vec<DomainRecord>> {
        let rows = sqlx::query("SELECT * FROM domain WHERE ?1 IS NULL OR service_id = ?1 ORDER BY name")
            .bind(service.map(text))
            .fetch_all(&self.reader)
            .await
            .map_err(|error| failed(READING, error))?;
        rows.iter().map(domain).collect()
    }

    /// One domain.
    pub async fn domain(&self, name: &Domain) -> Result<Option<DomainRecord>> {
        let row = sqlx::query("SELECT * FROM domain WHERE name = ?")
            .bind(name.as_str().to_owned())
            .fetch_optional(&self.reader)
            .await
            .map_err(|error| failed(READING, error))?;
        row.as_ref().map(domain).transpose()
    }
}

impl Tx {
    /// One domain.
    pub async fn domain(&mut self, name: &Domain) -> Result<Option<DomainRecord>> {
        let row = sqlx::query("SELECT * FROM domain WHERE name = ?")
            .bind(name.as_str().to_owned())
            .fetch_optional(&mut *self.inner)
            .await
            .map_err(|error| failed(READING, error))?;
        row.as_ref().map(domain).transpose()
    }

    /// How many domains a service has.
    pub async fn domain_count(&mut self, service: ServiceId) -> Result<u32> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM domain WHERE service_id = ?")
            .bind(text(service))
            .fetch_one(&mut *self.inner)
            .await
            .map_err(|error| failed(READING, error))?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// Gives a domain to a service, or changes what holds for it.
    pub async fn set_domain(&mut self, record: &DomainRecord) -> Result<()> {
        self.writes.add("set_domain");
        sqlx::query(
            "INSERT INTO domain (name, service_id, redirect_https, certificate, created_at) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (name) DO UPDATE SET redirect_https = excluded.redirect_https,
                 certificate = excluded.certificate",
        )
        .bind(record.domain.as_str().to_owned())
        .bind(text(record.service))
        .bind(record.redirect_https)
        .bind(to_word(&record.certificate)?)
        .bind(micros(record.created_at))
        .execute(&mut *self.inner)
        .await
        .map_err(|error| failed("write a domain", error))?;
        Ok(())
    }

    /// Takes a domain away with its certificate; says whether there was one.
    pub async fn remove_domain(&mut self, name: &Domain) -> Result<bool> {
        self.writes.add("remove_domain");
        let done = sqlx::query("DELETE FROM domain WHERE name = ?")
            .bind(name.as_str().to_owned())
            .execute(&mut *self.inner)
            .await
            .map_err(|error| failed("remove a domain", error))?;
        Ok(done.rows_affected() > 0)
    }
}

fn domain(row: &SqliteRow) -> Result<DomainRecord> {
    Ok(DomainRecord {
        domain: row.parsed("name")?,
        service: row.parsed("service_id")?,
        redirect_https: row.raw("redirect_https")?,
        certificate: row.word::<CertificateSource>("certificate")?,
        created_at: row.time("created_at")?,
    })
}

fn listed(row: &SqliteRow) -> Result<ListedDomain> {
    Ok(ListedDomain {
        record: domain(row)?,
        service: row.parsed("service_name")?,
        project: row.parsed("project_name")?,
        environment: row.parsed("environment_name")?,
        certificate: status(row)?,
    })
}
