//! Another key for everything that is sealed.

use std::sync::PoisonError;

use mirage_core::fault::point;
use mirage_core::{Credential, Result, Sealed, ServiceSpec, VariableValue};
use sqlx::Row as _;
use zeroize::Zeroizing;

use super::key::{KEY_NAME_BYTES, Key};
use super::key_file::KeySource;
use super::{SETTING, State, Vault};
use crate::certificate::CertificateRecord;
use crate::column::{Columns, to_json};
use crate::credential::credential;
use crate::draft::DraftRecord;
use crate::store::{Store, Tx, failed};

impl Vault {
    /// Seals everything anew under a new key, and answers with the number of records. From a file, the key
    /// is drawn; keys that are given from outside are used as they are, the first of them for everything.
    ///
    /// Killed at any moment, it leaves everything readable: both keys are kept until all is written.
    ///
    /// # Errors
    /// `TARGET_UNAVAILABLE` while the vault is locked, `CONFLICT` where one key alone is given from outside.
    pub async fn rotate(&self, store: &Store) -> Result<usize> {
        let mut tx = store.begin().await?;
        match &self.inner.source {
            KeySource::File(_) => self.add_key()?,
            given if self.state().keys()?.len() < 2 => return Err(given.not_a_file()),
            KeySource::Given { .. } => {}
        }
        let newest = self.state().keys()?[0].name().to_string();
        let records = match self.seal_anew(&mut tx).await {
            Ok(records) => records,
            // While the transaction lasts, nobody else has sealed anything with the new key.
            Err(error) => {
                self.drop_key()?;
                return Err(error);
            }
        };
        tx.set_setting(SETTING, &newest).await?;
        tx.commit().await?;
        point("vault/sealed")?;
        self.forget_old_keys(&newest);
        Ok(records)
    }

    /// Takes keys out of the file with which nothing is sealed any more, because everything is with `used`. One
    /// that cannot be taken out now is at the next start, as that of a rotation which was killed.
    pub(super) fn forget_old_keys(&self, used: &str) {
        if let (KeySource::File(_), State::Open(keys)) = (&self.inner.source, &*self.state())
            && keys.len() > 1
            && keys[0].name().to_string() == used
            && let Err(error) = self.inner.source.write(&keys[..1])
        {
            tracing::warn!(code = %error.code(), "an old key of the vault stays in its file: {}", error.message());
        }
    }

    fn add_key(&self) -> Result<()> {
        let key = Key::new(&Zeroizing::new(self.inner.random.bytes32()))?;
        let mut state = self.inner.state.write().unwrap_or_else(PoisonError::into_inner);
        if let State::Locked(error) = &*state {
            return Err(error.clone());
        }
        if let State::Open(keys) = &mut *state {
            keys.insert(0, key);
            self.inner.source.write(keys).inspect_err(|_| drop(keys.remove(0)))?;
        }
        Ok(())
    }

    /// Takes the newest key away again, with which nothing is sealed.
    fn drop_key(&self) -> Result<()> {
        let mut state = self.inner.state.write().unwrap_or_else(PoisonError::into_inner);
        match (&self.inner.source, &mut *state) {
            (KeySource::File(_), State::Open(keys)) if keys.len() > 1 => {
                self.inner.source.write(&keys[1..])?;
                keys.remove(0);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn seal_anew(&self, tx: &mut Tx) -> Result<usize> {
        tx.writes.add("seal_anew");
        let variables = self.specs(tx).await? + self.shared(tx).await?;
        let drafts = self.drafts(tx).await?;
        Ok(variables + drafts + self.credentials(tx).await? + self.certificates(tx).await?)
    }

    async fn credentials(&self, tx: &mut Tx) -> Result<usize> {
        let reading = "read the credentials";
        let rows = sqlx::query("SELECT * FROM credential").fetch_all(&mut *tx.inner).await;
        let rows = rows.map_err(|error| failed(reading, error))?;
        for row in &rows {
            let one: Credential = credential(row)?;
            let old = Sealed::new(row.try_get("password").map_err(|error| failed(reading, error))?);
            let new = self.again(&one.binding(), &old)?;
            sqlx::query("UPDATE credential SET password = ? WHERE id = ?")
                .bind(new.record().to_vec())
                .bind(one.id.to_string())
                .execute(&mut *tx.inner)
                .await
                .map_err(|error| failed("write a credential", error))?;
        }
        Ok(rows.len())
    }

    /// The sealed variables of services, and of their revisions.
    async fn specs(&self, tx: &mut Tx) -> Result<usize> {
        let mut records = 0;
        for (table, service) in [("service", "id"), ("revision", "service_id")] {
            let reading = format!("SELECT rowid AS row, {service} AS owner, spec FROM {table}");
            let rows = sqlx::query(sqlx::AssertSqlSafe(reading)).fetch_all(&mut *tx.inner).await;
            for row in rows.map_err(|error| failed("read the settings of services", error))? {
                let mut spec: ServiceSpec = row.json("spec")?;
                let service = row.parsed("owner")?;
                let mut changed = 0;
                for (name, value) in &mut spec.variables {
                    // A revision may have what was given up with its key.
                    if table == "revision" && !self.knows_key_of(value) {
                        continue;
                    }
                    changed += self.value_again(&name.binding(service), value)?;
                }
                if changed == 0 {
                    continue;
                }
                records += changed;
                let writing = format!("UPDATE {table} SET spec = ? WHERE rowid = ?");
                sqlx::query(sqlx::AssertSqlSafe(writing))
                    .bind(to_json(&spec)?)
                    .bind(row.raw::<i64>("row")?)
                    .execute(&mut *tx.inner)
                    .await
                    .map_err(|error| failed("write the settings of services", error))?;
            }
        }
        Ok(records)
    }

    async fn shared(&self, tx: &mut Tx) -> Result<usize> {
        let mut records = 0;
        for mut one in tx.shared_variables().await? {
            let changed = self.value_again(&one.name.shared_binding(one.environment), &mut one.value)?;
            if changed > 0 {
                records += changed;
                tx.set_shared_variable(&one).await?;
            }
        }
        Ok(records)
    }

    /// The keys of certificates and of orders, and the accounts by which they are had.
    async fn certificates(&self, tx: &mut Tx) -> Result<usize> {
        let mut records = 0;
        for mut one in tx.certificates().await? {
            let domain = one.domain.clone();
            let mut changed = 0;
            if let Some((_, key)) = &mut one.kept {
                *key = self.again(&CertificateRecord::key_binding(&domain), key)?;
                changed += 1;
            }
            if let Some((key, _)) = &mut one.order {
                *key = self.again(&CertificateRecord::order_binding(&domain), key)?;
                changed += 1;
            }
            if changed > 0 {
                records += changed;
                tx.set_certificate(&one).await?;
            }
        }
        for (directory, account) in tx.acme_accounts().await? {
            let account = self.again(&CertificateRecord::account_binding(&directory), &account)?;
            tx.reseal_acme_account(&directory, &account).await?;
            records += 1;
        }
        Ok(records)
    }

    /// What people typed for services that are not made yet.
    async fn drafts(&self, tx: &mut Tx) -> Result<usize> {
        let mut records = 0;
        for mut one in tx.drafts().await? {
            one.fields = self.again(&DraftRecord::binding(one.id, &one.actor), &one.fields)?;
            tx.set_draft(&one).await?;
            records += 1;
        }
        Ok(records)
    }

    fn knows_key_of(&self, value: &VariableValue) -> bool {
        let VariableValue::Sealed { sealed } = value else { return true };
        let name = sealed.record().get(1..1 + KEY_NAME_BYTES);
        self.state().keys().is_ok_and(|keys| keys.iter().any(|key| Some(key.name().short()) == name))
    }

    fn value_again(&self, owner: &str, value: &mut VariableValue) -> Result<usize> {
        let VariableValue::Sealed { sealed } = value else { return Ok(0) };
        *sealed = self.again(owner, sealed)?;
        Ok(1)
    }

    fn again(&self, owner: &str, sealed: &Sealed) -> Result<Sealed> {
        self.seal(owner, self.unseal(owner, sealed)?.reveal())
    }
}
