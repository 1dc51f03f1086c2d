//! What the command line sees of this machine without a platform.

use std::path::Path;

use super::wire::Finding;

/// Findings about the user and the data folder.
pub(crate) fn this_machine(data: &Path) -> Vec<Finding> {
    let root = nix::unistd::geteuid().is_root();
    let finding = |subject: &str, seen: String, hint: Option<&str>| Finding {
        subject: subject.to_owned(),
        seen,
        hint: hint.map(str::to_owned),
    };
    vec![
        finding("data", data.display().to_string(), None),
        match root {
            true => finding("user", "root, who may run containers".into(), None),
            false => finding(
                "user",
                "not root; can inspect images, run the registry and use platforms elsewhere".into(),
                None,
            ),
        },
        match nix::sys::utsname::uname() {
            Ok(name) => finding(
                "kernel",
                format!("{} {}", name.sysname().to_string_lossy(), name.release().to_string_lossy()),
                None,
            ),
            Err(error) => finding("kernel", format!("unknown: {error}"), None),
        },
    ]
}
