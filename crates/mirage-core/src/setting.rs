//! Settings of a service in the words of the page where they are set, whatever a request or a record calls them.

use crate::{Reference, SettingChange, bytes_text, decimal};
use serde_json::{Map, Value};

/// The choices of what happens when a process exits: as a form has them, in words.
pub const RESTARTS: [(&str, &str); 3] = [
    ("on-failure", "Start it again after a failure, up to ten times in a row"),
    ("always", "Start it again whenever it exits"),
    ("never", "Leave it as it is"),
];

/// What a value is, and so how it is written.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Image,
    Bytes,
    /// Of a core.
    Thousandths,
    /// Shown as seconds.
    Millis,
    YesNo,
    List,
    Mounts,
    Restart,
}

/// A setting: its names, compared without their case and underscores; what people call it; what its value is; and what
/// holds where there is none.
struct Known(&'static [&'static str], &'static str, Kind, &'static str);

const KNOWN: [Known; 35] = [
    Known(&["name"], "Name", Kind::Text, UNSET),
    Known(&["project"], "Project", Kind::Text, UNSET),
    Known(&["environment"], "Environment", Kind::Text, UNSET),
    Known(&["domain", "domains"], "Domains", Kind::Text, UNSET),
    Known(&["image", "source"], "Image", Kind::Image, UNSET),
    Known(&["ports"], "Ports", Kind::List, "the image's"),
    Known(&["environmentVariables", "variables"], "Variables", Kind::Text, UNSET),
    Known(&["command"], "Command", Kind::Text, "the image's"),
    Known(&["healthcheck", "probe"], "Health", Kind::Text, UNSET),
    Known(&["healthcheck.path"], "Path that answers when it is well", Kind::Text, UNSET),
    Known(
        &["healthcheck.status", "healthcheck.expected"],
        "Statuses of a good answer",
        Kind::Text,
        "200-399",
    ),
    Known(&["healthcheck.port"], "Port that is asked", Kind::Text, "the first"),
    Known(&["healthcheck.host"], "Host that the path is asked of", Kind::Text, "localhost"),
    Known(
        &["healthcheck.startTimeoutSeconds", "healthcheck.budgetMillis"],
        "Seconds until a new instance has to be well",
        Kind::Millis,
        "the usual",
    ),
    Known(
        &["healthcheck.intervalSeconds", "healthcheck.intervalMillis"],
        "Seconds between two questions",
        Kind::Millis,
        "the usual",
    ),
    Known(
        &["healthcheck.timeoutSeconds", "healthcheck.timeoutMillis"],
        "Seconds that one answer may take",
        Kind::Millis,
        "the usual",
    ),
    Known(
        &["healthcheck.threshold"],
        "Bad answers in a row until it gets no more requests",
        Kind::Text,
        "the usual",
    ),
    Known(&["resources"], "Limits", Kind::Text, UNSET),
    Known(&["resources.memory", "resources.memoryBytes"], "Memory of each", Kind::Bytes, "no limit"),
    Known(&["resources.cpu", "resources.cpuMillis"], "Cores of each", Kind::Thousandths, "no limit"),
    Known(&["resources.pids"], "Processes and threads of each", Kind::Text, UNSET),
    Known(&["restartPolicy", "restart"], "When the process exits", Kind::Restart, UNSET),
    Known(
        &["allowNewPrivileges"],
        "Programs may gain privileges by setuid bits and file capabilities",
        Kind::YesNo,
        "no",
    ),
    Known(
        &["autoDeploy"],
        "Deploy by itself whenever the tag is pushed to the built-in registry",
        Kind::YesNo,
        "no",
    ),
    Known(&["rollout"], "From one deployment to the next", Kind::Text, UNSET),
    Known(
        &["rollout.surge"],
        "Instances more than wanted, while they are replaced in turns",
        Kind::Text,
        "all at once",
    ),
    Known(
        &["rollout.overlapSeconds"],
        "Seconds that old instances stay after the traffic has moved",
        Kind::Text,
        UNSET,
    ),
    Known(
        &["rollout.drainSeconds"],
        "Seconds that old instances have to finish their requests",
        Kind::Text,
        UNSET,
    ),
    Known(&["stopGraceSeconds"], "Seconds between the stop signal and the kill", Kind::Text, UNSET),
    Known(&["volumes"], "Volumes", Kind::Mounts, "none"),
    Known(&["replicas"], "Instances", Kind::Text, UNSET),
    Known(&["registryCredentials"], "Login at the registry", Kind::Text, UNSET),
    Known(&["registryCredentials.username"], "User name", Kind::Text, UNSET),
    Known(&["redirectHttps"], "Plain HTTP is led to HTTPS", Kind::YesNo, "no"),
    Known(&["certificate"], "Certificate", Kind::Text, UNSET),
];

const UNSET: &str = "not set";

/// A setting that is different, in words.
#[derive(Debug, PartialEq, Eq)]
pub struct Change {
    /// The setting.
    pub label: String,
    /// What it was.
    pub before: Amount,
    /// What it is.
    pub after: Amount,
}

/// A value in words.
#[derive(Debug, PartialEq, Eq)]
pub enum Amount {
    /// What was set.
    Set(String),
    /// What holds where nothing is set.
    Unset(&'static str),
}

impl Amount {
    /// The words.
    pub fn words(&self) -> &str {
        match self {
            Self::Set(words) => words,
            Self::Unset(words) => words,
        }
    }
}

/// What people call a setting. One that has no words is called what it is called.
pub fn label(name: &str) -> &str {
    known(name).map_or(name, |Known(_, label, ..)| label)
}

/// The same within a sentence.
pub fn in_sentence(label: &str) -> String {
    let mut letters = label.chars();
    let first = letters.next().into_iter().flat_map(char::to_lowercase);
    first.chain(letters).collect()
}

/// Whether two names are those of one setting.
pub fn is_same(one: &str, other: &str) -> bool {
    plain(one).eq(plain(other))
}

/// A change in words, one for each part of a setting that has parts.
pub fn changes(change: &SettingChange) -> Vec<Change> {
    let object = |text: &Option<String>| serde_json::from_str::<Map<String, Value>>(text.as_deref()?).ok();
    let (Some(before), Some(after)) = (object(&change.before), object(&change.after)) else {
        return vec![one(&change.field, change.before.as_deref(), change.after.as_deref())];
    };
    let different = after.iter().filter(|(name, value)| before.get(name.as_str()) != Some(*value));
    different
        .map(|(name, value)| {
            let was = before.get(name.as_str()).and_then(text);
            one(&format!("{}.{name}", change.field), was.as_deref(), text(value).as_deref())
        })
        .collect()
}

fn one(name: &str, before: Option<&str>, after: Option<&str>) -> Change {
    let (kind, unset) = known(name).map_or((Kind::Text, UNSET), |Known(.., kind, unset)| (*kind, *unset));
    let amount = |text: Option<&str>| text.map_or(Amount::Unset(unset), |text| Amount::Set(said(kind, text)));
    Change { label: label(name).to_owned(), before: amount(before), after: amount(after) }
}

/// A value as the page of the settings has it. What is not of its kind is shown as it is.
fn said(kind: Kind, text: &str) -> String {
    let number = || text.parse::<u64>().ok();
    let words = match kind {
        Kind::Text => None,
        Kind::Image => text.parse::<Reference>().ok().map(|it| it.familiar()),
        Kind::Bytes => number().map(bytes_text),
        Kind::Thousandths | Kind::Millis => number().map(decimal),
        Kind::YesNo => match text {
            "true" => Some("yes".to_owned()),
            "false" => Some("no".to_owned()),
            _ => None,
        },
        Kind::List => list(text, self::text),
        Kind::Mounts => list(text, |mount| {
            let part = |name: &str| mount.get(name).and_then(Value::as_str);
            Some(format!("{} at {}", part("volume")?, part("path")?))
        }),
        Kind::Restart => {
            let found = RESTARTS.iter().find(|(value, _)| value.replace('-', "").eq(&compact(text)));
            found.map(|(_, words)| in_sentence(words))
        }
    };
    words.unwrap_or_else(|| text.to_owned())
}

fn list(text: &str, each: impl Fn(&Value) -> Option<String>) -> Option<String> {
    let all = serde_json::from_str::<Vec<Value>>(text).ok()?;
    let all = all.iter().map(each).collect::<Option<Vec<_>>>()?;
    Some(if all.is_empty() { "none".to_owned() } else { all.join(", ") })
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn known(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|Known(names, ..)| names.iter().any(|known| is_same(known, name)))
}

fn plain(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter(|letter| !"_-".contains(*letter)).map(|letter| letter.to_ascii_lowercase())
}

fn compact(name: &str) -> String {
    plain(name).collect()
}

/// Whether a setting is called this.
pub fn is_label(words: &str) -> bool {
    KNOWN.iter().any(|Known(_, label, ..)| *label == words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(before: &str, after: &str, field: &str) -> Vec<String> {
        let set = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let change = SettingChange { field: field.into(), before: set(before), after: set(after) };
        changes(&change)
            .into_iter()
            .map(|it| format!("{}: {} → {}", it.label, it.before.words(), it.after.words()))
            .collect()
    }

    #[test]
    fn amounts_are_those_of_the_settings_page() {
        assert_eq!(told("", "536870912", "resources.memoryBytes"), ["Memory of each: no limit → 512MiB"]);
        assert_eq!(told("250", "", "resources.cpuMillis"), ["Cores of each: 0.25 → no limit"]);
        assert_eq!(
            told("", "2500", "healthcheck.intervalMillis"),
            ["Seconds between two questions: the usual → 2.5"]
        );
        assert_eq!(told("[]", "[8080,9090]", "ports"), ["Ports: none → 8080, 9090"]);
        assert_eq!(
            told("", r#"[{"volume":"data","path":"/data"}]"#, "volumes"),
            ["Volumes: none → data at /data"]
        );
        assert_eq!(
            told("ON_FAILURE", "NEVER", "restartPolicy"),
            [
                "When the process exits: start it again after a failure, up to ten times in a row → leave it as it is"
            ]
        );
        assert_eq!(told("docker.io/library/nginx:1", "x y", "image"), ["Image: nginx:1 → x y"]);
    }

    #[test]
    fn a_setting_with_parts_is_told_part_by_part() {
        let (before, after) =
            (r#"{"cpu_millis":null,"pids":4096}"#, r#"{"cpu_millis":500,"pids":4096,"new":true}"#);
        assert_eq!(
            told(before, after, "resources"),
            ["Cores of each: no limit → 0.5", "resources.new: not set → true"]
        );
        assert_eq!(told("{", "{}", "resources"), ["Limits: { → {}"]);
    }
}
