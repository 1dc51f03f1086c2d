//! Variables that the services of an environment share.

use mirage_core::{EnvironmentId, Result, SharedVariable, VariableName};
use sqlx::sqlite::SqliteRow;

use crate::column::{Columns, micros, text, to_json};
use crate::store::{Store, Tx, failed};

const READING: &str = "read the shared variables";

impl Store {
    /// The variables of an environment, by name.
    pub async fn shared_variables(&self, environment: EnvironmentId) -> Result<Vec<SharedVariable>> {
        let rows = sqlx::query("SELECT * FROM shared_variable WHERE environment_id = ? ORDER BY name")
            .bind(text(environment))
            .fetch_all(&self.reader)
            .await
            .map_err(|error| failed(READING, error))?;
        rows.iter().map(shared_variable).collect()
    }
}

impl Tx {
    /// Every shared variable there is.
    pub(crate) async fn shared_variables(&mut self) -> Result<Vec<SharedVariable>> {
        let rows = sqlx::query("SELECT * FROM shared_variable").fetch_all(&mut *self.inner).await;
        rows.map_err(|error| failed(READING, error))?.iter().map(shared_variable).collect()
    }

    /// One shared variable.
    pub async fn shared_variable(
        &mut self,
        environment: EnvironmentId,
        name: &VariableName,
    ) -> Result<Option<SharedVariable>> {
        let row = sqlx::query("SELECT * FROM shared_variable WHERE environment_id = ? AND name = ?")
            .bind(text(environment))
            .bind(name.as_str())
            .fetch_optional(&mut *self.inner)
            .await
            .map_err(|error| failed(READING, error))?;
        row.as_ref().map(shared_variable).transpose()
    }

    /// Sets a variable over what was there.
    pub async fn set_shared_variable(&mut self, variable: &SharedVariable) -> Result<()> {
        self.writes.add("set_shared_variable");
        sqlx::query(
            "INSERT INTO shared_variable (environment_id, name, value, updated_at) VALUES (?, ?, ?, ?)
             ON CONFLICT (environment_id, name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at",
        )
        .bind(text(variable.environment))
        .bind(variable.name.as_str())
        .bind(to_json(&variable.value)?)
        .bind(micros(variable.updated_at))
        .execute(&mut *self.inner)
        .await
        .map_err(|error| failed("write a shared variable", error))?;
        Ok(())
    }

    /// Takes a variable away; says whether there was one.
    pub async fn remove_shared_variable(
        &mut self,
        environment: EnvironmentId,
        name: &VariableName,
    ) -> Result<bool> {
        self.writes.add("remove_shared_variable");
        let done = sqlx::query("DELETE FROM shared_variable WHERE environment_id = ? AND name = ?")
            .bind(text(environment))
            .bind(name.as_str())
            .execute(&mut *self.inner)
            .await
            .map_err(|error| failed("remove a shared variable", error))?;
        Ok(done.rows_affected() > 0)
    }
}

fn shared_variable(row: &SqliteRow) -> Result<SharedVariable> {
    Ok(SharedVariable {
        environment: row.parsed("environment_id")?,
        name: row.parsed("name")?,
        value: row.json("value")?,
        updated_at: row.time("updated_at")?,
    })
}
