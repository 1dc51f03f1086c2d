//! The pages as somebody at a browser sees them, over the real control plane; only the world behind it is small.

mod app;
mod assets;
mod colours;
mod hostile;
mod html;
mod large;
mod logbook;
mod login;
mod logs;
mod metrics;
mod pages;
mod walker;
mod world;
