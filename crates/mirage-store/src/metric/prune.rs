//! What is too old goes, and what is too much.

use std::ops::Range;

use mirage_core::Result;
use sqlx::Row;

use super::Level;
use crate::store::{Tx, failed};

impl Tx {
    /// Forgets points that are older than their level is kept, then the oldest of each level that do not fit
    /// its part of `bytes_max`: a quarter, and what the coarser levels leave of theirs. So a few services
    /// have all their minutes, and very many lose minutes first and the six hours last. As much as came since
    /// the last time stays free, for what comes until the next.
    pub(super) async fn prune(&mut self, now: i64, bytes_max: u64) -> Result<()> {
        let (_, coming) = self.fitting(Level::Minute, now - Level::TenMinutes.seconds(), bytes_max).await?;
        let share = (bytes_max - coming) / Level::ALL.len() as u64;
        let mut left_over = 0;
        for level in Level::ALL.into_iter().rev() {
            let allowed = share + left_over;
            let (oldest, used) = self.fitting(level, now - level.kept(), allowed).await?;
            self.forget(level, i64::MIN..oldest).await?;
            left_over = allowed - used;
        }
        Ok(())
    }

    /// From where on the points of a level fit, and how many bytes they are.
    async fn fitting(&mut self, level: Level, oldest: i64, allowed: u64) -> Result<(i64, u64)> {
        let ticks = sqlx::query(
            "SELECT time, bytes FROM metric_tick WHERE level = ? AND time >= ? ORDER BY time DESC",
        )
        .bind(level.seconds())
        .bind(oldest)
        .fetch_all(&mut *self.inner)
        .await
        .map_err(|error| failed("read metrics", error))?;
        let mut used = 0;
        for tick in ticks {
            let (time, bytes): (i64, i64) = (tick.get(0), tick.get(1));
            let bytes = u64::try_from(bytes).unwrap_or(0);
            if used + bytes > allowed {
                return Ok((time + 1, used));
            }
            used += bytes;
        }
        Ok((oldest, used))
    }

    /// Forgets the points of a level at these times.
    pub(super) async fn forget(&mut self, level: Level, times: Range<i64>) -> Result<()> {
        self.writes.add("forget_points");
        for delete in [
            "DELETE FROM metric_point WHERE level = ? AND time >= ? AND time < ?",
            "DELETE FROM metric_tick WHERE level = ? AND time >= ? AND time < ?",
        ] {
            sqlx::query(delete)
                .bind(level.seconds())
                .bind(times.start)
                .bind(times.end)
                .execute(&mut *self.inner)
                .await
                .map_err(|error| failed("forget old metrics", error))?;
        }
        Ok(())
    }
}
