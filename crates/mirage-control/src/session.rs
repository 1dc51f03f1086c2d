//! Sessions of people at a browser.
//!
//! A session is a cookie that the vault sealed: when it ends, and the token that opened it. Nothing of it is
//! kept here, so it survives a restart, it ends when its token no longer opens anything, and whoever finds
//! the cookie has no token that the API would take.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use mirage_core::{Code, Error, Result, Sealed, Secret};
use ring::digest::{SHA256, digest};

use crate::Control;
use crate::access::{Action, Actor, hash};

/// How long a session lasts.
pub const SESSION_LASTS: SignedDuration = SignedDuration::from_hours(12);
/// A clock may be set back by so much without ending the sessions that were just opened.
const SLACK: SignedDuration = SignedDuration::from_hours(1);
/// What sessions are sealed for.
const OWNER: &str = "session";
/// The longest token that is looked at, in bytes. Our own have 71.
const TOKEN_MAX: usize = 512;
/// The longest cookie that is looked at, in bytes.
const COOKIE_MAX: usize = 1024;

/// Somebody at a browser who logged in.
pub struct Session {
    /// Who it is.
    pub actor: Actor,
    form: Secret,
}

impl Session {
    /// The token that each form of a page carries: hexadecimal digits, the same as long as the session lasts.
    pub fn form(&self) -> &str {
        self.form.reveal()
    }

    /// Whether a form that carries `shown` was on a page of this session.
    ///
    /// # Errors
    /// `FORBIDDEN` where it was not.
    pub fn check_form(&self, shown: &str) -> Result<()> {
        // Comparing hashes: the time it takes says nothing about the token.
        if hash(shown) == hash(self.form.reveal()) {
            return Ok(());
        }
        Err(Error::new(Code::Forbidden, "the form is not of a page of this log-in")
            .hint("go back, load the page anew, and try again"))
    }
}

impl Control {
    /// Opens a session for whoever has this token and comes from this address, if that is known. The answer is the text
    /// of its cookie, of characters that a cookie may have.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` where the token is not valid, `FORBIDDEN` where it does not allow to look at services or
    /// where too many log-ins from there failed a moment ago, `TARGET_UNAVAILABLE` while the vault is locked.
    pub fn open_session(&self, token: &Secret, from: Option<IpAddr>) -> Result<Secret> {
        let token = token.reveal().trim();
        let reader = || self.reader(token).map_err(|error| error.field("token"));
        self.parts.log_ins.attempt(self.now(), from, reader)?;
        let until = self.now().checked_add(SESSION_LASTS).unwrap_or(Timestamp::MAX).as_second();
        let text = Secret::from(format!("{until}\n{token}"));
        let sealed = self.parts.vault.seal(OWNER, text.reveal())?;
        // Base64: `+` and `/` may stand in a cookie.
        Ok(Secret::from(String::from(sealed)))
    }

    /// The session of a cookie.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` where the cookie is none, its time is over, or its token no longer opens anything.
    pub fn session(&self, cookie: &str) -> Result<Session> {
        let actor = self.opened(cookie).ok_or_else(|| {
            Error::new(Code::Unauthenticated, "you are not logged in, or your session is over")
                .hint("log in with the content of `admin.token` in the data directory of `mirage serve`")
        })?;
        let form = digest(&SHA256, format!("mirage form {cookie}").as_bytes());
        let form: String = form.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Session { actor, form: Secret::from(form) })
    }

    /// The time, by the platform's clock: faces say how long ago something was.
    pub fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    fn opened(&self, cookie: &str) -> Option<Actor> {
        if cookie.len() > COOKIE_MAX {
            return None;
        }
        let sealed = Sealed::try_from(cookie.to_owned()).ok()?;
        let opened = self.parts.vault.unseal(OWNER, &sealed).ok()?;
        let (until, token) = opened.reveal().split_once('\n')?;
        let left = Timestamp::from_second(until.parse().ok()?).ok()?.duration_since(self.now());
        // One that ends later than any that is opened now comes from a clock that was ahead.
        let lasts = left > SignedDuration::ZERO && left <= SESSION_LASTS + SLACK;
        lasts.then(|| self.reader(token).ok()).flatten()
    }

    /// Who has this token, if they may look at services.
    fn reader(&self, token: &str) -> Result<Actor> {
        let token = if token.len() > TOKEN_MAX { "" } else { token };
        let actor = self.authenticate(token)?;
        self.allow(&actor, Action::Read)?;
        Ok(actor)
    }
}
