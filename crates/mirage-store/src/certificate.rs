//! Certificates of domains and accounts at certificate authorities, their keys sealed.

use jiff::Timestamp;
use mirage_core::{CertificateStatus, Domain, Result, Sealed};
use sqlx::sqlite::SqliteRow;

use crate::column::{Columns, micros};
use crate::store::{Store, Tx, failed};

const READING: &str = "read the certificates";

/// The certificate of a domain, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRecord {
    /// For whom.
    pub domain: Domain,
    /// The chain as PEM and the sealed key, where there is one.
    pub kept: Option<(String, Sealed)>,
    /// How it stands.
    pub status: CertificateStatus,
    /// Attempts in a row that failed.
    pub failures: u32,
    /// The key that the next one is ordered for, sealed, and the address of the order where it has one.
    pub order: Option<(Sealed, Option<String>)>,
}

impl CertificateRecord {
    /// That there is none yet.
    pub fn none(domain: Domain) -> Self {
        Self { domain, kept: None, status: CertificateStatus::default(), failures: 0, order: None }
    }

    /// What the key is sealed for.
    pub fn key_binding(domain: &Domain) -> String {
        format!("certificate/{domain}")
    }

    /// What the key of an order is sealed for.
    pub fn order_binding(domain: &Domain) -> String {
        format!("certificate-order/{domain}")
    }

    /// What an account is sealed for.
    pub fn account_binding(directory: &str) -> String {
        format!("acme-account/{directory}")
    }
}

impl Store {
    /// Every certificate there is, and every domain that waits for one.
    pub async fn certificates(&self) -> Result<Vec<CertificateRecord>> {
        let rows = sqlx::query("SELECT * FROM certificate ORDER BY domain")
            .fetch_all(&self.reader)
            .await
            .map_err(|error| failed(READING, error))?;
        rows.iter().map(certificate).collect()
    }

    /// The certificate of a domain.
    pub async fn certificate(&self, domain: &Domain) -> Result<Option<CertificateRecord>> {
        let row = sqlx::query("SELECT * FROM certificate WHERE domain = ?")
            .bind(domain.as_str().to_owned())
            .fetch_optional(&self.reader)
            .await
            .map_err(|error| failed(READING, error))?;
        row.as_ref().map(certificate).transpose()
    }

    /// The account at a certificate authority, sealed.
    pub async fn acme_account(&self, directory: &str) -> Result<Option<Sealed>> {
        let record: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT account FROM acme_account WHERE directory = ?")
                .bind(directory.to_owned())
                .fetch_optional(&self.reader)
                .await
                .map_err(|error| failed("read an account", error))?;
        Ok(record.map(Sealed::new))
    }
}

impl Tx {
    /// Every certificate there is.
    pub(crate) async fn certificates(&mut self) -> Result<Vec<CertificateRecord>> {
        let rows = sqlx::query("SELECT * FROM certificate").fetch_all(&mut *self.inner).await;
        rows.map_err(|error| failed(READING, error))?.iter().map(certificate).collect()
    }

    /// The certificate of a domain.
    pub async fn certificate(&mut self, domain: &Domain) -> Result<Option<CertificateRecord>> {
        let row = sqlx::query("SELECT * FROM certificate WHERE domain = ?")
            .bind(domain.as_str().to_owned())
            .fetch_optional(&mut *self.inner)
            .await
            .map_err(|error| failed(READING, error))?;
        row.as_ref().map(certificate).transpose()
    }

    /// Writes how the certificate of a domain stands over what was there.
    pub async fn set_certificate(&mut self, record: &CertificateRecord) -> Result<()> {
        self.writes.add("set_certificate");
        let CertificateRecord { domain, kept, status, failures, order } = record;
        let sealed = |sealed: &Sealed| sealed.record().to_vec();
        sqlx::query(
            "INSERT OR REPLACE INTO certificate
                 (domain, chain, private_key, issued_at, expires_at, next_renewal_at, last_error, last_tried_at,
                  failures, order_url, order_key)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(domain.as_str().to_owned())
        .bind(kept.as_ref().map(|(chain, _)| chain.clone()))
        .bind(kept.as_ref().map(|(_, key)| sealed(key)))
        .bind(status.issued_at.map(micros))
        .bind(status.expires_at.map(micros))
        .bind(status.next_renewal_at.map(micros))
        .bind(status.last_error.clone())
        .bind(status.last_tried_at.map(micros))
        .bind(i64::from(*failures))
        .bind(order.as_ref().and_then(|(_, url)| url.clone()))
        .bind(order.as_ref().map(|(key, _)| sealed(key)))
        .execute(&mut *self.inner)
        .await
        .map_err(|error| failed("write a certificate", error))?;
        Ok(())
    }

    /// Every account at a certificate authority, with the address of its directory.
    pub(crate) async fn acme_accounts(&mut self) -> Result<Vec<(String, Sealed)>> {
        let rows =
            sqlx::query("SELECT directory, account FROM acme_account").fetch_all(&mut *self.inner).await;
        let rows = rows.map_err(|error| failed("read the accounts", error))?;
        rows.iter().map(|row| Ok((row.raw("directory")?, Sealed::new(row.raw("account")?)))).collect()
    }

    /// The same account, sealed anew.
    pub(crate) async fn reseal_acme_account(&mut self, directory: &str, account: &Sealed) -> Result<()> {
        sqlx::query("UPDATE acme_account SET account = ? WHERE directory = ?")
            .bind(account.record().to_vec())
            .bind(directory.to_owned())
            .execute(&mut *self.inner)
            .await
            .map_err(|error| failed("write an account", error))?;
        Ok(())
    }

    /// Keeps the account at a certificate authority.
    pub async fn set_acme_account(
        &mut self,
        directory: &str,
        account: &Sealed,
        now: Timestamp,
    ) -> Result<()> {
        self.writes.add("set_acme_account");
        sqlx::query(
            "INSERT INTO acme_account (directory, account, created_at) VALUES (?, ?, ?)
             ON CONFLICT (directory) DO UPDATE SET account = excluded.account",
        )
        .bind(directory.to_owned())
        .bind(account.record().to_vec())
        .bind(micros(now))
        .execute(&mut *self.inner)
        .await
        .map_err(|error| failed("write an account", error))?;
        Ok(())
    }

    /// Gives up every key and account, and answers with their number. Domains stay; those whose certificates come
    /// from an authority ask for new ones `now`, the others say what is missing.
    pub(crate) async fn give_up_certificates(&mut self, now: Timestamp) -> Result<u64> {
        let cannot = |error| failed("remove the certificates", error);
        let accounts = sqlx::query("DELETE FROM acme_account").execute(&mut *self.inner).await;
        let keys = sqlx::query(
            "UPDATE certificate SET
                 next_renewal_at = CASE (SELECT certificate FROM domain WHERE name = certificate.domain)
                     WHEN 'acme' THEN ? END,
                 last_error = 'its key was given up with that of the vault',
                 chain = NULL, private_key = NULL, issued_at = NULL, expires_at = NULL, failures = 0,
                 order_url = NULL, order_key = NULL
             WHERE private_key IS NOT NULL OR order_key IS NOT NULL",
        )
        .bind(micros(now))
        .execute(&mut *self.inner)
        .await;
        Ok(accounts.map_err(cannot)?.rows_affected() + keys.map_err(cannot)?.rows_affected())
    }
}

/// How the certificate of a row stands; all of it is null where there is none.
pub(crate) fn status(row: &SqliteRow) -> Result<CertificateStatus> {
    Ok(CertificateStatus {
        issued_at: row.maybe_time("issued_at")?,
        expires_at: row.maybe_time("expires_at")?,
        next_renewal_at: row.maybe_time("next_renewal_at")?,
        last_error: row.raw("last_error")?,
        last_tried_at: row.maybe_time("last_tried_at")?,
    })
}

fn certificate(row: &SqliteRow) -> Result<CertificateRecord> {
    let sealed = |column| Ok::<_, mirage_core::Error>(row.raw::<Option<Vec<u8>>>(column)?.map(Sealed::new));
    let chain: Option<String> = row.raw("chain")?;
    let order_key = sealed("order_key")?;
    let order_url: Option<String> = row.raw("order_url")?;
    Ok(CertificateRecord {
        domain: row.parsed("domain")?,
        kept: chain.zip(sealed("private_key")?),
        status: status(row)?,
        failures: row.number("failures")?,
        order: order_key.map(|key| (key, order_url)),
    })
}
