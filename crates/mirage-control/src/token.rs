//! Tokens of projects: for a CI that pushes images, or a machine that pulls them.

use std::sync::Arc;

use mirage_core::{Code, Error, EventKind, Grant, Name, Result, Secret, TokenId};
use mirage_store::Tx;

use crate::Control;
use crate::Listing;
use crate::access::{Action, Actor, hash};
use crate::create::{DEFAULT_PROJECT, named};

/// What every token of a project begins with, so that a leaked one is recognised.
const PREFIX: &str = "mirage_";

/// A token that is to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// What it is for, unique in its project.
    pub name: Name,
    /// The project; `default` by default.
    pub project: Option<Name>,
    /// Whether images may be pushed and removed, besides pulled.
    pub push: bool,
}

impl Control {
    /// Makes a token for the images of a project. It is shown this once, and kept as a hash.
    pub async fn create_token(&self, actor: &Actor, new: NewToken) -> Result<(Grant, Secret)> {
        self.allow(actor, Action::ManageTokens)?;
        let project = named(new.project, DEFAULT_PROJECT)?;
        let token: String = self.parts.random.bytes32().iter().map(|byte| format!("{byte:02x}")).collect();
        let token = Secret::from(format!("{PREFIX}{token}"));
        let mut tx = self.parts.store.begin().await?;
        let project = self.project(&mut tx, project).await?;
        if tx.grant_named(project.id, &new.name).await?.is_some() {
            let message = format!("`{}` has a token `{}` already", project.name, new.name);
            return Err(Error::new(Code::NameTaken, message)
                .field("name")
                .hint("choose another name, or remove that one: `mirage token remove PROJECT/NAME`"));
        }
        let grant = Grant {
            id: TokenId::from_random(self.parts.random.bytes16()),
            name: new.name,
            project: project.id,
            project_name: project.name,
            push: new.push,
            created_at: self.parts.clock.now(),
        };
        tx.insert_grant(&grant, &hash(token.reveal())).await?;
        let (project, name) = (grant.project_name.to_string(), grant.name.to_string());
        tx.append(actor.event(self.parts.clock.now(), None, EventKind::TokenCreated { project, name }))
            .await?;
        self.settle_tokens(tx).await?;
        Ok((grant, token))
    }

    /// A page of what tokens of projects allow, by project and name.
    pub async fn tokens(
        &self,
        actor: &Actor,
        after: Option<&(Name, Name)>,
        limit: u32,
    ) -> Result<Listing<Grant>> {
        self.allow(actor, Action::ManageTokens)?;
        Ok(Listing::of(self.parts.store.grant_page(after, limit.saturating_add(1)).await?, limit))
    }

    /// Takes a token away. From now on it opens nothing.
    pub async fn remove_token(&self, actor: &Actor, id: TokenId) -> Result<Grant> {
        self.allow(actor, Action::ManageTokens)?;
        let all = self.parts.store.grants().await?;
        let unknown = || {
            Error::new(Code::NotFound, format!("there is no token `{id}`"))
                .hint("`mirage token list` shows them")
        };
        let (_, grant) = all.into_iter().find(|(_, grant)| grant.id == id).ok_or_else(unknown)?;
        let mut tx = self.parts.store.begin().await?;
        if !tx.remove_grant(id).await? {
            return Err(unknown());
        }
        let (project, name) = (grant.project_name.to_string(), grant.name.to_string());
        tx.append(actor.event(self.parts.clock.now(), None, EventKind::TokenRemoved { project, name }))
            .await?;
        self.settle_tokens(tx).await?;
        Ok(grant)
    }

    /// Makes a change of tokens true, in the database and for whoever shows one. It goes to its end also where
    /// nobody waits for it any more: a token that was taken away must not go on opening anything.
    async fn settle_tokens(&self, tx: Tx) -> Result<()> {
        let parts = Arc::clone(&self.parts);
        let settled = tokio::spawn(async move {
            let committed = tx.commit().await;
            // Also where that failed: what is true is in the database.
            let read = parts.grants.read(&parts.store).await;
            parts.announce(committed?);
            read
        });
        settled.await.map_err(|broken| Error::internal("change the tokens", broken))?
    }
}
