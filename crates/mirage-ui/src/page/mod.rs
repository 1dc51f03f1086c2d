//! The pages, a file each. A page reads what its address says, asks `Control`, and makes markup of the answer.

pub(crate) mod credential;
pub(crate) mod credentials;
pub(crate) mod deployment;
mod encrypted;
pub(crate) mod events;
pub(crate) mod images;
pub(crate) mod jump;
pub(crate) mod keys;
pub(crate) mod login;
pub(crate) mod logs;
pub(crate) mod metrics;
pub(crate) mod projects;
mod reading;
pub(crate) mod service;
pub(crate) mod services;
pub(crate) mod settings;
pub(crate) mod theme;
pub(crate) mod wizard;

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query};
use http::request::Parts;
use mirage_control::Control;
use mirage_core::Result;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::fault::{Fault, unreadable};

/// The parts of an address that name something. One that cannot be read is answered by a page.
pub(crate) struct At<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Control> for At<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Fault> {
        let read = Path::<T>::from_request_parts(parts, control).await;
        read.map(|Path(at)| Self(at)).map_err(|_| unreadable("the address").into())
    }
}

/// What stands behind the `?` of an address. What cannot be read is answered by a page.
pub(crate) struct Behind<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Control> for Behind<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Fault> {
        let read = Query::<T>::from_request_parts(parts, control).await;
        read.map(|Query(told)| Self(told)).map_err(|_| unreadable("what follows `?` in the address").into())
    }
}

/// Where a list goes on.
#[derive(Deserialize)]
pub(crate) struct Part {
    after: Option<String>,
}

/// What stands behind the `?` of an address, if it can be read.
type Asked = Result<Query<Part>, QueryRejection>;

/// The place after which a list is wanted; `place` reads it.
fn after<T>(asked: Asked, place: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>> {
    let Ok(Query(part)) = asked else { return Err(unreadable("what follows `?` in the address")) };
    let found = part.after.map(|text| place(&text).ok_or_else(|| unreadable("`after`")));
    found.transpose()
}
