//! What of a sent form is kept in the draft, and under which names.

use mirage_control::DraftFields;
use mirage_core::{Reference, ReferenceParts, Result, unwrapped};

use super::pasted;
use crate::form::Fields;

/// The most rows of variables, and of volumes.
pub(super) const VARIABLES_MAX: usize = 500;
pub(super) const VOLUMES_MAX: usize = 16;

/// Fields of the settings that are lines of text.
const LINES: [&str; 24] = [
    "service",
    "project",
    "environment",
    "ports",
    "replicas",
    "variables-text",
    "health-path",
    "memory",
    "cpu",
    "domains",
    "command",
    "restart",
    "stop-grace",
    "pids",
    "surge",
    "overlap",
    "drain",
    "health-port",
    "health-host",
    "health-status",
    "health-timeout",
    "health-answer",
    "health-interval",
    "health-threshold",
];
/// Fields of the settings that are boxes to be ticked.
const TICKS: [&str; 3] = ["worker", "auto-deploy", "privileges"];
/// The field that says that the settings were sent once, so that nothing is suggested over them any more.
pub(super) const SETTLED: &str = "settled";
/// Hidden fields with what the page shows before anybody types: the whole, the parts in one, and the registry that the
/// password is for. What was typed is told by them also where an answer is still under way.
pub(super) const WHOLE_SHOWN: &str = "image-shown";
pub(super) const PARTS_SHOWN: &str = "parts-shown";
pub(super) const LOGIN_SHOWN: &str = "login-shown";

/// Who sent the form of the image.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// Somebody types into the one field.
    Whole,
    /// Somebody types into the fields of the parts.
    Parts,
    /// Somebody types user name or password.
    Login,
    /// The page was loaded.
    Load,
    /// A button was pressed.
    Button,
}

impl By {
    /// Which one a text says.
    pub(super) fn of(text: &str) -> Self {
        match text {
            "whole" => Self::Whole,
            "parts" => Self::Parts,
            "login" => Self::Login,
            "load" => Self::Load,
            _ => Self::Button,
        }
    }
}

/// Keeps what was sent about the image. Of the whole and its parts, that counts which was changed on the page; where
/// both were, the whole does, but for somebody who types into the parts.
pub(super) fn take_image(fields: &mut DraftFields, sent: &Fields, by: By) {
    if !sent.has("image") {
        return;
    }
    let before = fields.get("registry").to_owned();
    let (whole, parts) = (sent.text("image"), parts_sent(sent));
    // Of a command that was typed the page knows what was kept of it.
    let meant = pasted::kept(whole);
    let was_shown = sent.has(WHOLE_SHOWN) && [whole, &meant].contains(&sent.text(WHOLE_SHOWN));
    let into_parts = !matches!(by, By::Whole | By::Load)
        && sent.has(PARTS_SHOWN)
        && sent.text(PARTS_SHOWN) != shown(&parts);
    let is_old = match by {
        By::Load => was_shown,
        By::Parts => into_parts,
        _ => into_parts && was_shown,
    };
    if (meant != fields.get("image") || pasted::is_new(fields, whole)) && !is_old {
        take_whole(fields, whole);
    } else if into_parts && parts != parts_kept(fields) {
        set_parts(fields, &parts);
        pasted::follow(fields, false);
        fields.set("image", pasted::kept(&parts.joined()));
        fields.set("follow", if parts.digest.is_empty() { "tag" } else { "digest" });
    } else if !sent.text("follow").is_empty() {
        fields.set("follow", sent.text("follow"));
    }
    if sent.has("username") {
        fields.set("username", sent.text("username"));
    }
    let host = parts_kept(fields).registry;
    let password = sent.raw("password");
    // It is for the registry that stood beside it, or, where none did, for the one that came with it. Whoever types on
    // in the name of a registry means none of those on the way to it.
    let is_beside = match sent.text(LOGIN_SHOWN) {
        "" => before.is_empty() || before == host,
        shown => shown == host,
    };
    let is_meant = is_beside && (matches!(by, By::Login | By::Button) || fields.get("password-for") == host);
    if !password.is_empty() && is_meant {
        fields.set("password", password);
        fields.set("password-for", host);
    } else if fields.get("password-for") != host || fields.get("username").is_empty() {
        fields.remove("password");
        fields.remove("password-for");
    }
}

/// Keeps an image as somebody wrote it, and its parts, expanded where it is right. Of a command, the image is kept, and
/// what it says beside that in its own fields.
pub(super) fn take_whole(fields: &mut DraftFields, whole: &str) {
    let taken = pasted::take(fields, whole);
    let is_unread = matches!(taken, Some(Err(_)));
    let whole = &*pasted::kept(whole);
    let meant = unwrapped(whole);
    let parts = match meant.parse() {
        Ok(reference) => ReferenceParts::of(&reference),
        Err(_) if is_unread || meant.is_empty() => ReferenceParts::default(),
        Err(_) => ReferenceParts::split(&meant),
    };
    set_parts(fields, &parts);
    pasted::follow(fields, matches!(taken, Some(Ok(()))));
    fields.set("image", whole);
    fields.set("follow", if parts.digest.is_empty() { "tag" } else { "digest" });
}

/// The parts of the image that are kept.
pub(super) fn parts_kept(fields: &DraftFields) -> ReferenceParts {
    let [registry, name, tag, digest] =
        ["registry", "name", "tag", "digest"].map(|name| fields.get(name).to_owned());
    ReferenceParts { registry, name, tag, digest }
}

/// Parts in one, as a page shows them: Docker Hub by its name, and without what a browser takes out of a field.
pub(super) fn shown(parts: &ReferenceParts) -> String {
    let plain = |text: &str| text.replace(['\r', '\n'], "").trim().to_owned();
    let ReferenceParts { registry, name, tag, digest } = parts;
    let [registry, name, tag, digest] = [registry, name, tag, digest].map(|text| plain(text));
    let registry = if registry.is_empty() { "docker.io".to_owned() } else { registry };
    plain(&ReferenceParts { registry, name, tag, digest }.joined())
}

fn parts_sent(sent: &Fields) -> ReferenceParts {
    let registry = match sent.text("registry") {
        "" => sent.text("host"),
        known => known,
    };
    let [registry, name, tag, digest] =
        [registry, sent.text("name"), sent.text("tag"), sent.text("digest")].map(str::to_owned);
    ReferenceParts { registry, name, tag, digest }
}

/// Keeps the parts of an image.
pub(super) fn set_parts(fields: &mut DraftFields, parts: &ReferenceParts) {
    let ReferenceParts { registry, name, tag, digest } = parts;
    for (field, text) in [("registry", registry), ("name", name), ("tag", tag), ("digest", digest)] {
        fields.set(field, text.as_str());
    }
}

/// Keeps what was sent about the settings.
pub(super) fn take_settings(fields: &mut DraftFields, sent: &Fields) {
    if !sent.has("service") {
        return;
    }
    fields.set(SETTLED, "yes");
    for name in LINES.into_iter().filter(|name| sent.has(name)) {
        let text = match name {
            // Each line counts, and so does how it begins.
            "variables-text" | "command" => sent.raw(name).replace("\r\n", "\n"),
            _ => sent.text(name).to_owned(),
        };
        fields.set(name, text);
    }
    for name in TICKS {
        match sent.has(name) {
            true => fields.set(name, "yes"),
            false => fields.remove(name),
        }
    }
    for at in 0..VARIABLES_MAX {
        take_variable(fields, sent, at);
    }
    for at in 0..VOLUMES_MAX {
        for part in ["name", "path"] {
            let name = format!("volume-{at}-{part}");
            keep_filled(fields, &name, sent.text(&name));
        }
    }
}

/// Keeps a row. The value of one that is sealed is not in the page, so an empty one leaves what was typed before; it
/// stays sealed until another value is typed. A row whose name was taken out goes; one that was not on the page stays.
fn take_variable(fields: &mut DraftFields, sent: &Fields, at: usize) {
    let [name, value, sealed] = ["name", "value", "sealed"].map(|part| format!("variable-{at}-{part}"));
    if !sent.has(&name) {
        return;
    }
    let given = sent.raw(&value).replace('\r', "");
    let (mut typed, mut text) = (sent.text(&name), given.as_str());
    let was_sealed = fields.has(&sealed);
    if typed.is_empty() && (text.is_empty() || was_sealed) {
        [&name, &value, &sealed].into_iter().for_each(|name| fields.remove(name));
        return;
    }
    if let Some((before, after)) = typed.split_once('=').filter(|_| text.is_empty()) {
        (typed, text) = (before, after);
    }
    fields.set(name, typed);
    match (was_sealed && text.is_empty(), sent.has(&sealed)) {
        (true, _) => {}
        (false, seal) => {
            fields.set(value, text);
            match seal {
                true => fields.set(sealed, "yes"),
                false => fields.remove(&sealed),
            }
        }
    }
}

fn keep_filled(fields: &mut DraftFields, name: &str, text: &str) {
    match text.is_empty() {
        true => fields.remove(name),
        false => fields.set(name, text),
    }
}

/// What was typed as a whole, read; nothing where the parts have the say.
pub(super) fn whole_of(fields: &DraftFields) -> Option<Result<Reference>> {
    let whole = unwrapped(fields.get("image"));
    (!whole.is_empty() && ReferenceParts::split(&whole) == parts_kept(fields)).then(|| whole.parse())
}
