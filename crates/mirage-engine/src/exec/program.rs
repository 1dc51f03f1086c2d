//! Which file a command executes, opened before it is executed.
//!
//! The processes of a container can move its files while we look at them. What the kernel would resolve by
//! itself it would resolve as us, and `/proc/self/exe` is Mirage as long as we are. So a file is opened without the
//! links of `/proc`, and scripts are taken apart here by the kernel's own rules (execve(2), "Interpreter
//! scripts").

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use crate::rootfs::{self, Inside};

/// Bytes of a first line that the kernel looks at.
const LINE: u64 = 256;
/// Scripts whose interpreter is a script that the kernel follows.
const MAX_SCRIPTS: usize = 5;

/// A program that only has to be executed.
pub(super) struct Program {
    /// The file, no script.
    pub(super) file: OwnedFd,
    /// Where it was found, for people.
    pub(super) path: PathBuf,
    /// What it is executed with.
    pub(super) arguments: Vec<String>,
}

/// Finds the program that these words execute, by this `PATH` and in this directory.
///
/// # Errors
/// A sentence for the user: what is missing, or not executable, or built for something else.
pub(super) fn open(
    inside: &Inside,
    arguments: &[String],
    path: &str,
    directory: &Path,
) -> Result<Program, String> {
    let name = arguments.first().map(String::as_str).unwrap_or_default();
    let mut path = rootfs::check_program(inside, name, path, directory)?;
    let mut arguments = arguments.to_vec();
    for _ in 0..MAX_SCRIPTS {
        let shown = path.display();
        let file = inside.program(&path).map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied => format!("`{shown}` may not be executed by this user"),
            _ => format!("`{shown}` could not be opened: {error}"),
        })?;
        let Some((interpreter, option)) = first_line(&file) else {
            return Ok(Program { file, path, arguments });
        };
        let before = [Some(interpreter.clone()), option, Some(path.to_string_lossy().into_owned())];
        arguments = before.into_iter().flatten().chain(arguments.into_iter().skip(1)).collect();
        path = rootfs::clean(&directory.join(interpreter));
    }
    Err(format!("`{name}` is a script of a script, and so on, deeper than the kernel follows"))
}

/// The interpreter of a script and its one option; `None` where it is no script, or cannot be read.
fn first_line(file: &OwnedFd) -> Option<(String, Option<String>)> {
    let mut head = Vec::new();
    File::from(file.try_clone().ok()?).take(LINE).read_to_end(&mut head).ok()?;
    interpreter(&head)
}

fn interpreter(head: &[u8]) -> Option<(String, Option<String>)> {
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n' || *byte == 0).next()?;
    let line = String::from_utf8_lossy(line);
    let line = line.trim_matches([' ', '\t']);
    let (interpreter, option) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let option = option.trim_start_matches([' ', '\t']);
    Some((interpreter.to_owned(), Some(option.to_owned()).filter(|option| !option.is_empty())))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn words(all: &[&str]) -> Vec<String> {
        all.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_first_line_is_read_as_the_kernel_reads_it() {
        let read = |text: &str| interpreter(text.as_bytes());
        assert_eq!(read("#!/bin/sh\necho"), Some(("/bin/sh".into(), None)));
        assert_eq!(
            read("#! \t/usr/bin/env  -S python3 -u \n"),
            Some(("/usr/bin/env".into(), Some("-S python3 -u".into())))
        );
        assert_eq!(read("\u{7f}ELF"), None);
        assert_eq!(read("#"), None);
    }

    #[test]
    fn a_script_becomes_its_interpreter_and_links_of_proc_lead_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("bin")).unwrap();
        fs::create_dir_all(at("proc/self")).unwrap();
        // The head of a program of this machine, without the segments that name its loader (`e_phnum`).
        let mut program = fs::read("/proc/self/exe").unwrap();
        program.truncate(64);
        program[56..58].fill(0);
        fs::write(at("bin/sh"), program).unwrap();
        for (name, text) in
            [("bin/one", "#!/bin/sh -e\n"), ("bin/two", "#!/bin/one x\n"), ("bin/evil", "#!/proc/self/exe\n")]
        {
            fs::write(at(name), text).unwrap();
        }
        for name in ["bin/sh", "bin/one", "bin/two", "bin/evil"] {
            fs::set_permissions(at(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let inside = Inside::open(folder.path()).unwrap();
        let opened = |name: &str| open(&inside, &words(&[name, "a", "b"]), "/bin", Path::new("/"));
        let program = opened("two").unwrap();
        assert_eq!(program.path, Path::new("/bin/sh"));
        assert_eq!(program.arguments, words(&["/bin/sh", "-e", "/bin/one", "x", "/bin/two", "a", "b"]));
        symlink("/proc/self/exe", at("bin/link")).unwrap();
        for name in ["evil", "link", "/proc/self/exe", "none"] {
            assert!(opened(name).is_err(), "{name}");
        }
        assert_eq!(opened("none").err().unwrap(), "no such program `none` in the image's PATH (/bin)");
    }
}
