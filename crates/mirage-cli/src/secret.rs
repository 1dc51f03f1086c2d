//! Secrets on their way in: from standard input, or typed where nobody sees them. Never as a word of the
//! command line, which every process of the machine can read.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use mirage_core::{Code, Error, Result, Secret};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// The longest secret that is read, in bytes, and one more.
const MAX_SECRET: u64 = (64 << 10) + 1;

/// A secret from standard input: all of it but the end of its last line. On a terminal it is asked for as
/// `what`, and not shown while it is typed.
///
/// # Errors
/// `INVALID_REQUEST` where there is none, or far too much.
pub(crate) fn from_stdin(what: &str) -> Result<Secret> {
    let mut text = Zeroizing::new(String::new());
    let stdin = io::stdin().lock();
    let read = match stdin.is_terminal() {
        true => typed(what, &mut text),
        false => stdin.take(MAX_SECRET).read_to_string(&mut text).map(drop),
    };
    let refuse = |why: &str| {
        Err(Error::new(Code::InvalidRequest, format!("the {what} {why}"))
            .hint("pass it on standard input, for example with `< file.txt` at the end of the line"))
    };
    if read.is_err() {
        return refuse("cannot be read");
    }
    if text.len() as u64 >= MAX_SECRET {
        return refuse("is longer than 64 KiB");
    }
    let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    match line.is_empty() {
        true => refuse("is empty"),
        false => Ok(Secret::from(line.to_owned())),
    }
}

fn typed(what: &str, text: &mut String) -> io::Result<()> {
    let stdin = io::stdin();
    let before = tcgetattr(&stdin)?;
    let mut quiet = before.clone();
    quiet.local_flags.remove(LocalFlags::ECHO);
    quiet.local_flags.insert(LocalFlags::ECHONL);
    write!(io::stderr(), "{what}: ")?;
    tcsetattr(&stdin, SetArg::TCSAFLUSH, &quiet)?;
    let read = stdin.lock().take(MAX_SECRET).read_line(text);
    tcsetattr(&stdin, SetArg::TCSAFLUSH, &before)?;
    read.map(drop)
}
