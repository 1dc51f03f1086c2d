//! Drafts: what somebody at a browser typed so far for a service that is not made yet.
//!
//! A draft belongs to the name of whoever opened it. Its fields are sealed as a whole, because a password may be among
//! them; they mean something to the face that wrote them alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mirage_core::{Code, DeploymentId, DraftId, Error, Result, Secret};
use mirage_store::{DraftRecord, Tx};
use tracing::error;

use crate::Control;
use crate::access::{Action, Actor};
use crate::parts::Parts;

/// The most bytes of a draft, names and texts together.
pub const DRAFT_BYTES_MAX: usize = 256 << 10;
/// The most fields of one.
pub const DRAFT_FIELDS_MAX: usize = 2_000;
/// The longest name of a field, in bytes.
const NAME_MAX: usize = 100;
/// The most drafts of one name; the oldest goes for a new one.
const DRAFTS_MAX: u32 = 50;
/// How long a draft is kept that nobody changes.
const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The field of a draft that became a deployment, which has no other.
const BECAME: &str = "became";
/// Old drafts are looked for this often.
const FORGET_EVERY: Duration = Duration::from_secs(3600);

/// The fields of a draft. None can be printed, as each may be a password.
#[derive(Clone, Default)]
pub struct DraftFields(BTreeMap<String, Secret>);

/// What somebody typed.
#[derive(Clone)]
pub struct Draft {
    /// Identity.
    pub id: DraftId,
    /// When it was last changed.
    pub changed_at: Timestamp,
    /// What was typed.
    pub fields: DraftFields,
}

impl DraftFields {
    /// The text of a field; empty where there is none.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", Secret::reveal)
    }

    /// Whether there is a field of this name, be it empty.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Writes a field over what was there.
    pub fn set(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.0.insert(name.into(), Secret::from(text.into()));
    }

    /// Takes a field away.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// The names of all fields, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    fn check(&self) -> Result<()> {
        let bytes: usize = self.0.iter().map(|(name, text)| name.len() + text.reveal().len()).sum();
        let refuse = |what: String| {
            Err(Error::new(Code::InvalidRequest, what).hint("type less, or use the command line"))
        };
        if bytes > DRAFT_BYTES_MAX {
            return refuse(format!("the draft has {bytes} bytes, at most {DRAFT_BYTES_MAX} are kept"));
        }
        if self.0.len() > DRAFT_FIELDS_MAX {
            let fields = self.0.len();
            return refuse(format!("the draft has {fields} fields, at most {DRAFT_FIELDS_MAX} are kept"));
        }
        if self.has(BECAME) {
            return refuse(format!("a field of the draft is called `{BECAME}`"));
        }
        if self.0.keys().any(|name| name.len() > NAME_MAX) {
            return refuse(format!("a field of the draft has a name of more than {NAME_MAX} bytes"));
        }
        Ok(())
    }

    /// As it is sealed: JSON.
    fn written(&self) -> Result<Secret> {
        let fields: BTreeMap<&str, &str> =
            self.0.iter().map(|(name, text)| (name.as_str(), text.reveal())).collect();
        let text = serde_json::to_string(&fields).map_err(|error| Error::internal("write a draft", error))?;
        Ok(Secret::from(text))
    }

    fn read(text: &Secret) -> Result<Self> {
        let fields = serde_json::from_str(text.reveal());
        // What serde says of it may quote it.
        fields.map(Self).map_err(|_| Error::internal("read a draft", anyhow::anyhow!("it is no JSON")))
    }

    fn is_same(&self, other: &Self) -> bool {
        let pairs = |fields: &Self| -> Vec<(String, String)> {
            fields.0.iter().map(|(name, text)| (name.clone(), text.reveal().to_owned())).collect()
        };
        self.0.len() == other.0.len() && pairs(self) == pairs(other)
    }
}

impl Draft {
    fn became(&self) -> Option<DeploymentId> {
        self.fields.get(BECAME).parse().ok()
    }
}

impl Control {
    /// Keeps what somebody typed first. Of their drafts, the newest 50 are kept.
    ///
    /// # Errors
    /// `INVALID_REQUEST` where it is too large, `TARGET_UNAVAILABLE` while the vault is locked.
    pub async fn open_draft(&self, actor: &Actor, fields: DraftFields) -> Result<DraftId> {
        self.allow(actor, Action::KeepDrafts)?;
        fields.check()?;
        let id = DraftId::from_random(self.parts.random.bytes16());
        let now = self.parts.clock.now();
        let mut tx = self.parts.store.begin().await?;
        tx.forget_drafts(actor.name(), DRAFTS_MAX - 1, kept_from(now)).await?;
        tx.set_draft(&self.parts.sealed_draft(actor, id, now, &fields)?).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// A draft.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is none of this name's, or it was forgotten.
    pub async fn draft(&self, actor: &Actor, id: DraftId) -> Result<Draft> {
        self.allow(actor, Action::KeepDrafts)?;
        let record = self.parts.store.draft(id).await?;
        self.parts.opened_draft(actor, id, record)
    }

    /// The newest drafts of somebody, at most so many. One that cannot be opened, or became a deployment, is left out.
    pub async fn drafts(&self, actor: &Actor, limit: u32) -> Result<Vec<Draft>> {
        self.allow(actor, Action::KeepDrafts)?;
        let records = self.parts.store.drafts(actor.name(), DRAFTS_MAX).await?;
        let open = |record: DraftRecord| self.parts.opened_draft(actor, record.id, Some(record)).ok();
        Ok(records.into_iter().filter_map(open).take(limit as usize).collect())
    }

    /// The deployment that a draft became. That is known for as long as a draft is kept.
    pub async fn became(&self, actor: &Actor, id: DraftId) -> Result<Option<DeploymentId>> {
        self.allow(actor, Action::KeepDrafts)?;
        let record = self.parts.store.draft(id).await?;
        Ok(self.parts.unsealed_draft(actor, id, record)?.and_then(|draft| draft.became()))
    }

    /// Changes a draft, and answers with it. Changes of several pages follow each other; none is lost.
    ///
    /// # Errors
    /// `NOT_FOUND` as [`Self::draft`], and what `change` or the limits refuse; then nothing is kept.
    pub async fn keep_draft<F>(&self, actor: &Actor, id: DraftId, change: F) -> Result<Draft>
    where
        F: FnOnce(&mut DraftFields) -> Result<()> + Send,
    {
        self.allow(actor, Action::KeepDrafts)?;
        let mut tx = self.parts.store.begin().await?;
        let record = tx.draft(id).await?;
        let mut draft = self.parts.opened_draft(actor, id, record)?;
        let before = draft.fields.clone();
        change(&mut draft.fields)?;
        if !draft.fields.is_same(&before) {
            draft.fields.check()?;
            draft.changed_at = self.parts.clock.now();
            tx.set_draft(&self.parts.sealed_draft(actor, id, draft.changed_at, &draft.fields)?).await?;
            tx.commit().await?;
        }
        Ok(draft)
    }

    /// Forgets a draft. That there is none any more is as good.
    pub async fn drop_draft(&self, actor: &Actor, id: DraftId) -> Result<()> {
        self.allow(actor, Action::Deploy)?;
        let mut tx = self.parts.store.begin().await?;
        if tx.draft(id).await?.is_some_and(|record| record.actor == actor.name()) {
            tx.remove_draft(id).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}

impl Parts {
    fn sealed_draft(
        &self,
        actor: &Actor,
        id: DraftId,
        changed_at: Timestamp,
        fields: &DraftFields,
    ) -> Result<DraftRecord> {
        let fields = self.vault.seal(&DraftRecord::binding(id, actor.name()), fields.written()?.reveal())?;
        Ok(DraftRecord { id, actor: actor.name().to_owned(), fields, changed_at })
    }

    fn opened_draft(&self, actor: &Actor, id: DraftId, record: Option<DraftRecord>) -> Result<Draft> {
        let draft = self.unsealed_draft(actor, id, record)?;
        draft.filter(|draft| draft.became().is_none()).ok_or_else(no_draft)
    }

    /// A draft as it is kept, be it that it became a deployment.
    fn unsealed_draft(
        &self,
        actor: &Actor,
        id: DraftId,
        record: Option<DraftRecord>,
    ) -> Result<Option<Draft>> {
        let oldest = kept_from(self.clock.now());
        let own = record.filter(|record| record.actor == actor.name() && record.changed_at >= oldest);
        let Some(record) = own else { return Ok(None) };
        let text = self.vault.unseal(&DraftRecord::binding(id, actor.name()), &record.fields)?;
        Ok(Some(Draft { id, changed_at: record.changed_at, fields: DraftFields::read(&text)? }))
    }

    /// The deployment that a draft became already.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such draft.
    pub(crate) async fn turned(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        id: DraftId,
    ) -> Result<Option<DeploymentId>> {
        let record = tx.draft(id).await?;
        let draft = self.unsealed_draft(actor, id, record)?.ok_or_else(no_draft)?;
        Ok(draft.became())
    }

    /// Writes down what a draft became, in the place of what was typed.
    pub(crate) async fn turn(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        id: DraftId,
        deployment: DeploymentId,
    ) -> Result<()> {
        let mut fields = DraftFields::default();
        fields.set(BECAME, deployment.to_string());
        tx.set_draft(&self.sealed_draft(actor, id, self.clock.now(), &fields)?).await
    }

    pub(crate) async fn forget_old_drafts(&self) -> Result<()> {
        let oldest = kept_from(self.clock.now());
        if !self.store.has_drafts_before(oldest).await? {
            return Ok(());
        }
        let mut tx = self.store.begin().await?;
        tx.forget_drafts_before(oldest).await?;
        tx.commit().await.map(drop)
    }
}

fn no_draft() -> Error {
    Error::new(Code::NotFound, "there is no such draft: it was deployed, or nobody touched it for a week")
        .hint("begin anew at `/new`")
}

/// Forgets drafts that nobody touched for a week, for as long as it is let.
pub(crate) async fn forget_forever(parts: Arc<Parts>) {
    loop {
        if let Err(error) = parts.forget_old_drafts().await {
            error!(?error, "old drafts could not be forgotten");
        }
        tokio::time::sleep(FORGET_EVERY).await;
    }
}

/// The oldest change of a draft that is kept at this time.
fn kept_from(now: Timestamp) -> Timestamp {
    now.saturating_sub(KEPT).unwrap_or(Timestamp::MIN)
}
