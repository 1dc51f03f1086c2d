//! Running a command in a container that runs.
//!
//! Control executes `mirage exec` and tells it on standard input what to run, as a line of JSON. Three processes
//! with one thread each then stand in a row:
//!
//! - the runner enters the container's namespaces, but is a process of the host: nobody in the container sees
//!   it. It has the time, the output and the answer;
//! - the reaper is born in the container's process namespace and adopts what the command leaves behind, so
//!   that no zombie of a health check stays with a container's first process;
//! - the command itself, in a part of the container's control group: when it ends, or its time is over, the part
//!   is killed whole.
//!
//! The command gets what the container's own process got: user, environment, working directory, capabilities,
//! system call filter, limits. Its program is opened before it is executed, without following the links of
//! `/proc`, so that nobody in the container can have Mirage execute itself (CVE-2019-5736).

mod command;
mod message;
mod output;
mod part;
mod program;
mod reaper;
mod run;
mod target;

pub use message::{Answer, Request};
pub use run::run;
