//! The pages as somebody at a browser sees them, over the real control plane; only the world behind it is small.

mod app;
mod assets;
mod colours;
mod deployment;
mod fields;
mod hostile;
mod html;
mod large;
mod live;
mod login;
mod pages;
mod service;
mod walker;
mod world;
