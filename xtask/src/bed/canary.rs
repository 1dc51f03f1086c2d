//! Secrets that a test looks for afterwards. They are other ones in each run, so that nothing can have been
//! made for them.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

/// A secret that is written differently in JSON, in addresses, in pages and in this language.
#[derive(Clone)]
pub struct Canary {
    /// The secret.
    pub text: String,
    /// The part of it that is the same however it is written: letters and digits.
    pub telltale: String,
}

/// The user of a closed registry whose password is [`Canary::password`].
pub const CANARY_USER: &str = "canary";

impl Canary {
    /// The password of [`CANARY_USER`], the same one for the life of this process.
    ///
    /// # Errors
    /// Where the machine has no randomness.
    pub fn password() -> Result<&'static Self> {
        static PASSWORD: OnceLock<Canary> = OnceLock::new();
        Self::kept(&PASSWORD)
    }

    /// The value of a variable, likewise.
    ///
    /// # Errors
    /// As [`Self::password`].
    pub fn variable() -> Result<&'static Self> {
        static VARIABLE: OnceLock<Canary> = OnceLock::new();
        Self::kept(&VARIABLE)
    }

    fn kept(place: &'static OnceLock<Self>) -> Result<&'static Self> {
        if let Some(kept) = place.get() {
            return Ok(kept);
        }
        let made = Self::make()?;
        Ok(place.get_or_init(|| made))
    }

    fn make() -> Result<Self> {
        const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyzABCDEFGHJ";
        let mut bytes = [0; 24];
        File::open("/dev/urandom")
            .and_then(|mut file| file.read_exact(&mut bytes))
            .context("no randomness")?;
        let telltale: String = bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect();
        Ok(Self { text: format!("q+/\"9%é\\ {telltale} &'<=~"), telltale })
    }
}

/// The line of an htpasswd file for a user. perl, which every Debian has, knows bcrypt by the C library.
pub(super) fn htpasswd_line(user: &str, password: &str) -> Result<String> {
    const PROGRAM: &str = r#"local $/; my $p = <STDIN>; print crypt($p, '$2b$05$canarycanarycanarycauu')"#;
    let mut child = Command::new("perl")
        .args(["-e", PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("`perl` cannot be started")?;
    child.stdin.take().context("no stdin")?.write_all(password.as_bytes())?;
    let hash = String::from_utf8(child.wait_with_output()?.stdout)?;
    if !hash.starts_with("$2b$") {
        bail!("this machine's C library does not know bcrypt");
    }
    Ok(format!("{user}:{hash}\n"))
}
