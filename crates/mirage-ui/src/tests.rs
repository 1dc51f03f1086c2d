//! The pages as somebody at a browser sees them, over the real control plane; only the world behind it is small.

mod app;
mod assets;
mod colours;
mod credentials;
mod deployment;
mod events;
mod fields;
mod hand;
mod hostile;
mod html;
mod images;
mod large;
mod live;
mod login;
mod logs;
mod metrics;
mod mistakes;
mod pages;
mod service;
mod settings;
mod shell;
mod stale;
mod walker;
mod wizard;
