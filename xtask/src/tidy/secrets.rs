//! No type that holds a secret can be printed.
//!
//! The rule works on names: a struct or enum that is one of [`SECRET`], or has a field of such a
//! type or a field that is called like a secret, may not derive `Debug` or `Display`; a hand-written
//! `Debug` says how long the secret is, or nothing. `Serialize` is for the types in [`WRITTEN`] alone,
//! but for plain settings, which their owner may read.

use super::Finding;
use super::source::Source;
use super::tree::Tree;

/// Types that are a secret.
const SECRET: &[&str] = &["Secret", "VariableText", "Login", "Token", "AdminToken", "Password", "ApiToken"];

/// Field names under which plain text would be a secret.
const FIELDS: &[&str] = &["password", "secret", "token", "passphrase", "private_key"];

/// Field names under which plain text may hold secrets: users may read them back, logs may not have them.
const SETTINGS: &[&str] = &["variables", "environment_variables", "env"];

/// Types with a secret that may be written as JSON, and where that JSON goes.
const WRITTEN: &[(&str, &str)] = &[
    ("VariableText", "a plain variable of a revision in the database"),
    ("VariableValue", "a revision in the database, where it is sealed or plain"),
    ("ServiceSpec", "a revision in the database"),
    ("WireCertificate", "the control socket of the proxy, which its owner alone can open"),
    ("OwnCertificate", "the command line's request to the platform"),
    ("RegistryCredentials", "the command line's request to the platform"),
    ("NewCredential", "the command line's request to the platform"),
    ("SharedVariables", "the command line's request to the platform"),
    ("ServiceVariables", "the command line's request to the platform"),
    ("Change", "the command line's request to the platform"),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, source) in
        tree.sources().filter(|(path, source)| path.starts_with("crates/") && !source.is_test)
    {
        for item in items(source) {
            found.extend(item.faults().map(|what| Finding::new(path, item.line, what)));
        }
    }
    found
}

/// A struct or enum.
struct Item {
    line: usize,
    name: String,
    derives: String,
    body: String,
}

impl Item {
    fn faults(&self) -> impl Iterator<Item = String> {
        let holds = self.holds_secret();
        let derives = |name: &str| self.derives.split([',', '(', ')', ' ']).any(|derived| derived == name);
        let written = WRITTEN.iter().any(|(name, _)| *name == self.name);
        // A type around a type that hides itself may derive `Debug`: the inner one hides.
        let bare = SECRET.contains(&self.name.as_str()) || self.has_plain(FIELDS) || self.has_plain(SETTINGS);
        let shown = ["Debug", "Display"].into_iter().filter(move |name| bare && derives(name));
        let serialized = (holds && !written && derives("Serialize")).then_some("Serialize");
        let name = self.name.clone();
        shown
            .chain(serialized)
            .map(move |derived| format!("`{name}` holds a secret and derives `{derived}`"))
            .collect::<Vec<_>>()
            .into_iter()
    }

    fn holds_secret(&self) -> bool {
        let words = self.body.split(|c: char| !c.is_alphanumeric() && c != '_');
        SECRET.contains(&self.name.as_str())
            || self.has_plain(FIELDS)
            || words.into_iter().any(|word| SECRET.contains(&word))
    }

    /// `password: String`, `token: Option<String>`, `secret: Vec<u8>`; but not `variables: Vec<(String, VariableText)>`.
    fn has_plain(&self, fields: &[&str]) -> bool {
        let open = self.body.lines().filter(|line| !SECRET.iter().any(|hidden| line.contains(hidden)));
        open.flat_map(|line| line.split([',', '{'])).any(|field| {
            let Some((name, kind)) = field.split_once(':') else { return false };
            let name = name.trim().rsplit(' ').next().unwrap_or_default();
            fields.contains(&name) && ["String", "str", "u8"].iter().any(|plain| kind.contains(plain))
        })
    }
}

/// The structs and enums of a file with what they derive.
fn items(source: &Source) -> Vec<Item> {
    let lines: Vec<_> = source.product().collect();
    let mut items = Vec::new();
    let mut derives = String::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.code.trim();
        if code.starts_with("#[derive(") {
            derives.push_str(code);
        }
        let Some(name) = declared(code) else {
            if !code.is_empty() && !code.starts_with("#[") && !code.starts_with(|c: char| c.is_uppercase()) {
                derives.clear();
            }
            continue;
        };
        let mut body = String::new();
        for line in &lines[at..] {
            body.push_str(&line.code);
            body.push('\n');
            if line.code.starts_with('}') || (line.code.ends_with(';') && !body.contains('{')) {
                break;
            }
        }
        items.push(Item { line: line.number, name, derives: std::mem::take(&mut derives), body });
    }
    items
}

/// `Name` for `pub(crate) struct Name<'a> {`.
fn declared(code: &str) -> Option<String> {
    let mut words = code.split_whitespace().skip_while(|word| word.starts_with("pub"));
    matches!(words.next()?, "struct" | "enum").then_some(())?;
    let name: String = words.next()?.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let tree = Tree::new(vec![("crates/x/src/lib.rs".to_owned(), text.to_owned())]);
        check(&tree).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn a_type_around_plain_text_that_is_secret_may_not_derive_debug() {
        let text = "#[derive(Clone, Debug)]\npub struct Login {\n    pub user: String,\n    pub password: Option<String>,\n}\n";
        assert_eq!(faults(text), ["`Login` holds a secret and derives `Debug`"]);
    }

    #[test]
    fn a_type_around_one_that_hides_itself_may() {
        let text = "#[derive(Clone, Debug)]\npub struct Entry {\n    pub password: Secret,\n}\n";
        assert!(faults(text).is_empty());
    }

    #[test]
    fn settings_may_be_written_but_not_shown() {
        let text = "#[derive(Debug, Serialize)]\nstruct A {\n    variables: Vec<(String, String)>,\n}\n\
                    #[derive(Debug)]\nstruct B {\n    variables: Vec<(String, VariableText)>,\n}\n";
        assert_eq!(faults(text), ["`A` holds a secret and derives `Debug`"]);
    }

    #[test]
    fn a_secret_type_may_neither_be_shown_nor_written() {
        let text = "#[derive(Debug, Serialize)]\npub struct Secret(String);\n";
        assert_eq!(
            faults(text),
            [
                "`Secret` holds a secret and derives `Debug`",
                "`Secret` holds a secret and derives `Serialize`"
            ]
        );
    }
}
