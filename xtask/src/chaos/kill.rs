//! What is killed, and which failures that excuses.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getsid};
use serde::Deserialize;

use super::window::Window;
use super::world::{Done, Service, World};
use crate::bed::{Container, containers};

/// Between a kill and the second look at the table of the proxy, which keeps it a moment after it is in force.
const AFTERWARDS: Duration = Duration::from_millis(30);
/// An established connection, in the kernel's lists.
const ESTABLISHED: &str = "01";

/// The table of the proxy as it is on the disk.
#[derive(Deserialize)]
pub(super) struct Table {
    pub(super) generation: u64,
    routes: Vec<Route>,
}

#[derive(Deserialize)]
struct Route {
    backends: Vec<Backend>,
}

#[derive(Deserialize)]
struct Backend {
    instance: String,
}

#[derive(Deserialize)]
struct Kept {
    table: Table,
}

impl Table {
    fn has(&self, container: &Container) -> bool {
        let mut backends = self.routes.iter().flat_map(|route| &route.backends);
        backends.any(|backend| backend.instance == container.instance)
    }
}

impl World {
    pub(super) fn kill_control(&mut self, down: u64) -> Result<String> {
        self.platform.kill_control();
        std::thread::sleep(Duration::from_millis(down));
        self.look_at_the_time();
        if let Err(error) = self.platform.serve() {
            if self.filled_until.is_none() {
                return Err(error.context("control does not come up"));
            }
            *self.notes.entry("control does not come up while the disk is full".to_owned()).or_default() += 1;
            self.empty_disk();
            self.platform.serve().context("control does not come up after the disk was full")?;
        }
        Ok("killed control".to_owned())
    }

    pub(super) fn kill_proxy(&mut self) -> Result<Done> {
        let Some(proxy) = self.of_role("proxy").first().map(|(id, _)| *id) else {
            return Ok(Done::nothing("there is no proxy"));
        };
        let from = Instant::now();
        strike(proxy)?;
        for number in 0..self.services.len() {
            let url = self.url(number);
            self.windows.push(Window::absence("proxy", number, from, proxy, url));
        }
        Ok(Done::of(format!("killed proxy {proxy}")))
    }

    pub(super) fn kill_shim(&mut self, turn: u64) -> Result<Done> {
        // What a shim forks goes by its name for a moment, and nothing ends with it.
        let shims =
            self.of_role("shim").into_iter().filter(|(id, _)| leads_a_session(*id)).collect::<Vec<_>>();
        let Some((shim, line)) = pick(&shims, turn).cloned() else {
            return Ok(Done::nothing("there is no shim"));
        };
        let running = containers(&self.platform.data());
        let victim = running.iter().find(|one| line.ends_with(&one.instance));
        let why = self.strike_at(shim, victim)?;
        Ok(Done::of(format!("killed {line}{why}")))
    }

    pub(super) fn kill_container(&mut self, turn: u64) -> Result<Done> {
        let running = containers(&self.platform.data());
        let Some(container) = pick(&running, turn) else {
            return Ok(Done::nothing("there is no container"));
        };
        let why = self.strike_at(container.pid, Some(container))?;
        Ok(Done::of(format!("killed {container:?}{why}")))
    }

    /// Kills a process with which a container goes, and opens the window that this is worth; says which.
    fn strike_at(&mut self, id: u32, victim: Option<&Container>) -> Result<&'static str> {
        let before = self.table();
        let busy = victim.is_some_and(|victim| is_connected(victim.pid));
        let from = Instant::now();
        strike(id)?;
        std::thread::sleep(AFTERWARDS);
        let of = |service: &Service| victim.is_some_and(|it| it.version.starts_with(&service.prefix()));
        let (Some(victim), Some(number)) = (victim, self.services.iter().position(of)) else { return Ok("") };
        let alone = match (before, self.table()) {
            (Some(before), Some(after)) => {
                let routed = before.has(victim) || after.has(victim);
                if !routed && !busy {
                    return Ok(", which had no traffic");
                }
                let running = containers(&self.platform.data());
                let prefix = self.services[number].prefix();
                let other =
                    |one: &&Container| one.instance != victim.instance && one.version.starts_with(&prefix);
                routed && !running.iter().filter(other).any(|one| before.has(one) && after.has(one))
            }
            // Nobody knows where the traffic went.
            _ => true,
        };
        let window = match alone {
            true => Window::absence(&victim.version, number, from, victim.pid, self.url(number)),
            false => Window::flight(&victim.version, number, from, victim.pid),
        };
        self.windows.push(window);
        Ok(if alone { ", which was alone" } else { ", beside others" })
    }

    /// The table by which the proxy sends traffic, as it is on the disk; `None` where that may be an older one.
    pub(super) fn table(&self) -> Option<Table> {
        let text = std::fs::read(self.platform.data().join("run/routes.json")).ok()?;
        let table = serde_json::from_slice::<Kept>(&text).ok()?.table;
        (self.filled_until.is_none() && self.doubtful_table != Some(table.generation)).then_some(table)
    }

    fn url(&self, number: usize) -> String {
        self.platform.url(&format!("{}-production", self.services[number].name))
    }

    fn of_role(&self, role: &str) -> Vec<(u32, String)> {
        let processes = self.platform.processes().into_iter();
        processes.filter(|(_, line)| line.split(' ').nth(1) == Some(role)).collect()
    }
}

/// Whether somebody has a connection to a process in the network of this one.
fn is_connected(id: u32) -> bool {
    let list = |name: &str| std::fs::read_to_string(format!("/proc/{id}/net/{name}")).unwrap_or_default();
    let established = |line: &str| line.split_whitespace().nth(3) == Some(ESTABLISHED);
    ["tcp", "tcp6"].iter().any(|name| list(name).lines().any(established))
}

fn leads_a_session(id: u32) -> bool {
    let id = i32::try_from(id).map(Pid::from_raw);
    id.is_ok_and(|id| getsid(Some(id)) == Ok(id))
}

fn pick<T>(of: &[T], turn: u64) -> Option<&T> {
    let length = u64::try_from(of.len()).ok().filter(|length| *length > 0)?;
    of.get(usize::try_from(turn % length).ok()?)
}

/// SIGKILL; a process that is gone already is what was wanted.
fn strike(id: u32) -> Result<()> {
    kill(Pid::from_raw(i32::try_from(id)?), Signal::SIGKILL).ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn who_has_a_connection_is_known_from_the_kernel() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(is_connected(std::process::id()));
        assert!(!is_connected(1 << 30));
    }

    #[test]
    fn the_table_on_the_disk_is_understood() {
        let text = r#"{"boot": "b", "table": {"generation": 3, "zones": [], "routes": [
            {"host": "a", "service": "s", "backends": [{"instance": "i", "address": "10.0.0.1:80"}]}]}}"#;
        let table = serde_json::from_str::<Kept>(text).unwrap().table;
        let container =
            |instance: &str| Container { instance: instance.into(), pid: 1, version: "a-1".into() };
        assert!(table.has(&container("i")) && !table.has(&container("j")));
    }
}
