//! What services did and used, kept for a week at falling resolution.
//!
//! Minutes are written as they pass. Ten of them are folded into one point when the last is there, six of
//! those into an hour, and six hours into one; so nothing is kept of a moment but what it added up to. Minutes
//! stay for a day and the others for a week, and all of them together within [`METRICS_BYTES_MAX`]: where
//! there are so many services that this is not enough, the finer points go earlier.

mod pack;
mod prune;
mod read;
mod roll;
#[cfg(test)]
mod tests;

use mirage_core::{Figures, Result, ServiceId};
use sqlx::{QueryBuilder, Row, Sqlite};

use crate::column::{Columns, text};
use crate::store::{Tx, failed};

/// The most that all points together take in the file, in bytes.
pub const METRICS_BYTES_MAX: u64 = 50_000_000;

/// Bytes of a row beside its data: its key and its place on the page.
const ROW_BYTES: usize = 22;

/// Bytes of the row that says how much there is of one time.
const TICK_BYTES: usize = 24;

/// Time that does not pass between two minutes, in seconds, unless the next one confirms it: a clock that is days
/// ahead for a minute must not cost the week.
const LEAP: i64 = 3_600;

/// Rows written by one statement.
const ROWS: usize = 1_000;

/// How long the stretches of points are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Minute,
    TenMinutes,
    Hour,
    SixHours,
}

impl Level {
    /// From the finest.
    const ALL: [Self; 4] = [Self::Minute, Self::TenMinutes, Self::Hour, Self::SixHours];

    fn seconds(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::TenMinutes => 600,
            Self::Hour => 3_600,
            Self::SixHours => 21_600,
        }
    }

    /// For how long points stay where there is room, in seconds.
    fn kept(self) -> i64 {
        match self {
            Self::Minute => 86_400,
            _ => 7 * 86_400,
        }
    }

    /// The beginning of the stretch that this second is in.
    fn floor(self, second: i64) -> i64 {
        second.div_euclid(self.seconds()) * self.seconds()
    }
}

/// What was seen of a service in a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// How many seconds were looked at.
    pub seconds: u32,
    /// What happened.
    pub figures: Figures,
}

impl Tx {
    /// Writes what services did in the minute that began at `minute` (seconds since 1970, whole minutes),
    /// folds what is complete by then, and forgets what is too old or too much. Services that are gone are
    /// left out.
    pub async fn add_minute(&mut self, minute: i64, points: &[(ServiceId, Sample)]) -> Result<()> {
        self.add_minute_within(minute, points, METRICS_BYTES_MAX).await
    }

    /// Forgets what is later than the minute that began at `minute`: it was written before the clock was set back,
    /// and nothing would follow it.
    pub async fn forget_later_minutes(&mut self, minute: i64) -> Result<()> {
        let next = Level::Minute.floor(minute) + Level::Minute.seconds();
        for level in Level::ALL {
            self.forget(level, next..i64::MAX).await?;
        }
        Ok(())
    }

    async fn add_minute_within(
        &mut self,
        minute: i64,
        points: &[(ServiceId, Sample)],
        bytes_max: u64,
    ) -> Result<()> {
        let minute = Level::Minute.floor(minute);
        let numbers = self.metric_numbers(points.iter().map(|(service, _)| *service)).await?;
        let mut rows: Vec<(i64, Vec<u8>)> = points
            .iter()
            .filter_map(|(service, point)| Some((*numbers.get(service)?, point.pack())))
            .collect();
        rows.sort_unstable_by_key(|(number, _)| *number);
        let now = minute + Level::Minute.seconds();
        // Whether so much time has passed is known when the next minute follows.
        let seen = match self.newest_before(minute).await? {
            Some(before) if now - before > LEAP => before + Level::Minute.seconds(),
            _ => now,
        };
        self.write_points(Level::Minute, minute, &rows).await?;
        for (from, to) in Level::ALL.into_iter().zip(Level::ALL.into_iter().skip(1)) {
            self.roll_up(from, to, seen).await?;
        }
        if now == Level::TenMinutes.floor(now) {
            self.prune(seen, bytes_max).await?;
        }
        Ok(())
    }

    /// The numbers under which points of these services are kept; new services get one.
    async fn metric_numbers(
        &mut self,
        services: impl Iterator<Item = ServiceId>,
    ) -> Result<std::collections::HashMap<ServiceId, i64>> {
        let cannot = |error| failed("read the services with metrics", error);
        let rows = sqlx::query("SELECT number, service_id FROM metric_service")
            .fetch_all(&mut *self.inner)
            .await
            .map_err(cannot)?;
        let mut numbers = std::collections::HashMap::with_capacity(rows.len());
        for row in rows {
            numbers.insert(row.parsed("service_id")?, row.raw("number")?);
        }
        for service in services {
            if numbers.contains_key(&service) {
                continue;
            }
            let number: Option<i64> = sqlx::query_scalar(
                "INSERT INTO metric_service (service_id) SELECT id FROM service WHERE id = ? RETURNING number",
            )
            .bind(text(service))
            .fetch_optional(&mut *self.inner)
            .await
            .map_err(cannot)?;
            numbers.extend(number.map(|number| (service, number)));
        }
        Ok(numbers)
    }

    /// The newest minute before this one.
    async fn newest_before(&mut self, minute: i64) -> Result<Option<i64>> {
        sqlx::query_scalar("SELECT MAX(time) FROM metric_tick WHERE level = ? AND time < ?")
            .bind(Level::Minute.seconds())
            .bind(minute)
            .fetch_one(&mut *self.inner)
            .await
            .map_err(|error| failed("read metrics", error))
    }

    async fn write_points(&mut self, level: Level, time: i64, rows: &[(i64, Vec<u8>)]) -> Result<()> {
        self.writes.add("write_points");
        let cannot = |error| failed("write metrics", error);
        for some in rows.chunks(ROWS) {
            let mut insert: QueryBuilder<Sqlite> =
                QueryBuilder::new("INSERT OR REPLACE INTO metric_point (level, time, service, data) ");
            insert.push_values(some, |mut row, (number, data)| {
                row.push_bind(level.seconds()).push_bind(time).push_bind(number).push_bind(data);
            });
            insert.build().execute(&mut *self.inner).await.map_err(cannot)?;
        }
        let bytes: usize = rows.iter().map(|(_, data)| data.len() + ROW_BYTES).sum();
        // A third of each page may be free, as rows come in between those of other levels.
        let bytes = (TICK_BYTES + bytes) * 3 / 2;
        sqlx::query("INSERT OR REPLACE INTO metric_tick (level, time, bytes) VALUES (?, ?, ?)")
            .bind(level.seconds())
            .bind(time)
            .bind(i64::try_from(bytes).unwrap_or(i64::MAX))
            .execute(&mut *self.inner)
            .await
            .map_err(cannot)?;
        Ok(())
    }

    /// The beginnings of the stretches of a level, within these bounds, in order.
    async fn ticks(&mut self, level: Level, from: i64, to: i64) -> Result<Vec<i64>> {
        let rows = sqlx::query(
            "SELECT time FROM metric_tick WHERE level = ? AND time >= ? AND time < ? ORDER BY time",
        )
        .bind(level.seconds())
        .bind(from)
        .bind(to)
        .fetch_all(&mut *self.inner)
        .await
        .map_err(|error| failed("read metrics", error))?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}
