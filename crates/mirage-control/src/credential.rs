//! Credentials: those that services of an environment or a project share, and the one a service has of
//! its own.

use std::collections::HashMap;

use mirage_core::port::LoginCheck;
use mirage_core::{
    Code, Credential, CredentialId, CredentialOutcome, CredentialOwner, CredentialScope, Environment, Error,
    EventKind, Login, Name, Project, Reference, RegistryHost, Repository, Result, Secret, ServiceId,
};
use mirage_store::{CredentialPosition, GivenUp, ImageUser, ListedCredential, ServicePath, Tx};

use crate::Control;
use crate::Listing;
use crate::access::{Action, Actor};
use crate::create::{DEFAULT_PROJECT, named};

/// Credentials that are looked at where it is told who pulls with which.
const COUNTED: u32 = 10_000;

/// The services that share something: those of an environment, or without one those of a project.
#[derive(Clone, Debug, Default)]
pub struct CredentialPlace {
    /// The project; `default` by default.
    pub project: Option<Name>,
    /// The environment.
    pub environment: Option<Name>,
}

/// A credential that is to be shared.
#[derive(Clone)]
pub struct NewCredential {
    /// By whom.
    pub place: CredentialPlace,
    /// The registry.
    pub host: RegistryHost,
    /// Only for repositories at or below this one.
    pub prefix: Option<Repository>,
    /// The user name.
    pub username: String,
    /// The password or token.
    pub password: Secret,
}

impl Control {
    /// Keeps a credential for the services of a place, instead of the one they had for the same registry
    /// and repositories. Project and environment are made if they are not there.
    pub async fn set_credential(&self, actor: &Actor, new: NewCredential) -> Result<ListedCredential> {
        self.allow(actor, Action::ManageCredentials)?;
        let owner = CredentialOwner { host: new.host, username: new.username };
        let login = Login { owner, password: new.password };
        if login.owner.username.is_empty() || login.password.is_empty() {
            let missing = if login.password.is_empty() { "password" } else { "username" };
            return Err(Error::new(Code::CredentialIncomplete, format!("the {missing} is missing"))
                .field(missing)
                .hint(
                    "give both; registries that look at a token alone take any user name, such as `token`",
                ));
        }
        login.check()?;
        let now = self.parts.clock.now();
        let mut tx = self.parts.store.begin().await?;
        let (project, environment) = self.settle(&mut tx, new.place).await?;
        let scope = match &environment {
            Some(environment) => CredentialScope::Environment(environment.id),
            None => CredentialScope::Project(project.id),
        };
        let mut credential = Credential {
            id: CredentialId::from_random(self.parts.random.bytes16()),
            scope,
            owner: login.owner.clone(),
            prefix: new.prefix,
            created_at: now,
            updated_at: now,
        };
        if let Some(before) = tx.credential_at(&credential).await? {
            (credential.id, credential.created_at) = (before.id, before.created_at);
        }
        let sealed = self.parts.vault.seal(&credential.binding(), login.password.reveal())?;
        tx.set_credential(&credential, &sealed).await?;
        tx.append(actor.event(self.parts.clock.now(), None, set(&credential.owner))).await?;
        self.parts.announce(tx.commit().await?);
        let environment = environment.map(|environment| environment.name);
        Ok(ListedCredential { credential, project: project.name, environment, service: None })
    }

    /// A page of credentials without their passwords, by registry, repository and id.
    pub async fn credentials(
        &self,
        actor: &Actor,
        after: Option<&CredentialPosition>,
        limit: u32,
    ) -> Result<Listing<ListedCredential>> {
        self.allow(actor, Action::Read)?;
        let found = self.parts.store.credential_page(after, limit.saturating_add(1)).await?;
        Ok(Listing::of(found, limit))
    }

    /// One credential without its password.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is none of this id.
    pub async fn credential(&self, actor: &Actor, id: CredentialId) -> Result<ListedCredential> {
        self.allow(actor, Action::Read)?;
        self.listed(id).await
    }

    /// Which services pull with which credential, the next time that they do. One that nobody pulls with is absent.
    pub async fn credential_users(&self, actor: &Actor) -> Result<HashMap<CredentialId, Vec<ServicePath>>> {
        self.allow(actor, Action::Read)?;
        let mut by_scope: HashMap<CredentialScope, Vec<Credential>> = HashMap::new();
        for listed in self.parts.store.credential_page(None, COUNTED).await? {
            by_scope.entry(listed.credential.scope).or_default().push(listed.credential);
        }
        let mut users: HashMap<CredentialId, Vec<ServicePath>> = HashMap::new();
        for ImageUser { path, environment, project, image } in self.parts.store.image_users().await? {
            let scopes = [
                CredentialScope::Service(path.id),
                CredentialScope::Environment(environment),
                CredentialScope::Project(project),
            ];
            let usable: Vec<_> =
                scopes.iter().filter_map(|scope| by_scope.get(scope)).flatten().cloned().collect();
            if let Some(chosen) = Credential::choose(&usable, &image) {
                users.entry(chosen.id).or_default().push(path);
            }
        }
        Ok(users)
    }

    /// Forgets a credential.
    pub async fn remove_credential(&self, actor: &Actor, id: CredentialId) -> Result<ListedCredential> {
        self.allow(actor, Action::ManageCredentials)?;
        let view = self.listed(id).await?;
        let mut tx = self.parts.store.begin().await?;
        if !tx.remove_credential(id).await? {
            return Err(unknown(id));
        }
        let service = match view.credential.scope {
            CredentialScope::Service(id) => Some(id),
            _ => None,
        };
        tx.append(actor.event(self.parts.clock.now(), service, removed(&view.credential.owner))).await?;
        self.parts.announce(tx.commit().await?);
        Ok(view)
    }

    /// Shows a credential to its registry: whether it is taken, and if an image is given, whether that may
    /// be pulled with it.
    pub async fn test_credential(
        &self,
        actor: &Actor,
        id: CredentialId,
        image: Option<&Reference>,
    ) -> Result<LoginCheck> {
        self.allow(actor, Action::Inspect)?;
        let view = self.listed(id).await?;
        let login = self.parts.opened(&view.credential).await?.ok_or_else(|| unknown(id))?;
        let Some(image) = image else { return self.parts.registry.check_login(&login).await };
        if *image.host() != login.owner.host {
            return Err(Error::new(
                Code::InvalidRequest,
                format!("`{image}` is not at `{}`, for which the credential is", login.owner.host),
            )
            .field("image")
            .hint("name an image of that registry"));
        }
        self.parts.registry.resolve(image, &self.parts.settings.platform, Some(&login)).await?;
        Ok(LoginCheck::Accepted)
    }

    /// Seals every secret anew under a new key, and answers with their number.
    pub async fn rotate_vault(&self, actor: &Actor) -> Result<usize> {
        self.allow(actor, Action::ManageVault)?;
        let records = self.parts.vault.rotate(&self.parts.store).await?;
        let mut tx = self.parts.store.begin().await?;
        tx.append(actor.event(self.parts.clock.now(), None, EventKind::VaultRotated { records })).await?;
        self.parts.announce(tx.commit().await?);
        Ok(records)
    }

    /// Gives up everything that is sealed, where the key of the vault is lost for good.
    pub async fn reset_vault(&self, actor: &Actor) -> Result<GivenUp> {
        self.allow(actor, Action::ManageVault)?;
        let now = self.parts.clock.now();
        let given_up = self.parts.vault.reset(&self.parts.store, now).await?;
        let GivenUp { credentials, variables, certificates } = given_up;
        let mut tx = self.parts.store.begin().await?;
        self.certificates.ring();
        let kind = EventKind::VaultReset { credentials, variables, certificates };
        tx.append(actor.event(self.parts.clock.now(), None, kind)).await?;
        self.parts.announce(tx.commit().await?);
        Ok(given_up)
    }

    /// Makes true what was decided about a service's own credential, and answers whether that changed
    /// anything. `seen` is whose credential the decision was made about.
    ///
    /// # Errors
    /// `CONFLICT` where it is another's by now.
    pub(crate) async fn keep_credential(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        service: ServiceId,
        seen: Option<&CredentialOwner>,
        outcome: CredentialOutcome,
    ) -> Result<bool> {
        let stored = tx.own_credential(service).await?;
        if stored.as_ref().map(|stored| &stored.owner) != seen {
            return Err(Error::new(Code::Conflict, "the service's credential was changed meanwhile")
                .hint("look at it with `mirage status`, then try again"));
        }
        let login = match (outcome, stored.as_ref()) {
            (CredentialOutcome::Keep, _) | (CredentialOutcome::Remove, None) => return Ok(false),
            (CredentialOutcome::Remove, Some(stored)) => {
                tx.remove_credential(stored.id).await?;
                tx.append(actor.event(self.parts.clock.now(), Some(service), removed(&stored.owner))).await?;
                return Ok(true);
            }
            (CredentialOutcome::Replace(login), _) => login,
        };
        let now = self.parts.clock.now();
        let fresh = || CredentialId::from_random(self.parts.random.bytes16());
        let credential = Credential {
            id: stored.as_ref().map_or_else(fresh, |stored| stored.id),
            scope: CredentialScope::Service(service),
            owner: login.owner,
            prefix: None,
            created_at: stored.map_or(now, |stored| stored.created_at),
            updated_at: now,
        };
        let sealed = self.parts.vault.seal(&credential.binding(), login.password.reveal())?;
        tx.set_credential(&credential, &sealed).await?;
        tx.append(actor.event(self.parts.clock.now(), Some(service), set(&credential.owner))).await?;
        Ok(true)
    }

    /// The project and the environment of a place, made if they are not there.
    pub(crate) async fn settle(
        &self,
        tx: &mut Tx,
        place: CredentialPlace,
    ) -> Result<(Project, Option<Environment>)> {
        let project = named(place.project, DEFAULT_PROJECT)?;
        match place.environment {
            Some(environment) => {
                let (project, environment) = self.place(tx, project, environment).await?;
                Ok((project, Some(environment)))
            }
            None => Ok((self.project(tx, project).await?, None)),
        }
    }

    async fn listed(&self, id: CredentialId) -> Result<ListedCredential> {
        self.parts.store.listed_credential(id).await?.ok_or_else(|| unknown(id))
    }
}

fn set(owner: &CredentialOwner) -> EventKind {
    EventKind::CredentialSet { registry: owner.host.to_string(), username: owner.username.clone() }
}

fn removed(owner: &CredentialOwner) -> EventKind {
    EventKind::CredentialRemoved { registry: owner.host.to_string(), username: owner.username.clone() }
}

fn unknown(id: CredentialId) -> Error {
    Error::new(Code::NotFound, format!("there is no credential `{id}`"))
        .hint("`mirage credential list` shows them")
}
