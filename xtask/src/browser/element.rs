//! Elements as a screen reader names them.

use std::fmt;

/// What to look for: a role, and a name as it is read out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    pub(super) roles: &'static [&'static str],
    pub(super) name: String,
    pub(super) begins: bool,
}

impl Element {
    fn new(roles: &'static [&'static str], name: &str) -> Self {
        Self { roles, name: name.to_owned(), begins: false }
    }

    /// The same where its name may go on.
    #[must_use]
    pub fn beginning(mut self) -> Self {
        self.begins = true;
        self
    }

    /// Whether this is what it is called.
    pub(super) fn is_called(&self, name: &str) -> bool {
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        if self.begins { name.starts_with(&self.name) } else { name == self.name }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = if self.begins { "…" } else { "" };
        write!(f, "{} `{}{more}`", self.roles.first().copied().unwrap_or_default(), self.name)
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
