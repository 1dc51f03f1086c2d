//! Everything that is not the control plane.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use mirage_control::Finding;
use mirage_core::port::HeldRepository;
use mirage_core::{Error, ImageConfig, InstanceId, InstanceReport, RouteTable, VolumeId};
use tokio::sync::Notify;

use crate::Logbook;

/// A registry, an engine, a proxy, logs, volumes, a clock and the rest at once, so that a test has one thing to hold.
pub struct World {
    pub(crate) began: Instant,
    pub(crate) random: AtomicU64,
    pub(crate) instances: Mutex<BTreeMap<InstanceId, InstanceReport>>,
    pub(crate) changed: Notify,
    pub(crate) table: Mutex<RouteTable>,
    pub(crate) last: Mutex<Option<InstanceReport>>,
    pub(crate) volumes: Mutex<BTreeMap<VolumeId, Vec<u8>>>,
    pub(crate) is_pulled: AtomicBool,
    /// What services wrote that run.
    pub logs: Logbook,
    /// What the process of a broken image says.
    pub said: Mutex<Vec<String>>,
    /// Why it does not start.
    pub why: Mutex<String>,
    /// What images say of themselves, where it is not the usual.
    pub config: Mutex<Option<ImageConfig>>,
    /// What registries refuse everything with, if they do.
    pub refusal: Mutex<Option<Error>>,
    /// Who asked registries for an image: host, user name, password.
    pub logins: Mutex<Vec<(String, String, String)>>,
    /// What the built-in registry holds.
    pub held: Mutex<Vec<HeldRepository>>,
    /// A pull is over.
    pub pulled: Notify,
    /// Whether nobody answers a probe.
    pub sick: AtomicBool,
    /// What stands in the way on this machine.
    pub findings: Mutex<Vec<Finding>>,
}

impl World {
    /// One in which nothing runs yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            random: AtomicU64::new(1),
            instances: Mutex::default(),
            changed: Notify::new(),
            table: Mutex::default(),
            last: Mutex::default(),
            volumes: Mutex::default(),
            is_pulled: AtomicBool::new(false),
            logs: Logbook::default(),
            said: Mutex::default(),
            why: Mutex::default(),
            config: Mutex::default(),
            refusal: Mutex::default(),
            logins: Mutex::default(),
            held: Mutex::default(),
            pulled: Notify::new(),
            sick: AtomicBool::new(false),
            findings: Mutex::default(),
        })
    }
}
