//! Beginning anew, where the key is lost for good.

use std::sync::PoisonError;

use jiff::Timestamp;
use mirage_core::{Code, Error, Result, ServiceSpec, VariableValue};
use zeroize::Zeroizing;

use super::key::Key;
use super::{SETTING, State, Vault};
use crate::column::{Columns, to_json};
use crate::store::{Store, Tx, failed};

/// What was given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GivenUp {
    /// Credentials.
    pub credentials: u64,
    /// Sealed variables of services and environments.
    pub variables: u64,
    /// Keys of certificates, and accounts at certificate authorities.
    pub certificates: u64,
}

impl Vault {
    /// Gives up everything that is sealed, and begins anew: with the key that is there now, or where there is
    /// no key file, with one that is drawn. Revisions keep their records, which nobody can open; the next deploy
    /// makes one without.
    ///
    /// # Errors
    /// `CONFLICT` where the vault is open; the reason why keys that are there cannot be used.
    pub async fn reset(&self, store: &Store, now: Timestamp) -> Result<GivenUp> {
        if self.locked().is_none() {
            return Err(Error::new(Code::Conflict, "the vault is open, so nothing has to be given up")
                .hint("`mirage vault rotate` changes its key"));
        }
        let mut tx = store.begin().await?;
        let keys = match self.inner.source.read() {
            Ok(keys) => keys,
            Err(missing) if missing.is_absent() => {
                let key = Key::new(&Zeroizing::new(self.inner.random.bytes32()))?;
                self.inner.source.write(std::slice::from_ref(&key))?;
                vec![key]
            }
            Err(reason) => return Err(reason.into_error(&self.inner.source)),
        };
        tx.writes.add("give_up_secrets");
        // Nobody can open them any more, and nobody misses more than what they typed.
        sqlx::query("DELETE FROM draft")
            .execute(&mut *tx.inner)
            .await
            .map_err(|error| failed("remove the drafts", error))?;
        let given_up = GivenUp {
            credentials: credentials(&mut tx).await?,
            variables: variables(&mut tx).await?,
            certificates: tx.give_up_certificates(now).await?,
        };
        tx.set_setting(SETTING, &keys[0].name().to_string()).await?;
        tx.commit().await?;
        *self.inner.state.write().unwrap_or_else(PoisonError::into_inner) = State::Open(keys);
        Ok(given_up)
    }
}

async fn credentials(tx: &mut Tx) -> Result<u64> {
    let done = sqlx::query("DELETE FROM credential").execute(&mut *tx.inner).await;
    Ok(done.map_err(|error| failed("remove the credentials", error))?.rows_affected())
}

async fn variables(tx: &mut Tx) -> Result<u64> {
    let mut count = 0;
    let rows = sqlx::query("SELECT id, spec FROM service").fetch_all(&mut *tx.inner).await;
    for row in rows.map_err(|error| failed("read the services", error))? {
        let mut spec: ServiceSpec = row.json("spec")?;
        let before = spec.variables.len();
        spec.variables.retain(|_, value| matches!(value, VariableValue::Plain(_)));
        let gone = before - spec.variables.len();
        if gone > 0 {
            count += gone as u64;
            sqlx::query("UPDATE service SET spec = ? WHERE id = ?")
                .bind(to_json(&spec)?)
                .bind(row.raw::<String>("id")?)
                .execute(&mut *tx.inner)
                .await
                .map_err(|error| failed("write a service", error))?;
        }
    }
    for one in tx.shared_variables().await? {
        if matches!(one.value, VariableValue::Sealed { .. }) {
            tx.remove_shared_variable(one.environment, &one.name).await?;
            count += 1;
        }
    }
    Ok(count)
}
