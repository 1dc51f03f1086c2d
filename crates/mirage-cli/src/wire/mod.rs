//! The API's JSON, as far as the command line reads and writes it: a client like any other.

mod answer;
mod request;

use std::ops::Deref;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

pub(crate) use answer::{
    Created, CreatedToken, Credential, Deployment, Deployments, Diagnosis, Event, Events, Finding,
    ImageFinding, Inspection, Instance, Layer, LogLine, MetricPoint, Metrics, Problem, Progress, Quota,
    Service, Services, Step,
};
pub(crate) use request::{
    Change, Healthcheck, InspectImage, Mount, NewCredential, NewDomain, NewService, Password,
    RegistryCredentials, Resources, Rollback, Rollout, ServiceVariables, SharedVariables,
};

/// An answer: what is read of it, and the whole of it for `--json`.
#[derive(Clone, Debug)]
pub(crate) struct Told<T> {
    json: Value,
    value: T,
}

impl<T> Deref for Told<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Told<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Value::deserialize(deserializer)?;
        let value = T::deserialize(&json).map_err(D::Error::custom)?;
        Ok(Self { json, value })
    }
}

impl<T> Serialize for Told<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}
