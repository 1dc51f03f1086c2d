//! Whether a container's program can be executed, before it is tried: afterwards the kernel says
//! `ENOENT` for four different reasons.

use std::io;
use std::path::{Path, PathBuf};

use nix::sys::stat::SFlag;

use super::elf::{Elf, machine_name, read_elf, runs_here};
use super::inside::{Inside, clean, kind};

/// Bytes of a program that are looked at: the kernel's own limit for `#!` is 256, and the headers of
/// an ELF file that name its loader are in front.
const HEAD: u64 = 4096;

/// Directories of `PATH` that are searched.
const MAX_DIRECTORIES: usize = 64;

/// Finds the program `name` as a shell in `working_directory` with this `PATH` would, and looks at
/// it. Answers with its path in the container.
///
/// # Errors
/// A sentence for the user: what is missing, or not executable, or built for something else.
pub(crate) fn check(
    inside: &Inside,
    name: &str,
    path: &str,
    working_directory: &Path,
) -> Result<PathBuf, String> {
    if name.is_empty() {
        return Err("the image names no program to run, and no command was given".into());
    }
    let found = find(inside, name, path, working_directory)?;
    // An interpreter may be a script itself; the kernel follows so many.
    let mut current = found.clone();
    for _ in 0..5 {
        match look_at(inside, &current) {
            Head::Script { interpreter } => current = check_interpreter(inside, &current, &interpreter)?,
            Head::Refused(why) => return Err(why),
            Head::Fine => break,
        }
    }
    Ok(found)
}

fn find(inside: &Inside, name: &str, path: &str, working_directory: &Path) -> Result<PathBuf, String> {
    let candidates: Vec<PathBuf> = if name.contains('/') {
        vec![clean(&working_directory.join(name))]
    } else {
        let directories = path.split(':').take(MAX_DIRECTORIES);
        directories.map(|directory| clean(&working_directory.join(directory).join(name))).collect()
    };
    let mut refused = None;
    for candidate in candidates {
        let Ok(stat) = inside.stat(&candidate) else { continue };
        if kind(&stat) == SFlag::S_IFREG && stat.st_mode & 0o111 != 0 {
            return Ok(candidate);
        }
        let why = if kind(&stat) == SFlag::S_IFDIR { "is a directory" } else { "is not executable" };
        refused.get_or_insert_with(|| format!("`{}` {why}", candidate.display()));
    }
    let searched =
        if name.contains('/') { "the image".to_owned() } else { format!("the image's PATH ({path})") };
    Err(refused.unwrap_or_else(|| format!("no such program `{name}` in {searched}")))
}

enum Head {
    Fine,
    Script { interpreter: String },
    Refused(String),
}

fn look_at(inside: &Inside, program: &Path) -> Head {
    let Ok(head) = inside.read(program, HEAD) else { return Head::Fine };
    let name = program.display();
    if let Some(rest) = head.strip_prefix(b"#!") {
        let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let interpreter = line.trim_start_matches([' ', '\t']).split([' ', '\t']).next().unwrap_or_default();
        return Head::Script { interpreter: interpreter.to_owned() };
    }
    match read_elf(&head) {
        None if foreign_programs_work() => Head::Fine,
        None => Head::Refused(format!("`{name}` is neither a program nor a script with a `#!` line")),
        Some(Elf { machine, .. }) if !runs_here(machine) && foreign_programs_work() => Head::Fine,
        Some(Elf { machine, .. }) if !runs_here(machine) => Head::Refused(format!(
            "`{name}` is built for another processor ({}), this machine is {}",
            machine_name(machine),
            std::env::consts::ARCH
        )),
        Some(Elf { loader: Some(loader), .. }) if inside.stat(Path::new(&loader)).is_err() => {
            Head::Refused(format!("`{name}` needs the loader `{loader}`, which the image does not have"))
        }
        Some(_) => Head::Fine,
    }
}

fn check_interpreter(inside: &Inside, script: &Path, interpreter: &str) -> Result<PathBuf, String> {
    let script = script.display();
    if let Some(shown) = interpreter.strip_suffix('\r') {
        return Err(format!("the script `{script}` has Windows line ends, so `{shown}` is not found"));
    }
    let path = clean(Path::new(interpreter));
    match inside.stat(&path) {
        Ok(stat) if kind(&stat) == SFlag::S_IFREG && stat.st_mode & 0o111 != 0 => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(format!("the script `{script}` needs `{interpreter}`, which the image does not have"))
        }
        _ => Err(format!("the script `{script}` needs `{interpreter}`, which is not executable")),
    }
}

/// Whether the machine has programs for foreign formats (`binfmt_misc`), so that a look at the head
/// of a file proves nothing.
fn foreign_programs_work() -> bool {
    let Ok(entries) = std::fs::read_dir("/proc/sys/fs/binfmt_misc") else { return false };
    entries.flatten().any(|entry| !["register", "status"].iter().any(|own| entry.file_name() == **own))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    const PATH: &str = "/usr/local/bin:/bin";

    fn image(files: &[(&str, &[u8], u32)]) -> (tempfile::TempDir, Inside) {
        let folder = tempfile::tempdir().unwrap();
        for (name, content, mode) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
        }
        let inside = Inside::open(folder.path()).unwrap();
        (folder, inside)
    }

    fn own_program() -> Vec<u8> {
        let mut head = fs::read("/proc/self/exe").unwrap();
        head.truncate(HEAD as usize);
        head
    }

    fn refusal(inside: &Inside, name: &str) -> String {
        check(inside, name, PATH, Path::new("/work")).unwrap_err()
    }

    #[test]
    fn programs_are_found_in_the_images_path_and_by_relative_names() {
        let program = b"#!/bin/run\n".as_slice();
        let (_folder, inside) = image(&[
            ("bin/web", program, 0o755),
            ("work/here", program, 0o755),
            ("bin/run", &statically_linked(), 0o755),
        ]);
        let found = |name| check(&inside, name, PATH, Path::new("/work")).unwrap();
        assert_eq!(found("web"), Path::new("/bin/web"));
        assert_eq!(found("/bin/../bin/web"), Path::new("/bin/web"));
        assert_eq!(found("./here"), Path::new("/work/here"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let (_folder, inside) = image(&[
            ("bin/script", b"#! /usr/bin/python3 -u\n", 0o755),
            ("bin/dos", b"#!/bin/sh\r\n", 0o755),
            ("bin/plain", b"", 0o644),
            ("bin/empty", b"", 0o755),
            ("bin/dir/file", b"", 0o755),
        ]);
        assert_eq!(
            refusal(&inside, "web"),
            "no such program `web` in the image's PATH (/usr/local/bin:/bin)"
        );
        assert_eq!(refusal(&inside, "/app/web"), "no such program `/app/web` in the image");
        assert_eq!(refusal(&inside, "plain"), "`/bin/plain` is not executable");
        assert_eq!(refusal(&inside, "/bin/dir"), "`/bin/dir` is a directory");
        assert_eq!(
            refusal(&inside, "script"),
            "the script `/bin/script` needs `/usr/bin/python3`, which the image does not have"
        );
        assert!(refusal(&inside, "dos").contains("Windows line ends"));
        assert!(refusal(&inside, "").contains("names no program"));
        if !foreign_programs_work() {
            assert!(refusal(&inside, "empty").contains("neither a program nor a script"));
        }
    }

    #[test]
    fn a_program_that_cannot_run_here_says_why() {
        if foreign_programs_work() {
            eprintln!("skipped: a_program_that_cannot_run_here_says_why: binfmt_misc has formats");
            return;
        }
        let dynamic = own_program();
        let mut foreign = dynamic.clone();
        foreign[18..20].copy_from_slice(&22_u16.to_le_bytes());
        let (_folder, inside) = image(&[("bin/dynamic", &dynamic, 0o755), ("bin/foreign", &foreign, 0o755)]);
        assert!(
            refusal(&inside, "dynamic").contains("needs the loader `/lib"),
            "{}",
            refusal(&inside, "dynamic")
        );
        assert!(refusal(&inside, "foreign").contains("built for another processor (ELF machine 22)"));
    }

    fn statically_linked() -> Vec<u8> {
        let mut head = own_program();
        head[56..58].copy_from_slice(&[0, 0]);
        head
    }
}
