//! What instances write, kept on disk: `<root>/<service>/<deployment>/<instance>/<n>.log`.
//!
//! The shim writes through [`LogWriter`]; everybody else reads through [`LogDirectory`]. They share
//! nothing but the files: lines in the format of the Kubernetes container runtime interface, only
//! ever appended, so a reader needs no lock and a position in a file stays true.

mod back;
mod cursor;
mod directory;
mod follow;
mod record;
mod segment;
mod tail;
mod tree;
mod trim;
mod watch;
mod window;
mod writer;

pub use directory::LogDirectory;
pub use writer::LogWriter;
