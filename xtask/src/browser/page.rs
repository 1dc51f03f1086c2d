//! A tab: what is on it, and what goes wrong on it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::element::Element;
use super::view::{Colours, Size, WIDE};
use super::wire::{Wire, held};
use crate::bed::eventually;

/// How long something may take to come true.
const PATIENCE: Duration = Duration::from_secs(20);
/// The most of a page's text that is in a message.
const TOLD: usize = 3_000;

/// What htmx says of a question that a newer one takes the place of. Of one that fails it says more.
const REPLACED: [&str; 2] = ["htmx:sendAbort", "htmx:afterRequest"];

/// A tab with cookies of its own.
pub struct Page {
    wire: Arc<Wire>,
    session: String,
    frame: String,
    base: String,
    heard: Mutex<Heard>,
    loads: AtomicU64,
    scripts: AtomicBool,
}

struct Heard {
    events: Receiver<Value>,
    complaints: Vec<String>,
}

impl Page {
    /// A new one that has the cookies of this context.
    pub(super) fn within(wire: Arc<Wire>, context: &Value, base: String) -> Result<Self> {
        // A window of its own: a tab behind another one is not painted.
        let target = json!({
            "url": "about:blank", "browserContextId": context, "newWindow": true, "width": 1280, "height": 900,
        });
        let target = wire.ask(None, "Target.createTarget", target)?["targetId"].clone();
        let attached = json!({"targetId": target, "flatten": true});
        let attached = wire.ask(None, "Target.attachToTarget", attached)?;
        let Some((session, frame)) = attached["sessionId"].as_str().zip(target.as_str()) else {
            bail!("no tab in {attached}");
        };
        let (session, frame) = (session.to_owned(), frame.to_owned());
        let heard = Mutex::new(Heard { events: wire.hear(&session), complaints: Vec::new() });
        let (loads, scripts) = (AtomicU64::new(0), AtomicBool::new(true));
        let page = Self { wire, session, frame, base, heard, loads, scripts };
        for domain in ["Page", "Runtime", "Log", "DOM"] {
            page.tell(&format!("{domain}.enable"), json!({}))?;
        }
        // As if its window were the one in front.
        page.tell("Emulation.setFocusEmulationEnabled", json!({"enabled": true}))?;
        page.look(WIDE, Colours::Light)?;
        Ok(page)
    }

    /// Another one that has the same cookies.
    ///
    /// # Errors
    /// Where Chromium refuses.
    pub fn beside(&self) -> Result<Self> {
        let told = self.wire.ask(None, "Target.getTargetInfo", json!({"targetId": self.frame}))?;
        Self::within(self.wire.clone(), &told["targetInfo"]["browserContextId"], self.base.clone())
    }

    /// Goes to an address of the platform, such as `/projects`, and waits until it is loaded.
    ///
    /// # Errors
    /// Where nobody answers.
    pub fn visit(&self, path: &str) -> Result<()> {
        let url = format!("{}{path}", self.base);
        self.anew(|| {
            let gone = self.tell("Page.navigate", json!({"url": url}))?;
            match gone["errorText"].as_str() {
                Some(why) => bail!("{url}: {why}"),
                None => Ok(()),
            }
        })
    }

    /// Loads it again.
    ///
    /// # Errors
    /// Where nobody answers.
    pub fn reload(&self) -> Result<()> {
        self.anew(|| self.tell("Page.reload", json!({})).map(|_| ()))
    }

    /// The page before this one.
    ///
    /// # Errors
    /// Where there is none.
    pub fn back(&self) -> Result<()> {
        self.through_history(-1)
    }

    /// The page from which [`Self::back`] came.
    ///
    /// # Errors
    /// Where there is none.
    pub fn forward(&self) -> Result<()> {
        self.through_history(1)
    }

    fn through_history(&self, by: i64) -> Result<()> {
        let history = self.tell("Page.getNavigationHistory", json!({}))?;
        let at = usize::try_from(history["currentIndex"].as_i64().unwrap_or(-1) + by)?;
        let entry = history["entries"][at]["id"].as_i64().context("there is no such page")?;
        self.anew(|| self.tell("Page.navigateToHistoryEntry", json!({"entryId": entry})).map(|_| ()))
    }

    /// Does what brings another page, and waits until that is loaded.
    ///
    /// # Errors
    /// Where none comes.
    pub fn anew(&self, act: impl FnOnce() -> Result<()>) -> Result<()> {
        let mark = self.loads.fetch_add(1, Ordering::Relaxed);
        self.call("mark => { globalThis.mark = mark; }", &[json!(mark)])?;
        act()?;
        const LOADED: &str = "mark => globalThis.mark !== mark && document.readyState === 'complete'";
        self.until_so("another page", || Ok(self.call(LOADED, &[json!(mark)])? == json!(true)))
    }

    /// Path and query of its address.
    ///
    /// # Errors
    /// Where the page goes away meanwhile.
    pub fn path(&self) -> Result<String> {
        self.say("() => location.pathname + location.search")
    }

    /// What is visible on it.
    ///
    /// # Errors
    /// As [`Self::path`].
    pub fn text(&self) -> Result<String> {
        self.say("() => document.body ? document.body.innerText : ''")
    }

    /// Its markup.
    ///
    /// # Errors
    /// As [`Self::path`].
    pub fn markup(&self) -> Result<String> {
        self.say("() => document.documentElement.outerHTML")
    }

    /// The addresses of the platform that it leads to.
    ///
    /// # Errors
    /// As [`Self::path`].
    pub fn links(&self) -> Result<Vec<String>> {
        const LINKS: &str =
            "() => [...document.querySelectorAll('a[href]')].filter(it => it.origin === location.origin)
          .map(it => it.pathname + it.search)";
        let links = self.call(LINKS, &[])?;
        let links = links.as_array().into_iter().flatten();
        Ok(links.filter_map(|link| link.as_str().map(str::to_owned)).collect())
    }

    /// The name and the content of the file that an address of the platform has, as the browser would save it.
    ///
    /// # Errors
    /// Where there is none, or it would be shown instead.
    pub fn file(&self, path: &str) -> Result<(String, String)> {
        const FILE: &str = "async path => {
          const answer = await fetch(path);
          return [answer.headers.get('content-disposition') ?? '', await answer.text()];
        }";
        let told = self.call(FILE, &[json!(path)])?;
        let part = |at: usize| told[at].as_str().unwrap_or_default();
        let name =
            part(0).strip_prefix("attachment; filename=").with_context(|| format!("{path} is no file"))?;
        Ok((name.trim_matches('"').to_owned(), part(1).to_owned()))
    }

    /// What is wider than the window, though nothing around it can be scrolled.
    ///
    /// # Errors
    /// As [`Self::path`].
    pub fn overhang(&self) -> Result<Vec<String>> {
        const OVERHANG: &str = "() => {
          const most = screen.width;
          const all = document.documentElement.scrollWidth;
          if (all <= most) { return []; }
          // What is placed by hand is held by what it is placed in, and not by all that is around it.
          const around = it => getComputedStyle(it).position === 'absolute' ? it.offsetParent : it.parentElement;
          const scrolls = it => it && it !== document.body && it !== document.documentElement
            && (getComputedStyle(it).overflowX !== 'visible' || scrolls(around(it)));
          const wide = [...document.body.querySelectorAll('*')].filter(it => it.getBoundingClientRect().right > most + 1 && !scrolls(around(it)));
          if (wide.length === 0) { return [`the page is ${all} of ${most} pixels wide`]; }
          return wide.slice(0, 5).map(it => `${Math.round(it.getBoundingClientRect().right)} of ${most} pixels: ${it.outerHTML.slice(0, 160)}`);
        }";
        let wide = self.call(OVERHANG, &[])?;
        let wide = wide.as_array().into_iter().flatten();
        Ok(wide.filter_map(|what| what.as_str().map(str::to_owned)).collect())
    }

    /// Whether there is such an element now.
    ///
    /// # Errors
    /// As [`Self::path`].
    pub fn has(&self, element: &Element) -> Result<bool> {
        Ok(!self.find(element)?.is_empty())
    }

    /// Waits for an element.
    ///
    /// # Errors
    /// Where it does not come; what is there instead is in the message.
    pub fn until(&self, element: &Element) -> Result<()> {
        self.until_so(&element.to_string(), || self.has(element))
    }

    /// Waits until an element is gone.
    ///
    /// # Errors
    /// As [`Self::until`].
    pub fn until_gone(&self, element: &Element) -> Result<()> {
        self.until_so(&format!("the end of {element}"), || Ok(!self.has(element)?))
    }

    /// Waits for words.
    ///
    /// # Errors
    /// As [`Self::until`].
    pub fn until_text(&self, words: &str) -> Result<()> {
        self.until_so(&format!("the words `{words}`"), || Ok(self.text()?.contains(words)))
    }

    /// Waits until it is at another address of which this is the beginning.
    ///
    /// # Errors
    /// As [`Self::until`].
    pub fn until_at(&self, path: &str) -> Result<()> {
        self.until_so(&format!("the address `{path}`"), || {
            Ok(self.path()?.starts_with(path) && self.say("() => document.readyState")? == "complete")
        })
    }

    /// Waits until something else is so. An error counts as no: pages come and go.
    ///
    /// # Errors
    /// As [`Self::until`].
    pub fn until_so(&self, what: &str, mut ask: impl FnMut() -> Result<bool>) -> Result<()> {
        let mut last = None;
        let come = eventually(what, PATIENCE, || match ask() {
            Ok(so) => so.then_some(()),
            Err(error) => {
                last = Some(error);
                None
            }
        });
        come.with_context(|| {
            let why = last.map(|error| format!("{error:#}\n")).unwrap_or_default();
            let text: String = self.text().unwrap_or_default().chars().take(TOLD).collect();
            let complaints = self.complaints().join("\n");
            format!("{why}at {}:\n{text}\n{complaints}", self.path().unwrap_or_default())
        })
    }

    /// What the browser had to complain about since it was asked last: errors of scripts, what the content policy
    /// refused, files that are not there. A form that came back with what is wrong with it (422) is none, nor is a
    /// question that was given up for a newer one.
    pub fn complaints(&self) -> Vec<String> {
        let mut heard = held(&self.heard);
        let new: Vec<String> = heard.events.try_iter().filter_map(|event| complaint(&event)).collect();
        for complaint in new {
            // The same thing may go wrong many times a second.
            if !heard.complaints.contains(&complaint) {
                heard.complaints.push(complaint);
            }
        }
        std::mem::take(&mut heard.complaints)
    }

    /// Sets how large it is, and by what light. Nothing moves.
    ///
    /// # Errors
    /// Where Chromium refuses.
    pub fn look(&self, size: Size, colours: Colours) -> Result<()> {
        let size = json!({"width": size.width, "height": size.height, "deviceScaleFactor": 1, "mobile": size.width < 600});
        self.tell("Emulation.setDeviceMetricsOverride", size)?;
        let features = json!([
            {"name": "prefers-color-scheme", "value": colours.as_str()},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]);
        self.tell("Emulation.setEmulatedMedia", json!({"features": features})).map(|_| ())
    }

    /// Lets scripts of pages run, or not.
    ///
    /// # Errors
    /// Where Chromium refuses.
    pub fn let_scripts_run(&self, may: bool) -> Result<()> {
        self.scripts.store(may, Ordering::Relaxed);
        self.tell("Emulation.setScriptExecutionDisabled", json!({"value": !may})).map(|_| ())
    }

    /// Whether scripts run, ours of what happens on a page too.
    pub(super) fn hears(&self) -> bool {
        self.scripts.load(Ordering::Relaxed)
    }

    /// A picture of what is in the window, as PNG.
    ///
    /// # Errors
    /// Where Chromium refuses.
    pub fn picture(&self) -> Result<Vec<u8>> {
        use base64::Engine as _;
        let taken = self.tell("Page.captureScreenshot", json!({"format": "png"}))?;
        let text = taken["data"].as_str().context("there is no picture")?;
        Ok(base64::engine::general_purpose::STANDARD.decode(text)?)
    }

    /// Has the page believe that it is in the background, or that somebody looks at it again.
    ///
    /// # Errors
    /// Where the browser does not answer.
    pub fn in_background(&self, is_hidden: bool) -> Result<()> {
        let source = format!(
            "Object.defineProperty(document, 'hidden', {{ configurable: true, get: () => {is_hidden} }});
             document.dispatchEvent(new Event('visibilitychange'));"
        );
        // The page's own scripts are to see it.
        let told = json!({ "expression": source, "returnByValue": true });
        outcome(&self.tell("Runtime.evaluate", told)?).map(drop)
    }

    /// Runs a script beside the page's own, which neither sees nor hinders it.
    pub(super) fn evaluate(&self, source: &str) -> Result<Value> {
        let told = json!({
            "expression": source, "contextId": self.world()?, "returnByValue": true, "awaitPromise": true,
        });
        outcome(&self.tell("Runtime.evaluate", told)?)
    }

    /// Calls a function beside the page's own scripts.
    pub(super) fn call(&self, function: &str, arguments: &[Value]) -> Result<Value> {
        let told = json!({
            "functionDeclaration": function, "executionContextId": self.world()?, "returnByValue": true,
            "awaitPromise": true, "arguments": values(arguments),
        });
        outcome(&self.tell("Runtime.callFunctionOn", told)?)
    }

    /// The same with an element as `this`.
    pub(super) fn call_on(&self, node: i64, function: &str, arguments: &[Value]) -> Result<Value> {
        let resolved = json!({"backendNodeId": node, "executionContextId": self.world()?});
        let resolved = self.tell("DOM.resolveNode", resolved)?;
        let told = json!({
            "functionDeclaration": function, "objectId": resolved["object"]["objectId"], "returnByValue": true,
            "arguments": values(arguments),
        });
        outcome(&self.tell("Runtime.callFunctionOn", told)?)
    }

    fn say(&self, function: &str) -> Result<String> {
        Ok(self.call(function, &[])?.as_str().unwrap_or_default().to_owned())
    }

    /// Elements that are called so, in the order of the page.
    pub(super) fn find(&self, element: &Element) -> Result<Vec<i64>> {
        let document = self.tell("DOM.getDocument", json!({"depth": 0}))?["root"]["nodeId"].clone();
        let mut found = Vec::new();
        for role in element.roles {
            let asked = json!({"nodeId": document, "role": role});
            let nodes = self.tell("Accessibility.queryAXTree", asked)?["nodes"].clone();
            let nodes = nodes.as_array().into_iter().flatten();
            let called = nodes.filter(|node| {
                node["ignored"] != json!(true)
                    && element.is_called(node["name"]["value"].as_str().unwrap_or_default())
            });
            found.extend(called.filter_map(|node| node["backendDOMNodeId"].as_i64()));
        }
        Ok(found)
    }

    pub(super) fn tell(&self, method: &str, parameters: Value) -> Result<Value> {
        self.wire.ask(Some(&self.session), method, parameters)
    }

    /// Where our own scripts run. Asking again answers with the same one until another page is loaded.
    fn world(&self) -> Result<Value> {
        let asked = json!({"frameId": self.frame, "worldName": "story"});
        Ok(self.tell("Page.createIsolatedWorld", asked)?["executionContextId"].clone())
    }
}

fn values(arguments: &[Value]) -> Vec<Value> {
    arguments.iter().map(|value| json!({"value": value})).collect()
}

fn outcome(answer: &Value) -> Result<Value> {
    match answer.get("exceptionDetails") {
        Some(details) => {
            let text = details["exception"]["description"].as_str().or(details["text"].as_str());
            bail!("a script of the story failed: {}", text.unwrap_or_default())
        }
        None => Ok(answer["result"]["value"].clone()),
    }
}

fn complaint(event: &Value) -> Option<String> {
    let told = &event["params"];
    match event["method"].as_str()? {
        "Runtime.exceptionThrown" => {
            let details = &told["exceptionDetails"];
            Some(format!("{} {}", details["text"], details["exception"]["description"]))
        }
        "Runtime.consoleAPICalled" if told["type"] == "error" => {
            let said = told["args"].to_string();
            (!REPLACED.iter().any(|event| said.contains(event))).then_some(said)
        }
        "Log.entryAdded" if told["entry"]["level"] == "error" => {
            let text = told["entry"]["text"].as_str().unwrap_or_default();
            let url = told["entry"]["url"].as_str().unwrap_or_default();
            (!text.contains("status of 422")).then(|| format!("{url}: {text}"))
        }
        _ => None,
    }
}
