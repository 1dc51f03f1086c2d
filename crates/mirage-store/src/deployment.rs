//! Deployments and their steps.

use std::collections::HashMap;

use jiff::Timestamp;
use mirage_core::{
    Deployment, DeploymentId, Failure, Phase, Result, ServiceId, StepKind, StepRecord, Trigger,
};
use sqlx::sqlite::SqliteRow;

use crate::column::{Columns, micros, text, to_json, to_word};
use crate::store::{Store, Tx, failed};

/// A deployment that begins its life, queued.
#[derive(Clone, Debug)]
pub struct NewDeployment {
    /// Identity.
    pub id: DeploymentId,
    /// The service.
    pub service: ServiceId,
    /// Number of the revision.
    pub revision: u32,
    /// Why.
    pub trigger: Trigger,
    /// Who asked for it.
    pub requested_by: String,
    /// What serves now.
    pub replaces: Option<DeploymentId>,
    /// When.
    pub created_at: Timestamp,
}

/// Not at an end.
pub(crate) const CURRENT: &str =
    "('active', 'queued', 'building', 'preparing', 'starting', 'probing', 'switching')";

/// Not at an end, and not Active.
pub(crate) const MOVING: &str = "('queued', 'building', 'preparing', 'starting', 'probing', 'switching')";

/// The questions for the newest deployments of a service, and for those that were written before one.
pub(crate) const PAGE: &str = "SELECT * FROM deployment WHERE service_id = ? ORDER BY rowid DESC LIMIT ?";
pub(crate) const PAGE_AFTER: &str =
    "SELECT * FROM deployment WHERE service_id = ? AND rowid < ? ORDER BY rowid DESC LIMIT ?";

impl Store {
    /// A deployment with its steps.
    pub async fn deployment(&self, id: DeploymentId) -> Result<Option<Deployment>> {
        let row = sqlx::query("SELECT * FROM deployment WHERE id = ?")
            .bind(text(id))
            .fetch_optional(&self.reader)
            .await
            .map_err(|error| failed("read a deployment", error))?;
        let Some(row) = row else { return Ok(None) };
        Ok(self.with_steps(vec![deployment(&row)?]).await?.pop())
    }

    /// The newest deployments of a service, newest first, with their steps. In the order in which they were
    /// written: the clock may have jumped in between.
    pub async fn deployments(&self, service: ServiceId, limit: u32) -> Result<Vec<Deployment>> {
        let rows = sqlx::query(PAGE)
            .bind(text(service))
            .bind(limit)
            .fetch_all(&self.reader)
            .await
            .map_err(|error| failed("read the deployments", error))?;
        let all = rows.iter().map(deployment).collect::<Result<_>>()?;
        self.with_steps(all).await
    }

    /// The same from the one that was written before `after` on; `None` where the service has no such deployment.
    pub async fn deployments_after(
        &self,
        service: ServiceId,
        after: DeploymentId,
        limit: u32,
    ) -> Result<Option<Vec<Deployment>>> {
        let cannot = |error| failed("read the deployments", error);
        let place: Option<i64> =
            sqlx::query_scalar("SELECT rowid FROM deployment WHERE id = ? AND service_id = ?")
                .bind(text(after))
                .bind(text(service))
                .fetch_optional(&self.reader)
                .await
                .map_err(cannot)?;
        let Some(place) = place else { return Ok(None) };
        let rows = sqlx::query(PAGE_AFTER)
            .bind(text(service))
            .bind(place)
            .bind(limit)
            .fetch_all(&self.reader)
            .await
            .map_err(cannot)?;
        let all = rows.iter().map(deployment).collect::<Result<_>>()?;
        Ok(Some(self.with_steps(all).await?))
    }

    /// Whether a user asked for the end of this deployment.
    pub async fn is_cancelled(&self, id: DeploymentId) -> Result<bool> {
        let answer: Option<bool> = sqlx::query_scalar("SELECT cancelled FROM deployment WHERE id = ?")
            .bind(text(id))
            .fetch_optional(&self.reader)
            .await
            .map_err(|error| failed("read a deployment", error))?;
        Ok(answer.unwrap_or(true))
    }

    /// Whether a deployment of this revision has ever been active.
    pub async fn was_active(&self, service: ServiceId, revision: u32) -> Result<bool> {
        sqlx::query_scalar(
            "SELECT EXISTS (
                 SELECT 1 FROM deployment d WHERE d.service_id = ? AND d.revision = ? AND (d.phase = 'active'
                     OR d.phase = 'superseded' AND EXISTS (
                         SELECT 1 FROM step s WHERE s.deployment_id = d.id AND s.kind = 'route')))",
        )
        .bind(text(service))
        .bind(revision)
        .fetch_one(&self.reader)
        .await
        .map_err(|error| failed("read the deployments", error))
    }

    pub(crate) async fn with_steps(&self, mut all: Vec<Deployment>) -> Result<Vec<Deployment>> {
        let mut places: HashMap<DeploymentId, usize> = HashMap::new();
        for (place, deployment) in all.iter().enumerate() {
            places.insert(deployment.id, place);
        }
        let ids = to_json(&all.iter().map(|d| text(d.id)).collect::<Vec<_>>())?;
        let rows = sqlx::query(
            "SELECT * FROM step WHERE deployment_id IN (SELECT value FROM json_each(?)) ORDER BY deployment_id, position",
        )
        .bind(ids)
        .fetch_all(&self.reader)
        .await
        .map_err(|error| failed("read the steps", error))?;
        for row in &rows {
            if let Some(place) = places.get(&row.parsed("deployment_id")?) {
                all[*place].steps.push(step(row)?);
            }
        }
        Ok(all)
    }
}

impl Tx {
    /// Adds a deployment, and marks those that were still waiting for their turn as superseded by it; answers
    /// which those are.
    pub async fn insert_deployment(&mut self, new: &NewDeployment) -> Result<Vec<DeploymentId>> {
        self.writes.add("insert_deployment");
        let superseded = sqlx::query(
            "UPDATE deployment SET phase = 'superseded', finished_at = ?
             WHERE service_id = ? AND phase = 'queued' RETURNING id",
        )
        .bind(micros(new.created_at))
        .bind(text(new.service))
        .fetch_all(&mut *self.inner)
        .await
        .map_err(|error| failed("supersede a deployment", error))?;
        sqlx::query(
            "INSERT INTO deployment (id, service_id, revision, phase, reason, requested_by, replaces, created_at)
             VALUES (?, ?, ?, 'queued', ?, ?, ?, ?)",
        )
        .bind(text(new.id))
        .bind(text(new.service))
        .bind(new.revision)
        .bind(to_word(&new.trigger)?)
        .bind(&new.requested_by)
        .bind(new.replaces.map(text))
        .bind(micros(new.created_at))
        .execute(&mut *self.inner)
        .await
        .map_err(|error| failed("write a deployment", error))?;
        superseded.iter().map(|row| row.parsed("id")).collect()
    }

    /// The phase of a deployment, read inside the decision.
    pub async fn phase(&mut self, id: DeploymentId) -> Result<Option<Phase>> {
        let row = sqlx::query("SELECT phase FROM deployment WHERE id = ?")
            .bind(text(id))
            .fetch_optional(&mut *self.inner)
            .await
            .map_err(|error| failed("read a deployment", error))?;
        row.map(|row| row.word("phase")).transpose()
    }

    /// Whether a user asked for its end, read inside the decision.
    pub async fn is_cancelled(&mut self, id: DeploymentId) -> Result<bool> {
        let answer: Option<bool> = sqlx::query_scalar("SELECT cancelled FROM deployment WHERE id = ?")
            .bind(text(id))
            .fetch_optional(&mut *self.inner)
            .await
            .map_err(|error| failed("read a deployment", error))?;
        Ok(answer.unwrap_or(true))
    }

    /// The deployment of a service that is Active.
    pub async fn active_deployment(&mut self, service: ServiceId) -> Result<Option<DeploymentId>> {
        let row = sqlx::query("SELECT id FROM deployment WHERE service_id = ? AND phase = 'active'")
            .bind(text(service))
            .fetch_optional(&mut *self.inner)
            .await
            .map_err(|error| failed("read a deployment", error))?;
        row.map(|row| row.parsed("id")).transpose()
    }

    /// Moves a deployment to another phase if the move is legal, and says whether it was.
    pub async fn set_phase(&mut self, id: DeploymentId, phase: Phase, now: Timestamp) -> Result<bool> {
        self.writes.add("set_phase");
        match self.phase(id).await? {
            Some(from) if from.may_become(phase) => {}
            _ => return Ok(false),
        }
        let finished = (!phase.is_moving()).then(|| micros(now));
        sqlx::query("UPDATE deployment SET phase = ?, finished_at = COALESCE(finished_at, ?) WHERE id = ?")
            .bind(phase.as_str())
            .bind(finished)
            .bind(text(id))
            .execute(&mut *self.inner)
            .await
            .map_err(|error| failed("write a deployment", error))?;
        Ok(true)
    }

    /// Records why a deployment fails. The first reason stays.
    pub async fn set_failure(&mut self, id: DeploymentId, failure: &Failure) -> Result<()> {
        self.writes.add("set_failure");
        sqlx::query("UPDATE deployment SET failure = ? WHERE id = ? AND failure IS NULL")
            .bind(to_json(failure)?)
            .bind(text(id))
            .execute(&mut *self.inner)
            .await
            .map_err(|error| failed("write a deployment", error))?;
        Ok(())
    }

    /// Records that a user wants the end of a deployment; says whether it was still moving.
    pub async fn set_cancelled(&mut self, id: DeploymentId) -> Result<bool> {
        self.writes.add("set_cancelled");
        let sql = format!("UPDATE deployment SET cancelled = 1 WHERE id = ? AND phase IN {MOVING}");
        let done = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(text(id))
            .execute(&mut *self.inner)
            .await
            .map_err(|error| failed("write a deployment", error))?;
        Ok(done.rows_affected() > 0)
    }

    /// Whether a deployment waits for another one of its service to end.
    pub async fn is_waiting(&mut self, id: DeploymentId) -> Result<bool> {
        let sql = format!(
            "SELECT EXISTS (
                 SELECT 1 FROM deployment own JOIN deployment other ON other.service_id = own.service_id
                 WHERE own.id = ? AND own.phase = 'queued' AND other.phase IN {MOVING} AND other.phase <> 'queued')"
        );
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .bind(text(id))
            .fetch_one(&mut *self.inner)
            .await
            .map_err(|error| failed("read a deployment", error))
    }

    /// Begins a step, unless it is under way already.
    pub async fn begin_step(
        &mut self,
        deployment: DeploymentId,
        kind: StepKind,
        now: Timestamp,
    ) -> Result<()> {
        self.writes.add("begin_step");
        sqlx::query(
            "INSERT INTO step (deployment_id, position, kind, summary, started_at, failed)
             SELECT ?1, (SELECT COUNT(*) FROM step WHERE deployment_id = ?1), ?2, '', ?3, 0
             WHERE NOT EXISTS (SELECT 1 FROM step WHERE deployment_id = ?1 AND kind = ?2 AND finished_at IS NULL)",
        )
        .bind(text(deployment))
        .bind(to_word(&kind)?)
        .bind(micros(now))
        .execute(&mut *self.inner)
        .await
        .map_err(|error| failed("write a step", error))?;
        Ok(())
    }

    /// Ends a step that is under way, and answers with the milliseconds it took; `None` where it was not.
    pub async fn end_step(
        &mut self,
        deployment: DeploymentId,
        kind: StepKind,
        summary: &str,
        ok: bool,
        now: Timestamp,
    ) -> Result<Option<u64>> {
        self.writes.add("end_step");
        let began: Option<i64> = sqlx::query_scalar(
            "UPDATE step SET summary = ?, finished_at = ?, failed = ?
             WHERE deployment_id = ? AND kind = ? AND finished_at IS NULL RETURNING started_at",
        )
        .bind(summary.to_owned())
        .bind(micros(now))
        .bind(!ok)
        .bind(text(deployment))
        .bind(to_word(&kind)?)
        .fetch_optional(&mut *self.inner)
        .await
        .map_err(|error| failed("write a step", error))?;
        Ok(began.map(|began| u64::try_from((micros(now) - began) / 1000).unwrap_or(0)))
    }

    /// The steps of a deployment that are under way.
    pub async fn open_steps(&mut self, deployment: DeploymentId) -> Result<Vec<StepKind>> {
        let rows = sqlx::query("SELECT kind FROM step WHERE deployment_id = ? AND finished_at IS NULL")
            .bind(text(deployment))
            .fetch_all(&mut *self.inner)
            .await
            .map_err(|error| failed("read the steps", error))?;
        rows.iter().map(|row| row.word("kind")).collect()
    }
}

pub(crate) fn deployment(row: &SqliteRow) -> Result<Deployment> {
    Ok(Deployment {
        id: row.parsed("id")?,
        service: row.parsed("service_id")?,
        revision: row.number("revision")?,
        phase: row.word("phase")?,
        trigger: row.word::<Trigger>("reason")?,
        requested_by: row.raw("requested_by")?,
        replaces: row.maybe_parsed("replaces")?,
        steps: Vec::new(),
        failure: row.maybe_json("failure")?,
        created_at: row.time("created_at")?,
        finished_at: row.maybe_time("finished_at")?,
    })
}

fn step(row: &SqliteRow) -> Result<StepRecord> {
    Ok(StepRecord {
        kind: row.word("kind")?,
        summary: row.raw("summary")?,
        started_at: row.time("started_at")?,
        finished_at: row.maybe_time("finished_at")?,
        failed: row.raw("failed")?,
    })
}
