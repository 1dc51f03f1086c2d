//! What a user asks for so that a point is reached.

/// A short history. Each can be asked for again until it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Deploys a version of `web` that is here already.
    Deploy,
    /// Deploys a version of `web` that has to be brought.
    Pull,
    /// Deploys a version of `web` that ends by itself.
    Fail,
    /// Deploys a version of `web` that never listens, and cancels that.
    Cancel,
    /// Creates a service.
    Create,
    /// Removes a service, the only one of its image.
    Remove,
    /// Gives `worker` two instances, and one.
    Scale,
    /// Kills the container of `worker`.
    Kill,
    /// Creates a service in an environment of a project of its own.
    Environment,
    /// Creates a service with a volume.
    Volume,
    /// Fills a volume from an archive.
    Restore,
    /// Pushes an image into the built-in registry.
    Push,
    /// Uploads a blob in pieces.
    Upload,
    /// Gives an upload up.
    GiveUp,
    /// Lets an upload rest until it goes.
    Expire,
    /// Takes the name of an image away in the built-in registry.
    Untag,
    /// Brings a certificate.
    Certificate,
    /// Has a certificate signed.
    Signed,
    /// The same without an account.
    Account,
    /// Changes the key of the vault.
    Rotate,
    /// Gives up what is sealed, with the key lost.
    Reset,
    /// Removes a volume, and 48 hours pass.
    End,
    /// A minute passes.
    Minute,
    /// A year passes.
    Year,
    /// Writes a backup of the platform.
    Backup,
    /// Replaces another platform by that of a backup.
    Replace,
    /// Starts another platform for the first time.
    First,
    /// Kills control and starts it again.
    Again,
    /// Kills the proxy.
    Relay,
    /// Writes an image into an archive.
    Save,
    /// A verb of the command line.
    Verb(Verb),
}

/// Verbs that change rows of the database and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    SetCredential,
    RemoveCredential,
    SetVariable,
    UnsetVariable,
    AddDomain,
    RemoveDomain,
    CreateToken,
    RemoveToken,
    RemoveVolume,
}

impl Act {
    /// By which the point is reached.
    pub(super) fn reaching(point: &str) -> Self {
        let write = point.strip_prefix("store/").and_then(|rest| rest.split('/').next());
        if let Some(write) = write {
            return Self::writing(write);
        }
        let (part, rest) = point.split_once('/').unwrap_or_default();
        match (part, rest) {
            ("reconcile", "pull" | "pulled") | ("blob" | "layer", _) if rest != "unmounted" => Self::Pull,
            ("reconcile", "start" | "started" | "introduce") => Self::Create,
            ("reconcile", "exited" | "sweep" | "swept") => Self::Kill,
            ("reconcile", "abandon" | "end") => Self::Fail,
            ("reconcile", "forget" | "unrouted" | "forgotten") | ("layer" | "content", _) => Self::Remove,
            ("volume", "take" | "taken") => Self::Restore,
            ("volume", "throw" | "thrown") => Self::End,
            ("volume", _) => Self::Volume,
            ("registry", "remove" | "removed") => Self::Untag,
            ("registry", _) => Self::Push,
            ("upload", "cancel" | "cancelled") => Self::GiveUp,
            ("upload", "expire") => Self::Expire,
            ("upload", _) => Self::Upload,
            ("certificate", "account") => Self::Account,
            ("certificate", "install" | "installed") => Self::Certificate,
            ("certificate", _) => Self::Signed,
            ("proxy", "certify" | "certified") => Self::Certificate,
            ("key" | "vault", _) => Self::Rotate,
            ("token", _) => Self::First,
            ("backup" | "file", _) => Self::Backup,
            ("restore", _) => Self::Replace,
            ("archive", _) => Self::Save,
            ("network", "block") => Self::Again,
            ("network", "rules" | "bridge" | "bridged") => Self::Environment,
            ("proxy", "charge" | "record") => Self::Relay,
            ("shim", "ended" | "exit") => Self::Kill,
            _ => Self::Deploy,
        }
    }

    fn writing(what: &str) -> Self {
        match what {
            "insert_project" | "insert_environment" => Self::Environment,
            "insert_service" => Self::Create,
            "update_service" => Self::Scale,
            "delete_service" => Self::Remove,
            "set_failure" => Self::Fail,
            "set_cancelled" => Self::Cancel,
            "insert_volume" => Self::Volume,
            "update_volume" => Self::Verb(Verb::RemoveVolume),
            "set_credential" => Self::Verb(Verb::SetCredential),
            "remove_credential" => Self::Verb(Verb::RemoveCredential),
            "set_shared_variable" => Self::Verb(Verb::SetVariable),
            "remove_shared_variable" => Self::Verb(Verb::UnsetVariable),
            "set_domain" => Self::Verb(Verb::AddDomain),
            "remove_domain" => Self::Verb(Verb::RemoveDomain),
            "insert_grant" => Self::Verb(Verb::CreateToken),
            "remove_grant" => Self::Verb(Verb::RemoveToken),
            "set_certificate" => Self::Certificate,
            "set_acme_account" => Self::Account,
            "set_setting" | "seal_anew" => Self::Rotate,
            "give_up_secrets" => Self::Reset,
            "begin_purge" | "delete_volume" => Self::End,
            "write_points" | "forget_points" => Self::Minute,
            "forget_events" => Self::Year,
            _ => Self::Deploy,
        }
    }
}

impl Verb {
    /// Its words, and what it reads, about the thing of this name.
    pub(super) fn words(self, name: &str) -> (Vec<String>, &'static str) {
        let (registry, domain) = (format!("{name}.example"), format!("{name}.example.org"));
        let (pair, variable) = (format!("N_{name}=1"), format!("N_{name}"));
        let (words, told): (&[&str], _) = match self {
            Self::SetCredential => (&["credential", "set", &registry, "--username", "ci"], "hunter22"),
            Self::RemoveCredential => (&["credential", "remove", &registry], ""),
            Self::SetVariable => (&["variables", "set", "--shared", &pair], ""),
            Self::UnsetVariable => (&["variables", "unset", "--shared", &variable], ""),
            Self::AddDomain => (&["domain", "add", "web", &domain, "--no-certificate"], ""),
            Self::RemoveDomain => (&["domain", "remove", &domain], ""),
            Self::CreateToken => (&["token", "create", name, "--project", "default", "--push"], ""),
            Self::RemoveToken => (&["token", "remove", name], ""),
            Self::RemoveVolume => (&["volume", "remove", name], ""),
        };
        (words.iter().map(|word| (*word).to_owned()).collect(), told)
    }

    /// What has to be there before, made by this verb or a volume.
    pub(super) fn after(self) -> Option<Self> {
        match self {
            Self::RemoveCredential => Some(Self::SetCredential),
            Self::UnsetVariable => Some(Self::SetVariable),
            Self::RemoveDomain => Some(Self::AddDomain),
            Self::RemoveToken => Some(Self::CreateToken),
            _ => None,
        }
    }
}
