//! The pages as somebody at a browser sees them, over the real control plane; only the world behind it is small.

mod app;
mod assets;
mod colours;
mod hand;
mod hostile;
mod html;
mod large;
mod login;
mod pages;
mod shell;
mod walker;
mod wizard;
mod world;
