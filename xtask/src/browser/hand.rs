//! What somebody does at a page, by mouse and keyboard.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::element::{Element, button, field, of_role};
use super::keys;
use super::page::Page;

/// Whether the middle of an element is what the mouse would meet there, and it is not switched off. Then it is written
/// down whether the next click is on it, or on one like it that has come in its place.
const IS_MET: &str = "function (x, y) {
  if (this.disabled) { return false; }
  const met = document.elementFromPoint(x, y);
  globalThis.hit = undefined;
  if (this.contains(met)) {
    globalThis.hit = false;
    const like = it => it && it.id === this.id && it.textContent === this.textContent;
    document.addEventListener('click', ({target}) => {
      globalThis.hit = this.contains(target) || !!like(target.closest(this.tagName));
    }, {capture: true, once: true});
  }
  return !!met && (this.contains(met) || met.contains(this));
}";

/// Whether what was clicked on had moved away meanwhile. Another page knows nothing of it.
const IS_MISSED: &str = "() => globalThis.hit === false";

impl Page {
    /// Clicks on the middle of the first element that is called so, once it is there, nothing is before it and it is not
    /// switched off.
    ///
    /// # Errors
    /// Where that does not come true.
    pub fn click(&self, element: &Element) -> Result<()> {
        self.until_so(&format!("a click on {element}"), || {
            let node = self.find(element)?.first().copied().with_context(|| format!("no {element}"))?;
            let (x, y) = self.middle(node)?;
            if self.call_on(node, IS_MET, &[json!(x), json!(y)])? != json!(true) {
                return Ok(false);
            }
            for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
                let (button, count) = if kind == "mouseMoved" { ("none", 0) } else { ("left", 1) };
                let event = json!({"type": kind, "x": x, "y": y, "button": button, "clickCount": count});
                self.tell("Input.dispatchMouseEvent", event)?;
            }
            // Pages change while somebody points at them. Where no script runs they do not, and nobody hears clicks.
            let is_missed = self.hears() && self.call(IS_MISSED, &[]).is_ok_and(|it| it == json!(true));
            Ok(!is_missed)
        })
    }

    /// Where the middle of an element is in the window.
    ///
    /// # Errors
    /// Where there is no such element.
    pub fn place(&self, element: &Element) -> Result<(f64, f64)> {
        self.until(element)?;
        let node = self.find(element)?.first().copied().with_context(|| format!("no {element}"))?;
        self.middle(node)
    }

    /// Turns the wheel at a place so many times, each by so many pixels, downwards where they are more than none.
    ///
    /// # Errors
    /// Where the page goes away meanwhile.
    pub fn turn_wheel(&self, (x, y): (f64, f64), pixels: f64, times: usize) -> Result<()> {
        let event = json!({"type": "mouseWheel", "x": x, "y": y, "deltaX": 0, "deltaY": pixels});
        (0..times).try_for_each(|_| self.tell("Input.dispatchMouseEvent", event.clone()).map(|_| ()))
    }

    /// Clicks on what leads to another page, and waits until that is loaded.
    ///
    /// # Errors
    /// As [`Self::click`], and where no other page comes.
    pub fn follow(&self, element: &Element) -> Result<()> {
        self.anew(|| self.click(element)).with_context(|| format!("after a click on {element}"))
    }

    /// Writes into a field instead of what is in it.
    ///
    /// # Errors
    /// Where there is no such field.
    pub fn write(&self, label: &str, text: &str) -> Result<()> {
        self.click(&field(label))?;
        self.dispatch(&select_all())?;
        self.press("Delete")?;
        self.tell("Input.insertText", json!({"text": text})).map(|_| ())
    }

    /// Chooses from a list by the beginning of what it says.
    ///
    /// # Errors
    /// Where there is no such list.
    pub fn choose(&self, label: &str, option: &str) -> Result<()> {
        let list = field(label);
        self.until(&list)?;
        let node = self.find(&list)?.first().copied().with_context(|| format!("no {list}"))?;
        self.tell("DOM.focus", json!({"backendNodeId": node}))?;
        self.keys(option)
    }

    /// What is in a field.
    ///
    /// # Errors
    /// Where there is no such field.
    pub fn written(&self, label: &str) -> Result<String> {
        let element = field(label);
        self.until(&element)?;
        let node = self.find(&element)?.first().copied().with_context(|| format!("no {element}"))?;
        let value = self.call_on(node, "function () { return this.value; }", &[])?;
        Ok(value.as_str().unwrap_or_default().to_owned())
    }

    /// Whether a box is ticked, or one of several is chosen.
    ///
    /// # Errors
    /// Where there is no such box.
    pub fn is_ticked(&self, element: &Element) -> Result<bool> {
        self.until(element)?;
        let node = self.find(element)?.first().copied().with_context(|| format!("no {element}"))?;
        Ok(self.call_on(node, "function () { return this.checked; }", &[])? == json!(true))
    }

    /// Whether the browser itself finds fault with what is in a field, and in which words.
    ///
    /// # Errors
    /// Where there is no such field.
    pub fn refused(&self, label: &str) -> Result<String> {
        let element = field(label);
        let node = self.find(&element)?.first().copied().with_context(|| format!("no {element}"))?;
        let said = self.call_on(node, "function () { return this.validationMessage; }", &[])?;
        Ok(said.as_str().unwrap_or_default().to_owned())
    }

    /// Whether what can be pressed is switched off.
    ///
    /// # Errors
    /// Where there is no such element.
    pub fn is_off(&self, element: &Element) -> Result<bool> {
        self.until(element)?;
        let node = self.find(element)?.first().copied().with_context(|| format!("no {element}"))?;
        Ok(self.call_on(node, "function () { return this.disabled; }", &[])? == json!(true))
    }

    /// What stands in each entry of the list of this name.
    ///
    /// # Errors
    /// Where there is no such list.
    pub fn items(&self, list: &str) -> Result<Vec<String>> {
        let list = of_role(&["list"], list);
        self.until(&list)?;
        let node = self.find(&list)?.first().copied().with_context(|| format!("no {list}"))?;
        let texts =
            self.call_on(node, "function () { return [...this.children].map(it => it.innerText); }", &[])?;
        let texts = texts.as_array().into_iter().flatten();
        Ok(texts.filter_map(|text| text.as_str().map(str::to_owned)).collect())
    }

    /// Presses a key, such as `Tab`, `Shift+Tab`, `Control+k` or `?`.
    ///
    /// # Errors
    /// Where there is no such key.
    pub fn press(&self, chord: &str) -> Result<()> {
        keys::press(chord)?.iter().try_for_each(|event| self.dispatch(event))
    }

    /// Presses the keys of a text one after the other.
    ///
    /// # Errors
    /// As [`Self::press`].
    pub fn keys(&self, text: &str) -> Result<()> {
        text.chars().try_for_each(|key| self.press(&key.to_string()))
    }

    /// Presses Tab until the keyboard is at this element.
    ///
    /// # Errors
    /// Where it never gets there.
    pub fn tab_to(&self, element: &Element) -> Result<()> {
        const MOST: usize = 150;
        self.until(element)?;
        let mut passed = Vec::new();
        for _ in 0..MOST {
            self.press("Tab")?;
            let (role, name) = self.focused()?;
            if element.roles.contains(&role.as_str()) && element.is_called(&name) {
                return Ok(());
            }
            passed.push(format!("{role} `{name}`"));
        }
        bail!("the keyboard does not get to {element}, but to {}", passed.join(", "))
    }

    /// Role and name of what the keyboard is at.
    ///
    /// # Errors
    /// Where the page goes away meanwhile.
    pub fn focused(&self) -> Result<(String, String)> {
        let asked = json!({"expression": "document.activeElement"});
        let object = self.tell("Runtime.evaluate", asked)?["result"]["objectId"].clone();
        let asked = json!({"objectId": object, "fetchRelatives": false});
        let nodes = self.tell("Accessibility.getPartialAXTree", asked)?;
        let part = |part: &str| nodes["nodes"][0][part]["value"].as_str().unwrap_or_default().to_owned();
        Ok((part("role"), part("name")))
    }

    /// Logs in with a token.
    ///
    /// # Errors
    /// Where that is refused.
    pub fn log_in(&self, token: &str) -> Result<()> {
        self.visit("/login")?;
        self.write("Token", token)?;
        self.follow(&button("Log in"))?;
        self.until_so("a page behind the log-in", || Ok(!self.path()?.starts_with("/login")))
    }

    /// The middle of an element, which is brought into the window.
    fn middle(&self, node: i64) -> Result<(f64, f64)> {
        self.tell("DOM.scrollIntoViewIfNeeded", json!({"backendNodeId": node}))?;
        let quads = self.tell("DOM.getContentQuads", json!({"backendNodeId": node}))?;
        let quad = quads["quads"][0].as_array().context("it has no place on the page")?;
        let mean = |from: usize| {
            let along = quad.iter().skip(from).step_by(2).filter_map(Value::as_f64);
            along.sum::<f64>() / 4.0
        };
        Ok((mean(0), mean(1)))
    }

    fn dispatch(&self, event: &Value) -> Result<()> {
        self.tell("Input.dispatchKeyEvent", event.clone()).map(|_| ())
    }
}

fn select_all() -> Value {
    json!({"type": "rawKeyDown", "key": "a", "code": "KeyA", "modifiers": 2, "commands": ["selectAll"]})
}
