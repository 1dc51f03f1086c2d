//! Services of a platform through its REST face: asked for, and awaited.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::platform::Platform;
use super::wait::eventually;

impl Platform {
    /// Creates a service in the default environment and waits until it is active.
    ///
    /// # Errors
    /// Where it is refused, or its deployment ends in another way.
    pub fn create(&self, name: &str, reference: &str, mut settings: Value) -> Result<()> {
        settings["name"] = json!(name);
        settings["image"] = json!(reference);
        let created = self.accepted("/api/services/from-image", &settings)?;
        let id = created["deployment"]["id"].as_str().context("no deployment")?;
        self.until_active(id)
    }

    /// Begins to deploy another image; answers with the deployment's id.
    ///
    /// # Errors
    /// Where it is refused.
    pub fn begin_deploy(&self, name: &str, reference: &str) -> Result<String> {
        self.begin(name, "deploy", &json!({"image": reference}))
    }

    /// Begins to go back to what was active before; answers with the deployment's id.
    ///
    /// # Errors
    /// Where it is refused.
    pub fn begin_rollback(&self, name: &str) -> Result<String> {
        self.begin(name, "rollback", &json!({}))
    }

    /// Waits until a deployment is active.
    ///
    /// # Errors
    /// Where it ends in another way, or does not end within two minutes.
    pub fn until_active(&self, id: &str) -> Result<()> {
        let ended = self.until_ended(id)?;
        match ended["phase"].as_str() {
            Some("active" | "superseded") => Ok(()),
            _ => bail!("the deployment did not become active: {ended}"),
        }
    }

    /// Waits until a deployment is on its way no more, and answers with it.
    ///
    /// # Errors
    /// Where it does not end within two minutes.
    pub fn until_ended(&self, id: &str) -> Result<Value> {
        eventually("the end of a deployment", Duration::from_secs(120), || self.ended(id))
    }

    /// A deployment that is on its way no more.
    fn ended(&self, id: &str) -> Option<Value> {
        let shown = self.api("GET", &format!("/api/deployments/{id}"), None).ok()?.json().ok()?;
        let moving = ["queued", "building", "preparing", "starting", "probing", "switching"];
        let phase = shown["phase"].as_str()?;
        (!moving.contains(&phase)).then_some(shown)
    }

    fn begin(&self, name: &str, what: &str, body: &Value) -> Result<String> {
        let begun = self.accepted(&format!("/api/services/{name}/{what}"), body)?;
        Ok(begun["id"].as_str().context("no id")?.to_owned())
    }

    /// A request that has to be accepted (202); answers with what it says.
    ///
    /// # Errors
    /// Where it is refused, or nobody answers.
    pub fn accepted(&self, path: &str, body: &Value) -> Result<Value> {
        let answer = self.api("POST", path, Some(body))?;
        if answer.status != 202 {
            bail!("POST {path}: {}: {}", answer.status, answer.text());
        }
        answer.json()
    }
}
