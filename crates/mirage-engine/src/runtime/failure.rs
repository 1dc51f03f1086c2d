//! How code inside the container says why the program was not executed: a letter and an error
//! number, through a pipe that closes by itself when executing works.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;

/// What did not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Installing the seccomp filter.
    Filter,
    /// Dropping the last capability.
    Capabilities,
    /// Executing the program.
    Execute,
}

/// Says that a step did not work. There is nobody to tell if this does not work either.
pub(super) fn tell(pipe: &OwnedFd, step: Step, error: Errno) {
    let letter = match step {
        Step::Filter => 'f',
        Step::Capabilities => 'c',
        Step::Execute => 'x',
    };
    if let Ok(pipe) = pipe.try_clone() {
        let _ = File::from(pipe).write_all(format!("{letter}{}", error as i32).as_bytes());
    }
}

/// Waits until the program is executed, or until it is clear why not.
pub(super) fn hear(pipe: OwnedFd, program: &Path) -> Result<(), String> {
    let mut text = String::new();
    File::from(pipe)
        .take(64)
        .read_to_string(&mut text)
        .map_err(|error| format!("Mirage could not hear from the container: {error}"))?;
    let Some(letter) = text.chars().next() else { return Ok(()) };
    let error = Errno::from_raw(text[letter.len_utf8()..].parse().unwrap_or(0));
    Err(sentence(letter, error, program))
}

fn sentence(letter: char, error: Errno, program: &Path) -> String {
    let program = program.display();
    match (letter, error) {
        ('f', _) => format!("Mirage could not install the seccomp filter: {}", error.desc()),
        ('c', _) => format!("Mirage could not drop its capabilities in the container: {}", error.desc()),
        (_, Errno::ENOENT) => format!("no such program `{program}`, or its interpreter is missing"),
        (_, Errno::EACCES) => format!("`{program}` may not be executed by this user"),
        (_, Errno::ENOEXEC) => format!("`{program}`: exec format error (built for another processor?)"),
        (_, Errno::E2BIG) => "arguments and variables are longer than the kernel takes".to_owned(),
        _ => format!("`{program}` could not be executed: {}", error.desc()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(step: Step, error: Errno) -> Result<(), String> {
        let (read, write) = nix::unistd::pipe().unwrap();
        tell(&write, step, error);
        drop(write);
        hear(read, Path::new("/app/web"))
    }

    #[test]
    fn a_failure_inside_the_container_becomes_a_sentence() {
        assert_eq!(
            told(Step::Execute, Errno::EACCES),
            Err("`/app/web` may not be executed by this user".into())
        );
        assert!(told(Step::Execute, Errno::ENOEXEC).unwrap_err().contains("built for another processor?"));
        assert!(told(Step::Filter, Errno::EPERM).unwrap_err().contains("seccomp"));
    }

    #[test]
    fn silence_means_that_the_program_runs() {
        let (read, write) = nix::unistd::pipe().unwrap();
        drop(write);
        assert_eq!(hear(read, Path::new("/app/web")), Ok(()));
    }
}
