//! Elements as a screen reader names them.

use std::fmt;

/// What to look for: a role, and a name as it is read out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    pub(super) roles: &'static [&'static str],
    pub(super) name: String,
    pub(super) begins: bool,
    pub(super) ends: bool,
}

impl Element {
    fn new(roles: &'static [&'static str], name: &str) -> Self {
        Self { roles, name: name.to_owned(), begins: false, ends: false }
    }

    /// The same where its name may go on.
    #[must_use]
    pub fn beginning(mut self) -> Self {
        self.begins = true;
        self
    }

    /// The same where its name may have more before it.
    #[must_use]
    pub fn ending(mut self) -> Self {
        self.ends = true;
        self
    }

    /// Whether this is what it is called.
    pub(super) fn is_called(&self, name: &str) -> bool {
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        match (self.begins, self.ends) {
            (false, false) => name == self.name,
            (true, false) => name.starts_with(&self.name),
            (false, true) => name.ends_with(&self.name),
            (true, true) => name.contains(&self.name),
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = |may: bool| if may { "…" } else { "" };
        let (before, after) = (more(self.ends), more(self.begins));
        write!(f, "{} `{before}{}{after}`", self.roles.first().copied().unwrap_or_default(), self.name)
    }
}

/// What is pressed.
pub fn button(name: &str) -> Element {
    Element::new(&["button"], name)
}

/// What leads to another page.
pub fn link(name: &str) -> Element {
    Element::new(&["link"], name)
}

/// What is typed into or chosen from, by its label.
pub fn field(label: &str) -> Element {
    Element::new(&["textbox", "searchbox", "spinbutton", "combobox"], label)
}

/// What is ticked, or is one of several, by its label.
pub fn checkbox(label: &str) -> Element {
    Element::new(&["checkbox", "radio", "switch"], label)
}

/// A heading of any level.
pub fn heading(text: &str) -> Element {
    Element::new(&["heading"], text)
}

/// Anything else.
pub fn of_role(role: &'static [&'static str], name: &str) -> Element {
    Element::new(role, name)
}
