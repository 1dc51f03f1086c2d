//! Every point there is.

/// The name of each point and what it stands between.
pub const POINTS: &[(&str, &str)] = &[
    ("reconcile/record", "steps are planned | they are recorded"),
    ("reconcile/pull", "a pull is recorded | its login is looked for"),
    ("reconcile/pulled", "an image is here | the end of its pull is recorded"),
    ("reconcile/start", "an instance is recorded | the engine is asked to start it"),
    ("reconcile/started", "the engine has started an instance | the next round"),
    ("reconcile/introduce", "a service is new | the proxy hears of it"),
    ("reconcile/route", "a change of routes is planned | the proxy hears of it"),
    ("reconcile/routed", "the proxy has new routes | the next step"),
    ("reconcile/drained", "an instance is drained | it is stopped"),
    ("reconcile/stopped", "an instance is stopped | its end is recorded"),
    ("reconcile/exited", "the end of an instance is recorded | what is left of it is removed"),
    ("reconcile/sweep", "what an instance left is still there | it is removed after all"),
    ("reconcile/swept", "what an instance left is removed | the next round"),
    ("reconcile/activate", "a deployment is recorded as active | images are collected"),
    ("reconcile/enter", "a phase is recorded | what comes of it"),
    ("reconcile/end", "the last phase of a deployment is recorded | its pull is forgotten"),
    ("reconcile/abandon", "a deployment is recorded as given up | its instances go"),
    ("reconcile/forget", "the last instance of a removed service is gone | its routes go"),
    ("reconcile/unrouted", "the routes of a removed service are gone | its logs go"),
    ("reconcile/forgotten", "the row of a service is gone | its pulls are forgotten"),
    ("blob/write", "a blob came | it is written as a draft"),
    ("blob/name", "a blob is a draft on the disk | it has its name"),
    ("blob/named", "a blob has its name | its folder is on the disk"),
    ("layer/write", "a layer comes | it is unpacked as a draft"),
    ("layer/unpacked", "a layer is unpacked | it is brought to the disk"),
    ("layer/name", "a layer is a draft on the disk | it has its name"),
    ("layer/named", "a layer has its name | its folder is on the disk"),
    ("layer/mount", "a layer has a folder to be mounted at | it is mounted"),
    ("layer/mounted", "a layer is mounted | somebody knows it"),
    ("layer/unmounted", "a layer that nobody needs is not mounted any more | its folder goes"),
    ("content/discard", "something that nobody needs has its name | it has none"),
    ("content/discarded", "something that nobody needs has no name | its bytes go"),
    ("network/pin", "a network namespace has a file | it is made"),
    ("network/namespace", "a network namespace is made | its pair of links is"),
    ("network/pair", "a pair of links is made | it is set up"),
    ("network/lease", "an address is chosen | its lease is written"),
    ("network/leased", "a lease is written | its links are plugged"),
    ("network/plug", "a link is on its bridge | its other end has its address"),
    ("network/release", "an instance gives its address back | its links go"),
    ("network/unlinked", "the links of a slot are gone | its namespace goes"),
    ("network/unpinned", "namespace and links are gone | the lease goes"),
    ("instance/attached", "an instance has a network | its folder is written"),
    ("instance/name", "the folder of an instance is a draft | it has its name"),
    ("instance/named", "the folder of an instance has its name | its shim is started"),
    ("instance/spawned", "a shim is a process | it is given the variables"),
    ("instance/connect", "a shim listens | it is spoken to"),
    ("instance/wind-down", "an instance is to stop | its shim is asked"),
    ("instance/dismantle", "a container has ended | its shim is killed"),
    ("instance/ended", "the processes of an instance are gone | its network goes"),
    ("instance/released", "the network of an instance is gone | its files go"),
    ("instance/written", "what a container wrote is gone | its folder goes"),
    ("volume/make", "an instance has a volume | the volume has a folder"),
    ("volume/fill", "the draft of a volume's first data is empty | it is filled"),
    ("volume/name", "the draft of a volume's data is on the disk | it has its name"),
    ("volume/named", "a volume's data has its name | its folder is on the disk"),
    ("volume/take", "an archive is read into its folder | it changes places with the data"),
    ("volume/taken", "restored data has its name | what was there goes"),
    ("shim/listen", "a shim runs | it listens"),
    ("shim/state", "a shim's state is a draft | it has its name"),
    ("shim/hold", "a shim has said where it listens | it takes hold of volumes"),
    ("shim/group", "a control group is made | the launcher starts"),
    ("shim/scratch", "the launcher has its own mounts | the root is stacked"),
    ("shim/root", "a root is mounted | the container is made"),
    ("shim/ended", "a container has ended | its control group goes"),
    ("shim/exit", "the control group of a container is gone | its end is told"),
    ("registry/name", "a manifest's record is a draft on the disk | it has its name"),
    ("registry/named", "a manifest's record has its name | its folder is on the disk"),
    ("proxy/publish", "new routes have come | they are in force"),
    ("proxy/keep", "new routes are in force | they are kept on the disk"),
    ("proxy/name", "kept routes are a draft | they have their name"),
];

/// The kinds of writes to the database. There is a point before the commit of each, and one after.
pub const WRITES: &[&str] = &[
    "insert_project",
    "insert_environment",
    "insert_service",
    "update_service",
    "delete_service",
    "insert_revision",
    "insert_deployment",
    "set_phase",
    "set_failure",
    "set_cancelled",
    "begin_step",
    "end_step",
    "insert_instance",
    "set_stopped",
    "set_exit",
    "append",
    "insert_volume",
    "update_volume",
    "set_credential",
    "remove_credential",
    "set_shared_variable",
    "remove_shared_variable",
    "set_domain",
    "remove_domain",
    "insert_grant",
    "remove_grant",
];

/// A side of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Nothing of the transaction will be there after a crash.
    Before,
    /// All of it will.
    After,
}

impl Moment {
    /// The name of the point on this side of the commit of such a write.
    pub fn of(self, kind: &str) -> String {
        let moment = match self {
            Self::Before => "before",
            Self::After => "after",
        };
        format!("store/{kind}/{moment}")
    }
}

/// The names of all points.
pub fn names() -> Vec<String> {
    let writes = WRITES.iter().flat_map(|kind| [Moment::Before, Moment::After].map(|moment| moment.of(kind)));
    POINTS.iter().map(|(name, _)| (*name).to_owned()).chain(writes).collect()
}
