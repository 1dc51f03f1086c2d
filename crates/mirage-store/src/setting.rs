//! Settings that the platform chose for itself once.

use mirage_core::Result;

use crate::store::{Store, Tx, failed};

impl Store {
    /// A setting.
    pub async fn setting(&self, key: &'static str) -> Result<Option<String>> {
        sqlx::query_scalar("SELECT value FROM setting WHERE key = ?")
            .bind(key)
            .fetch_optional(&self.reader)
            .await
            .map_err(|error| failed("read a setting", error))
    }
}

impl Tx {
    /// Writes a setting over what was there.
    pub async fn set_setting(&mut self, key: &'static str, value: &str) -> Result<()> {
        self.writes.add("set_setting");
        sqlx::query("INSERT INTO setting (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value")
            .bind(key)
            .bind(value.to_owned())
            .execute(&mut *self.inner)
            .await
            .map_err(|error| failed("write a setting", error))?;
        Ok(())
    }
}
