//! A service's log as it grows.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::path::PathBuf;

use futures_util::Stream;
use futures_util::stream;
use jiff::Timestamp;
use mirage_core::{DeploymentId, Error, InstanceId, LogLine, LogPosition, LogQuery, Result, ServiceId};

use super::back;
use super::cursor::Cursor;
use super::tree;
use super::watch::{Changes, Subscription};
use super::window::Filter;

/// Reads on demand: a slow reader makes nothing pile up, and a dropped one ends everything.
pub(crate) struct Follower {
    service_dir: PathBuf,
    deployment: Option<DeploymentId>,
    since: Option<Timestamp>,
    filter: Filter,
    floors: HashMap<InstanceId, LogPosition>,
    subscription: Subscription,
    root: PathBuf,
    /// The lines from before, where only the last few are wanted.
    backlog: VecDeque<LogLine>,
    cursors: BTreeMap<InstanceId, Cursor>,
    /// Lines are gone, and no line has said so yet.
    lost: bool,
}

impl Follower {
    /// Starts watching, then finds out what there is, so that nothing is missed between the two.
    pub(crate) fn start(
        root: PathBuf,
        service: ServiceId,
        query: LogQuery,
        subscription: Subscription,
    ) -> io::Result<Self> {
        std::fs::create_dir_all(&root)?;
        let mut follower = Self {
            service_dir: tree::service_dir(&root, service),
            root,
            deployment: query.deployment,
            since: query.since,
            filter: Filter::new(&query),
            floors: query.after.iter().copied().collect(),
            subscription,
            backlog: VecDeque::new(),
            cursors: BTreeMap::new(),
            lost: false,
        };
        follower.watch_tree()?;
        if query.limit.is_some() {
            let before = back::read(&follower.service_dir, &query)?;
            follower.backlog = before.lines.into();
            for (who, end) in before.ends {
                follower.cursors.insert(who.instance, Cursor::at(who, end));
            }
        }
        follower.find_instances()?;
        let gone = |instance| !follower.cursors.contains_key(instance);
        follower.lost =
            !query.after_is_shared && query.deployment.is_none() && follower.floors.keys().any(gone);
        Ok(follower)
    }

    /// The lines, without end.
    pub(crate) fn into_stream(self) -> impl Stream<Item = Result<LogLine>> + Send + 'static {
        stream::unfold(Some(self), |follower| async {
            let mut follower = follower?;
            loop {
                while let Some(mut line) = follower.take() {
                    follower.lost |= line.lost_before;
                    if follower.filter.wants(&line) {
                        line.lost_before = std::mem::take(&mut follower.lost);
                        return Some((Ok(line), Some(follower)));
                    }
                }
                follower = match follower.read_on().await {
                    Ok(follower) => follower,
                    Err(error) => {
                        return Some((Err(Error::internal("read the logs of a service", error)), None));
                    }
                };
            }
        })
    }

    /// The earliest line, once every instance has shown its next one or has none.
    fn take(&mut self) -> Option<LogLine> {
        if let Some(line) = self.backlog.pop_front() {
            return Some(line);
        }
        if self.cursors.values().any(|cursor| cursor.lines.is_empty() && !cursor.at_end) {
            return None;
        }
        let heads = self.cursors.values_mut().filter(|cursor| !cursor.lines.is_empty());
        heads.min_by_key(|cursor| cursor.lines.front().map(|line| line.time))?.lines.pop_front()
    }

    /// Reads what there is; where that is nothing, waits for a change first.
    async fn read_on(mut self) -> io::Result<Self> {
        let idle = self.cursors.values().all(|cursor| cursor.at_end);
        let changes = if idle { self.subscription.changed().await? } else { Changes::default() };
        let read = move || {
            self.note(&changes)?;
            for cursor in self.cursors.values_mut() {
                cursor.advance()?;
            }
            Ok(self)
        };
        tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
    }

    /// Wakes the cursors whose folders have changed, and finds new instances.
    fn note(&mut self, changes: &Changes) -> io::Result<()> {
        let mut elsewhere = changes.folders.len();
        self.cursors.retain(|_, cursor| {
            let changed = changes.folders.contains(&cursor.who().dir);
            elsewhere -= usize::from(changed);
            cursor.at_end &= !(changed || changes.everything);
            // What is gone from the disk cannot write any more.
            cursor.at_end || !cursor.lines.is_empty() || cursor.who().dir.exists()
        });
        if changes.everything || elsewhere > 0 {
            self.watch_tree()?;
            self.find_instances()?;
        }
        Ok(())
    }

    /// Watches the folders of the service, each before it is listed.
    fn watch_tree(&mut self) -> io::Result<()> {
        self.subscription.watch(&self.root)?;
        self.subscription.watch(&self.service_dir)?;
        for (deployment, dir) in tree::deployments(&self.service_dir)? {
            if self.deployment.is_some_and(|only| only != deployment) {
                continue;
            }
            self.subscription.watch(&dir)?;
            for who in tree::instances_of(deployment, &dir)? {
                self.subscription.watch(&who.dir)?;
            }
        }
        Ok(())
    }

    /// Gives every instance without a cursor one.
    fn find_instances(&mut self) -> io::Result<()> {
        for who in tree::instances(&self.service_dir, self.deployment)? {
            let instance = who.instance;
            if self.cursors.contains_key(&instance) {
                continue;
            }
            self.subscription.watch(&who.dir)?;
            let cursor = match (self.floors.get(&instance), self.since) {
                (Some(floor), _) => Cursor::at(who, *floor),
                (None, Some(since)) => Cursor::since(who, since)?,
                (None, None) => Cursor::at(who, LogPosition::default()),
            };
            self.cursors.insert(instance, cursor);
        }
        Ok(())
    }
}
