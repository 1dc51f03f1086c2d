//! Columns to values and back.

use std::fmt::Display;
use std::str::FromStr;

use jiff::Timestamp;
use mirage_core::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

/// Reads columns of a row as the core's types. What cannot be read was not written by Mirage.
pub(crate) trait Columns {
    fn raw<'r, T>(&'r self, column: &'static str) -> Result<T>
    where
        T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>;

    fn parsed<T: FromStr>(&self, column: &'static str) -> Result<T> {
        let text: String = self.raw(column)?;
        text.parse().map_err(|_| torn(column))
    }

    fn maybe_parsed<T: FromStr>(&self, column: &'static str) -> Result<Option<T>> {
        let text: Option<String> = self.raw(column)?;
        text.map(|text| text.parse().map_err(|_| torn(column))).transpose()
    }

    fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T> {
        let text: String = self.raw(column)?;
        serde_json::from_str(&text).map_err(|error| Error::internal("read a stored value", error))
    }

    fn maybe_json<T: DeserializeOwned>(&self, column: &'static str) -> Result<Option<T>> {
        let text: Option<String> = self.raw(column)?;
        text.map(|text| {
            serde_json::from_str(&text).map_err(|error| Error::internal("read a stored value", error))
        })
        .transpose()
    }

    /// An enum that is stored as the word of its JSON form.
    fn word<T: DeserializeOwned>(&self, column: &'static str) -> Result<T> {
        let text: String = self.raw(column)?;
        serde_json::from_value(text.into()).map_err(|error| Error::internal("read a stored word", error))
    }

    fn time(&self, column: &'static str) -> Result<Timestamp> {
        Timestamp::from_microsecond(self.raw(column)?).map_err(|_| torn(column))
    }

    fn maybe_time(&self, column: &'static str) -> Result<Option<Timestamp>> {
        let micros: Option<i64> = self.raw(column)?;
        micros.map(|micros| Timestamp::from_microsecond(micros).map_err(|_| torn(column))).transpose()
    }

    fn number<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T> {
        T::try_from(self.raw::<i64>(column)?).map_err(|_| torn(column))
    }
}

impl Columns for SqliteRow {
    fn raw<'r, T>(&'r self, column: &'static str) -> Result<T>
    where
        T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
    {
        self.try_get(column).map_err(|error| Error::internal("read a column", error))
    }
}

pub(crate) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::internal("write a value", error))
}

pub(crate) fn to_word(value: &impl Serialize) -> Result<String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        _ => Err(Error::internal("write a word", anyhow::anyhow!("not a plain word"))),
    }
}

pub(crate) fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

pub(crate) fn text(value: impl Display) -> String {
    value.to_string()
}

fn torn(column: &'static str) -> Error {
    Error::internal("read the database", anyhow::anyhow!("column `{column}` holds something else"))
}
