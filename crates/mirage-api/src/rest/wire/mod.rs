//! What travels: requests and answers in camelCase. Requests refuse fields they do not know.

pub(super) mod change;
pub(super) mod credential;
pub(super) mod deployment;
pub(super) mod domain;
pub(super) mod event;
pub(super) mod exposition;
pub(super) mod image;
pub(super) mod log;
pub(super) mod metric;
pub(super) mod quantity;
pub(super) mod reference;
pub(super) mod repository;
pub(super) mod service;
pub(super) mod settings;
pub(super) mod token;
pub(super) mod variable;
pub(super) mod verdict;
pub(super) mod volume;
