//! Domains and the services they belong to.

use mirage_core::{CertificateSource, Domain, DomainRecord, Result, ServiceId};
use sqlx::sqlite::SqliteRow;

use crate::column::{Columns, micros, text, to_word};
use crate::store::{Store, Tx, failed};

const READING: &str = "read the domains";

impl Store {
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
