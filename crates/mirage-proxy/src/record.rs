//! Files in the proxy's run folder: who it is, and what it routes.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use mirage_core::RouteTable;
use mirage_core::fault::point_io;
use serde::{Deserialize, Serialize};

/// The control socket: a symbolic link to the socket of the process in charge.
pub(crate) const SOCKET: &str = "proxy.sock";
/// The process record.
pub(crate) const RECORD: &str = "proxy.json";
/// The table in force.
const ROUTES: &str = "routes.json";

/// The largest route table that is read back.
const ROUTES_BYTES: u64 = 64 * 1024 * 1024;

/// Which process is the proxy; written to `proxy.json` when it is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyRecord {
    /// Its process.
    pub pid: u32,
    /// When it started, in clock ticks since the machine did (field 22 of `/proc/<pid>/stat`): with
    /// the pid it names the process for good.
    pub start_ticks: u64,
    /// Where it accepts connections.
    pub listen: Vec<SocketAddr>,
    /// Where it accepts connections over TLS.
    #[serde(default)]
    pub listen_tls: Vec<SocketAddr>,
    /// Version of Mirage.
    pub version: String,
}

impl ProxyRecord {
    /// The record in this folder; `None` where there is none or it cannot be understood.
    pub fn read(run: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(run.join(RECORD)).ok()?).ok()
    }

    /// Whether that very process still lives.
    pub fn is_alive(&self) -> bool {
        start_ticks(self.pid) == Some(self.start_ticks)
    }

    /// The record of this process.
    pub(crate) fn of_this_process(listen: Vec<SocketAddr>, listen_tls: Vec<SocketAddr>) -> Self {
        let pid = std::process::id();
        Self {
            pid,
            start_ticks: start_ticks(pid).unwrap_or_default(),
            listen,
            listen_tls,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Writes it beside its place. What can fail for want of space has been done then.
    pub(crate) fn draft(&self, run: &Path) -> io::Result<Draft> {
        draft(run, RECORD, &serde_json::to_vec(self)?)
    }
}

/// The table, and the boot of the machine for which it is right: after another one its addresses belong
/// to other instances, or to none.
#[derive(Serialize, Deserialize)]
struct Kept<T> {
    boot: String,
    table: T,
}

/// The table that was in force when the last proxy ended. Without one of this boot, or where it cannot
/// be understood, nothing is routed until control publishes.
pub(crate) fn read_routes(run: &Path) -> RouteTable {
    let path = run.join(ROUTES);
    let text = match fs::metadata(&path).and_then(|found| match found.len() {
        0..=ROUTES_BYTES => fs::read(&path),
        _ => Err(io::ErrorKind::FileTooLarge.into()),
    }) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return RouteTable::default(),
        Err(error) => {
            tracing::warn!(%error, "cannot read the route table");
            return RouteTable::default();
        }
    };
    match serde_json::from_slice::<Kept<RouteTable>>(&text) {
        Ok(kept) if kept.boot == boot() => kept.table,
        Ok(_) => RouteTable::default(),
        Err(error) => {
            tracing::warn!(%error, "the route table on disk is damaged");
            RouteTable::default()
        }
    }
}

/// This boot of the machine.
fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Keeps the table for the next start.
pub(crate) fn write_routes(run: &Path, table: &RouteTable) -> io::Result<()> {
    let draft = draft(run, ROUTES, &serde_json::to_vec(&Kept { boot: boot(), table })?)?;
    point_io("proxy/name")?;
    draft.put_in_place()
}

/// A file that was written beside its place. Dropped before it has come there, it is removed.
pub(crate) struct Draft {
    temporary: PathBuf,
    place: PathBuf,
}

impl Draft {
    /// Moves it to its place. Not synced to disk: after a crash of the machine no instance in it is left anyway.
    pub(crate) fn put_in_place(self) -> io::Result<()> {
        fs::rename(&self.temporary, &self.place)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Where something is until it is complete. It tells whose it is.
pub(crate) fn draft_path(run: &Path, name: &str) -> PathBuf {
    run.join(format!(".{name}.{}", std::process::id()))
}

/// The process whose draft something is, by its name; `None` where it is no draft of a proxy.
pub(crate) fn drafter(name: &str) -> Option<u32> {
    let (name, pid) = name.strip_prefix('.')?.rsplit_once('.')?;
    [SOCKET, RECORD, ROUTES].contains(&name).then(|| pid.parse().ok())?
}

fn draft(run: &Path, name: &str, content: &[u8]) -> io::Result<Draft> {
    let temporary = draft_path(run, name);
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    let draft = Draft { temporary, place: run.join(name) };
    file.write_all(content)?;
    Ok(draft)
}

fn start_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name is in parentheses and may hold spaces; field 3 follows the last one.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_knows_its_process_from_another_with_the_same_number() {
        let run = tempfile::tempdir().unwrap();
        assert_eq!(ProxyRecord::read(run.path()), None);
        let record = ProxyRecord::of_this_process(vec!["127.0.0.1:8080".parse().unwrap()], Vec::new());
        record.draft(run.path()).unwrap().put_in_place().unwrap();
        let read = ProxyRecord::read(run.path()).unwrap();
        assert_eq!(read, record);
        assert!(read.is_alive());
        assert!(!ProxyRecord { start_ticks: read.start_ticks + 1, ..read }.is_alive());
    }

    #[test]
    fn a_damaged_table_counts_as_none() {
        let run = tempfile::tempdir().unwrap();
        assert_eq!(read_routes(run.path()), RouteTable::default());
        let table = RouteTable { generation: 7, ..RouteTable::default() };
        write_routes(run.path(), &table).unwrap();
        assert_eq!(read_routes(run.path()), table);
        let kept = fs::read_to_string(run.path().join(ROUTES)).unwrap();
        fs::write(run.path().join(ROUTES), kept.replace(&boot(), "another-boot")).unwrap();
        assert_eq!(read_routes(run.path()), RouteTable::default(), "its addresses are others' by now");
        fs::write(run.path().join(ROUTES), b"{\"boot\":").unwrap();
        assert_eq!(read_routes(run.path()), RouteTable::default());
    }
}
