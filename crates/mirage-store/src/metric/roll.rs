//! Several points become one.

use std::collections::BTreeMap;

use mirage_core::Result;
use sqlx::Row;

use super::{Level, Sample};
use crate::store::{Tx, failed};

/// The most stretches that are made up for at once: what a day without a control process leaves.
const CATCH_UP: usize = 144;

impl Tx {
    /// Folds the points of a level into the next coarser one, for every stretch that has ended by `now`
    /// and is not there yet.
    pub(super) async fn roll_up(&mut self, from: Level, to: Level, now: i64) -> Result<()> {
        let newest: Option<i64> = sqlx::query_scalar("SELECT MAX(time) FROM metric_tick WHERE level = ?")
            .bind(to.seconds())
            .fetch_one(&mut *self.inner)
            .await
            .map_err(|error| failed("read metrics", error))?;
        let begin = newest.map_or(i64::MIN, |newest| newest + to.seconds());
        let end = to.floor(now);
        if begin >= end {
            return Ok(());
        }
        let mut stretches: Vec<i64> =
            self.ticks(from, begin, end).await?.into_iter().map(|time| to.floor(time)).collect();
        stretches.dedup();
        let skipped = stretches.len().saturating_sub(CATCH_UP);
        for time in stretches.into_iter().skip(skipped) {
            let rows = self.folded(from, time, time + to.seconds()).await?;
            self.write_points(to, time, &rows).await?;
        }
        Ok(())
    }

    async fn folded(&mut self, level: Level, from: i64, to: i64) -> Result<Vec<(i64, Vec<u8>)>> {
        let rows =
            sqlx::query("SELECT service, data FROM metric_point WHERE level = ? AND time >= ? AND time < ?")
                .bind(level.seconds())
                .bind(from)
                .bind(to)
                .fetch_all(&mut *self.inner)
                .await
                .map_err(|error| failed("read metrics", error))?;
        let mut sums: BTreeMap<i64, Sample> = BTreeMap::new();
        for row in rows {
            let point = Sample::unpack(row.get(1))?;
            let sum = sums.entry(row.get(0)).or_default();
            sum.seconds += point.seconds;
            sum.figures.add(&point.figures);
        }
        Ok(sums.into_iter().map(|(number, sum)| (number, sum.pack())).collect())
    }
}
