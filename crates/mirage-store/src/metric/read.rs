//! The points of one service.

use jiff::Timestamp;
use mirage_core::{Error, MetricPoint, Result, ServiceId};
use sqlx::Row;

use super::{Level, Sample};
use crate::column::text;
use crate::store::{Store, failed};

impl Store {
    /// The points of a service that begin at or after `since` and before `until` (seconds since 1970), in
    /// order, each moment in the finest that is kept of it. Some 10,000 at most.
    pub async fn metrics(&self, service: ServiceId, since: i64, until: i64) -> Result<Vec<MetricPoint>> {
        let mut pieces = Vec::new();
        let mut until = until;
        for (at, level) in Level::ALL.into_iter().enumerate() {
            let Some(oldest) = self.oldest_tick(level).await? else { continue };
            let mut from = oldest.max(since);
            // Where the next coarser level has the stretch in which the oldest point is, that is whole.
            if let Some(coarser) = Level::ALL.get(at + 1)
                && oldest > since
                && self.has_tick(*coarser, coarser.floor(oldest)).await?
            {
                let whole = coarser.floor(oldest + coarser.seconds() - 1);
                from = whole.max(since);
            }
            if from < until {
                pieces.push(self.points(service, level, from, until).await?);
                until = from;
            }
        }
        Ok(pieces.into_iter().rev().flatten().collect())
    }

    async fn points(&self, service: ServiceId, level: Level, from: i64, to: i64) -> Result<Vec<MetricPoint>> {
        // From the ticks to the points, never the other way round: the points of others lie between.
        let rows = sqlx::query(
            "SELECT t.time, p.data
             FROM (SELECT number FROM metric_service WHERE service_id = ?1) s
             CROSS JOIN metric_tick t
             CROSS JOIN metric_point p ON p.level = t.level AND p.time = t.time AND p.service = s.number
             WHERE t.level = ?2 AND t.time >= ?3 AND t.time < ?4
             ORDER BY t.time",
        )
        .bind(text(service))
        .bind(level.seconds())
        .bind(from)
        .bind(to)
        .fetch_all(&self.reader)
        .await
        .map_err(|error| failed("read metrics", error))?;
        rows.iter()
            .map(|row| {
                let time = Timestamp::from_second(row.get(0))
                    .map_err(|error| Error::internal("read metrics", error))?;
                let point = Sample::unpack(row.get(1))?;
                Ok(MetricPoint { time, seconds: point.seconds, figures: point.figures })
            })
            .collect()
    }

    async fn oldest_tick(&self, level: Level) -> Result<Option<i64>> {
        sqlx::query_scalar("SELECT MIN(time) FROM metric_tick WHERE level = ?")
            .bind(level.seconds())
            .fetch_one(&self.reader)
            .await
            .map_err(|error| failed("read metrics", error))
    }

    async fn has_tick(&self, level: Level, time: i64) -> Result<bool> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM metric_tick WHERE level = ? AND time = ?)")
            .bind(level.seconds())
            .bind(time)
            .fetch_one(&self.reader)
            .await
            .map_err(|error| failed("read metrics", error))
    }
}
