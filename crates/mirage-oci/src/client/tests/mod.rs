//! The client against registries that misbehave, and against Debian's `docker-registry`.

mod attached;
mod blobs;
mod debian;
mod logins;
mod mirrors;
mod resolving;
mod tags;
