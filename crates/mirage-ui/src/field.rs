//! A control with its name, its help, and what is wrong with it.

use maud::{Markup, html};
use mirage_core::Error;

use crate::prose::prose;

/// A line of text to be typed.
#[derive(Clone, Copy, Default)]
pub(crate) struct Field<'a> {
    /// Its name in the form, which is its id too.
    pub(crate) name: &'a str,
    /// What people call it.
    pub(crate) label: &'a str,
    /// What stands in it.
    pub(crate) value: &'a str,
    /// An example, where it is empty.
    pub(crate) example: &'a str,
    /// What is to be known about it.
    pub(crate) help: &'a str,
    /// What the browser checks: a regular expression for the whole of it. [`Self::help`] has to say it in words.
    pub(crate) pattern: Option<&'a str>,
    /// The id of a `datalist` with what may be meant.
    pub(crate) list: Option<&'a str>,
    /// Whether it has to be there.
    pub(crate) required: bool,
    /// The key that leads to it, for a line of text.
    pub(crate) key: Option<&'a str>,
    /// What is wrong with the form. It is shown here where it is about this field.
    pub(crate) error: Option<&'a Error>,
    /// The name of the field as errors know it, where it is another one.
    pub(crate) known_as: Option<&'a str>,
}

impl Field<'_> {
    /// The field.
    pub(crate) fn text(self) -> Markup {
        self.with("text")
    }

    /// A number from `least` on.
    pub(crate) fn number(self, least: u32) -> Markup {
        let (wrong, described) = (self.wrong(), self.described());
        self.around(html! {
            input id=(self.name) name=(self.name) type="number" min=(least) value=(self.value) required[self.required]
                placeholder=[filled(self.example)] aria-describedby=[described.as_deref()]
                aria-invalid=[wrong.map(|_| "true")];
        })
    }

    /// A password: what was typed never comes back.
    pub(crate) fn password(self) -> Markup {
        Self { value: "", ..self }.with("password")
    }

    /// Many lines.
    pub(crate) fn lines(self, rows: u32) -> Markup {
        let (wrong, described) = (self.wrong(), self.described());
        self.around(html! {
            // A browser drops the first line break within it.
            textarea.mono id=(self.name) name=(self.name) rows=(rows) required[self.required] spellcheck="false"
                placeholder=[filled(self.example)] aria-describedby=[described.as_deref()]
                aria-invalid=[wrong.map(|_| "true")] { "\n" (self.value) }
        })
    }

    /// One of several: value and words of each.
    pub(crate) fn choice(self, options: &[(&str, &str)]) -> Markup {
        let (wrong, described) = (self.wrong(), self.described());
        self.around(html! {
            select id=(self.name) name=(self.name) aria-describedby=[described.as_deref()]
                aria-invalid=[wrong.map(|_| "true")] {
                @for (value, words) in options {
                    option value=(value) selected[*value == self.value] { (words) }
                }
            }
        })
    }

    /// Yes or no; yes where the value is not empty.
    pub(crate) fn tick(self) -> Markup {
        let described = self.described();
        html! {
            div.field.tick {
                input id=(self.name) name=(self.name) type="checkbox" value="yes" checked[!self.value.is_empty()]
                    aria-describedby=[described.as_deref()];
                label for=(self.name) { (self.label) }
                (self.notes())
            }
        }
    }

    fn with(self, kind: &str) -> Markup {
        let (wrong, described) = (self.wrong(), self.described());
        let keep = if kind == "password" { "new-password" } else { "off" };
        self.around(html! {
            input id=(self.name) name=(self.name) type=(kind) value=[filled(self.value)] required[self.required]
                pattern=[self.pattern] title=[self.pattern.map(|_| self.help)] placeholder=[filled(self.example)]
                list=[self.list] autocomplete=(keep) spellcheck="false" autocapitalize="off" data-key=[self.key]
                aria-describedby=[described.as_deref()] aria-invalid=[wrong.map(|_| "true")];
        })
    }

    fn around(self, control: Markup) -> Markup {
        html! {
            div.field {
                label for=(self.name) { (self.label) }
                (control)
                (self.notes())
            }
        }
    }

    fn notes(self) -> Markup {
        html! {
            @if let Some(error) = self.wrong() {
                p.wrong id=(format!("{}-wrong", self.name)) role="alert" {
                    (prose(error.message()))
                    @if let Some(hint) = error.next_step() { " · " (prose(hint)) }
                }
            }
            @if !self.help.is_empty() { p.help id=(format!("{}-help", self.name)) { (prose(self.help)) } }
        }
    }

    /// The error, where it is about this field.
    fn wrong(&self) -> Option<&Error> {
        let name = self.known_as.unwrap_or(self.name);
        self.error.filter(|error| error.at_field() == Some(name))
    }

    fn described(&self) -> Option<String> {
        let wrong = self.wrong().map(|_| format!("{}-wrong", self.name));
        let help = (!self.help.is_empty()).then(|| format!("{}-help", self.name));
        let all: Vec<String> = wrong.into_iter().chain(help).collect();
        (!all.is_empty()).then(|| all.join(" "))
    }
}

fn filled(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}
