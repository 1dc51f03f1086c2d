//! Somebody at a browser without script: fills in fields by their labels, and presses buttons by their words.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::app::{Answer, TestApp};
use super::html::{Document, Element};

/// What must be in no page.
const SECRET: &str = "sesame";

pub(super) struct Hand<'a> {
    app: &'a TestApp,
    cookie: String,
    pub(super) path: String,
    pub(super) status: StatusCode,
    pub(super) page: Document,
    pub(super) html: String,
    /// What was typed since the page came, by id; nothing for a box that is not ticked.
    typed: BTreeMap<String, Option<String>>,
}

impl<'a> Hand<'a> {
    /// Opens a page in a browser that is logged in.
    pub(super) async fn at(app: &'a TestApp, path: &str) -> Self {
        let cookie = app.log_in().await;
        let page = Document::parse("<!DOCTYPE html>");
        let (status, path) = (StatusCode::OK, path.to_owned());
        let mut hand = Self { app, cookie, path, status, page, html: String::new(), typed: BTreeMap::new() };
        hand.reload().await;
        hand
    }

    /// Types an address.
    pub(super) async fn open(&mut self, path: &str) {
        let answer = self.app.send(Method::GET, path, &[("cookie", &self.cookie)], "").await;
        self.arrive(path.to_owned(), answer).await;
    }

    /// Loads the page anew.
    pub(super) async fn reload(&mut self) {
        self.open(&self.path.clone()).await;
    }

    /// Follows the link of these words.
    pub(super) async fn follow(&mut self, words: &str) {
        let path = self.page.link(words).to_owned();
        self.open(&path).await;
    }

    /// Types into the field of this label.
    pub(super) fn fill(&mut self, label: &str, text: &str) {
        let id = self.labelled(label).get("id").unwrap().to_owned();
        self.typed.insert(id, Some(text.to_owned()));
    }

    /// Ticks a box, or takes the tick away; chooses one of several.
    pub(super) fn tick(&mut self, label: &str, yes: bool) {
        let element = self.labelled(label);
        let (id, name) = (element.get("id").unwrap().to_owned(), element.get("name").unwrap().to_owned());
        if element.get("type") == Some("radio") {
            let others = self.page.all("input").filter(|it| it.get("name") == Some(&name));
            let others: Vec<String> = others.map(|it| it.get("id").unwrap().to_owned()).collect();
            others.into_iter().for_each(|other| drop(self.typed.insert(other, None)));
        }
        self.typed.insert(id, yes.then(|| "yes".to_owned()));
    }

    /// What stands in the field of this label.
    pub(super) fn value(&self, label: &str) -> String {
        standing(&self.page, self.labelled(label)).unwrap_or_default()
    }

    /// Whether the button of these words can be pressed.
    pub(super) fn can_press(&self, words: &str) -> bool {
        self.button(words).get("disabled").is_none()
    }

    /// Presses the button of these words.
    pub(super) async fn press(&mut self, words: &str) {
        assert!(self.can_press(words), "`{words}` can be pressed: {}", self.page.text());
        self.press_anyhow(words).await;
    }

    /// Presses the Enter key in the field of this label.
    pub(super) async fn enter(&mut self, label: &str) {
        let form = self.labelled(label).form;
        let first = self.page.all("button").find(|it| it.form == form && it.get("type") == Some("submit"));
        let words = first.unwrap().text.clone();
        self.press(&words).await;
    }

    /// Sends the form as its button would, also where the page has it closed.
    pub(super) async fn press_anyhow(&mut self, words: &str) {
        let button = self.button(words);
        let form = button.form.expect("a button of a form");
        let path = self.page.elements[form].get("action").unwrap().to_owned();
        let mut pairs = self.sent(form);
        if let Some(name) = button.get("name") {
            pairs.push((name.to_owned(), button.get("value").unwrap_or_default().to_owned()));
        }
        let answer = self.app.post(&path, &self.cookie, &encoded(&pairs)).await;
        self.arrive(path, answer).await;
    }

    /// What script sends of the form with this button, and what comes back.
    pub(super) async fn send_typed(&self, words: &str, path: &str) -> Answer {
        let pairs = self.sent(self.button(words).form.unwrap());
        self.app.post(path, &self.cookie, &encoded(&pairs)).await
    }

    /// The pairs that a form has now.
    fn sent(&self, form: usize) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        for element in self.page.elements.iter().filter(|it| it.form == Some(form)) {
            let Some(name) = element.get("name").filter(|_| element.name != "button") else { continue };
            let is_box = matches!(element.get("type"), Some("checkbox" | "radio"));
            let typed = element.get("id").and_then(|id| self.typed.get(id));
            let value = match (typed, is_box) {
                (Some(typed), true) => {
                    typed.as_ref().map(|_| element.get("value").unwrap_or("on").to_owned())
                }
                (Some(typed), false) => typed.clone(),
                (None, true) if element.get("checked").is_none() => None,
                (None, _) => standing(&self.page, element),
            };
            // A browser has no line breaks in a line, and its own in lines.
            let value = value.map(|value| match element.name.as_str() {
                "textarea" => value.replace("\r\n", "\n").replace('\n', "\r\n"),
                "input" if element.get("type") != Some("hidden") => value.replace(['\r', '\n'], ""),
                _ => value,
            });
            pairs.extend(value.map(|value| (name.to_owned(), value)));
        }
        pairs
    }

    async fn arrive(&mut self, path: String, answer: Answer) {
        let (mut path, mut answer) = (path, answer);
        while answer.status == StatusCode::SEE_OTHER {
            path = answer.leads_to().split('#').next().unwrap().to_owned();
            answer = self.app.send(Method::GET, &path, &[("cookie", &self.cookie)], "").await;
        }
        self.page = Document::parse(&answer.text);
        assert_eq!(self.page.faults(), Vec::<String>::new(), "{path}: {}", answer.text);
        assert!(!answer.text.contains(SECRET), "{path} shows a secret: {}", answer.text);
        assert!(answer.text.len() <= 40_000, "{path} has {} bytes", answer.text.len());
        (self.path, self.status, self.html) = (path, answer.status, answer.text);
        self.typed.clear();
    }

    fn labelled(&self, label: &str) -> &Element {
        let found = self.page.all("label").find(|it| it.text == label);
        let id =
            found.unwrap_or_else(|| panic!("a label `{label}`: {}", self.page.text())).get("for").unwrap();
        self.page.elements.iter().find(|it| it.get("id") == Some(id)).unwrap()
    }

    fn button(&self, words: &str) -> &Element {
        let found = self.page.all("button").find(|it| it.text == words);
        found.unwrap_or_else(|| panic!("a button `{words}`: {}", self.page.text()))
    }
}

/// What stands in a field as the page came.
fn standing(page: &Document, element: &Element) -> Option<String> {
    match element.name.as_str() {
        "textarea" => Some(element.raw.strip_prefix('\n').unwrap_or(&element.raw).to_owned()),
        "select" => {
            let place = page.elements.iter().position(|it| std::ptr::eq(it, element))?;
            let rest = page.elements[place + 1..].iter();
            let options: Vec<_> = rest.take_while(|it| it.name == "option").collect();
            let chosen = options.iter().find(|it| it.get("selected").is_some()).or(options.first())?;
            chosen.get("value").map(str::to_owned)
        }
        _ => Some(element.get("value").unwrap_or_default().to_owned()),
    }
}

pub(super) fn encoded(pairs: &[(String, String)]) -> String {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    pairs.join("&")
}
