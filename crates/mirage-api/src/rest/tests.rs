//! The face as its clients see it, over the real control plane; only the world behind it is small.

mod app;
mod credentials;
mod deployments;
mod domains;
mod images;
mod metrics;
mod requests;
mod rollouts;
mod services;
mod streams;
mod volumes;
