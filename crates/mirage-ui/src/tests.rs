//! The pages as somebody at a browser sees them, over the real control plane; only the world behind it is small.

mod app;
mod assets;
mod colours;
mod credentials;
mod deployment;
mod events;
mod hostile;
mod html;
mod images;
mod large;
mod live;
mod login;
mod pages;
mod settings;
mod shell;
mod walker;
mod world;
