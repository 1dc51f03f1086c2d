//! Pages read as a person or a screen reader would: elements, their names, their text.

use std::collections::HashSet;

/// Elements without an end.
const VOID: [&str; 5] = ["meta", "link", "input", "br", "img"];
/// Elements that stand within a line.
const INLINE: [&str; 9] = ["a", "span", "strong", "code", "time", "button", "mark", "b", "i"];

/// An element with where its text is.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    /// What is visible in it, whitespace joined.
    pub(super) text: String,
    /// The names of the elements around it.
    pub(super) within: Vec<String>,
    /// The same text, character by character.
    pub(super) raw: String,
    /// The place of the form it is in.
    pub(super) form: Option<usize>,
}

impl Element {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether what is in it is not shown: only script shows it.
    fn is_hidden(&self) -> bool {
        self.get("hidden").is_some() || (self.name == "dialog" && self.get("open").is_none())
    }

    pub(super) fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// A page, read strictly: what does not nest is a fault of ours.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) elements: Vec<Element>,
}

impl Document {
    pub(super) fn parse(html: &str) -> Self {
        let mut elements: Vec<Element> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        let mut rest = html.strip_prefix("<!DOCTYPE html>").expect("a page begins with its type");
        while !rest.is_empty() {
            let Some(tag) = rest.strip_prefix('<') else {
                let end = rest.find('<').unwrap_or(rest.len());
                for at in open.iter().rev() {
                    elements[*at].text.push_str(&unescaped(&rest[..end]));
                    elements[*at].raw.push_str(&unescaped(&rest[..end]));
                    if elements[*at].is_hidden() {
                        break;
                    }
                }
                rest = &rest[end..];
                continue;
            };
            let (inside, after) = split_tag(tag);
            rest = after;
            if let Some(name) = inside.strip_prefix('/') {
                let at = open.pop().expect("an end without a beginning");
                assert_eq!(elements[at].name, name, "elements nest");
                separate(&mut elements, &open, name);
                continue;
            }
            let (name, attributes) = attributes(inside);
            let within = open.iter().map(|at: &usize| elements[*at].name.clone()).collect();
            separate(&mut elements, &open, &name);
            if !VOID.contains(&name.as_str()) {
                open.push(elements.len());
            }
            let form = open.iter().copied().find(|at| elements.get(*at).is_some_and(|it| it.name == "form"));
            elements.push(Element {
                name,
                attributes,
                text: String::new(),
                within,
                raw: String::new(),
                form,
            });
        }
        assert!(open.is_empty(), "every element ends");
        for element in &mut elements {
            element.text = element.text.split_whitespace().collect::<Vec<_>>().join(" ");
        }
        for at in 0..elements.len() {
            if let Some(id) = elements[at].get("form") {
                let form = elements.iter().position(|it| it.name == "form" && it.get("id") == Some(id));
                elements[at].form = form;
            }
        }
        Self { elements }
    }

    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &Element> {
        self.elements.iter().filter(move |element| element.name == name)
    }

    /// The text of the only one of these elements.
    pub(super) fn only(&self, name: &str) -> &str {
        let all: Vec<_> = self.all(name).collect();
        assert_eq!(all.len(), 1, "one `{name}`");
        &all[0].text
    }

    /// Everything that is visible.
    pub(super) fn text(&self) -> &str {
        self.only("body")
    }

    /// The rows of the table in the region of this name, cell by cell.
    pub(super) fn table(&self, region: &str) -> Vec<&str> {
        let known = self.elements.iter().any(|it| it.get("aria-label") == Some(region));
        assert!(known, "there is a region `{region}`");
        self.all("tr").map(|row| row.text.as_str()).collect()
    }

    /// The address of the link with this text.
    pub(super) fn link(&self, text: &str) -> &str {
        let found = self.all("a").find(|link| link.text == text);
        found.and_then(|link| link.get("href")).unwrap_or_else(|| panic!("a link `{text}`"))
    }

    /// What is wrong with the page for somebody who cannot see it, or for the content policy.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut ids = HashSet::new();
        for element in &self.elements {
            let name = element.name.as_str();
            if let Some(id) = element.get("id")
                && !ids.insert(id)
            {
                faults.push(format!("the id `{id}` is there twice"));
            }
            let scripted = element.attributes().any(|(name, value)| {
                name == "style" || name.starts_with("on") || value.trim_start().starts_with("javascript:")
            });
            let from_us =
                name == "script" && element.get("src").is_some_and(|src| src.starts_with("/assets/"));
            if scripted || name == "style" || (name == "script" && !from_us) {
                faults.push(format!("`{name}` has script or style"));
            }
            if ["input", "select", "textarea"].contains(&name)
                && element.get("type") != Some("hidden")
                && !self.all("label").any(|label| label.get("for") == element.get("id"))
            {
                faults.push(format!("`{name}` has no label"));
            }
            if ["a", "button", "h1", "h2", "th", "label"].contains(&name) && element.text.is_empty() {
                faults.push(format!("`{name}` has no text"));
            }
        }
        for element in &self.elements {
            for name in ["aria-labelledby", "aria-describedby", "for", "form", "list"] {
                for id in element.get(name).unwrap_or_default().split_whitespace() {
                    if !ids.contains(id) {
                        faults.push(format!("`{name}` names `{id}`, which is not there"));
                    }
                }
            }
        }
        for (name, count) in [("h1", 1), ("main", 1), ("title", 1)] {
            // A drawing has a title of its own.
            let of_page = |it: &&Element| !it.within.iter().any(|around| around == "svg");
            if self.all(name).filter(of_page).count() != count {
                faults.push(format!("not one `{name}`"));
            }
        }
        let forms = self.all("form").filter(|form| form.get("method") == Some("post")).count();
        let tokens = self.all("input").filter(|input| input.get("name") == Some("form")).count();
        if forms != tokens {
            faults.push("a form without its token".into());
        }
        faults
    }
}

/// What does not stand within a line stands apart.
fn separate(elements: &mut [Element], open: &[usize], name: &str) {
    if !INLINE.contains(&name) {
        open.iter().for_each(|at| elements[*at].text.push(' '));
    }
}

/// What stands in a tag, and what follows it. A `>` in quotes does not end it.
fn split_tag(tag: &str) -> (&str, &str) {
    let mut quoted = false;
    let end = tag.find(|c| {
        quoted ^= c == '"';
        c == '>' && !quoted
    });
    let end = end.expect("a tag ends");
    (&tag[..end], &tag[end + 1..])
}

fn attributes(inside: &str) -> (String, Vec<(String, String)>) {
    let (name, mut rest) = inside.split_once(' ').unwrap_or((inside, ""));
    let mut found = Vec::new();
    while !rest.trim_start().is_empty() {
        rest = rest.trim_start();
        let end = rest.find(['=', ' ']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let (value, after) = match after.strip_prefix("=\"") {
            Some(value) => value.split_once('"').expect("a quoted value ends"),
            None => ("", after),
        };
        assert!(
            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'),
            "`{name}` is an attribute"
        );
        found.push((name.to_owned(), unescaped(value)));
        rest = after;
    }
    (name.to_owned(), found)
}

fn unescaped(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    text.replace("&amp;", "&")
}
