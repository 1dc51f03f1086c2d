//! A browser for stories: Debian's Chromium without a window, spoken to by its own protocol over two pipes.
//!
//! [`Browser`] is the program, [`Page`] a tab of it with cookies of its own. Elements are named as a screen reader
//! names them, by role and name ([`Element`]); Chromium itself computes both, whether scripts run or not. What is done is
//! done by events of mouse and keyboard.

mod axe;
mod element;
mod figures;
mod hand;
mod keys;
mod page;
mod program;
mod relay;
mod view;
mod watch;
mod wire;

pub use element::{Element, button, checkbox, field, heading, link, of_role};
pub use figures::Figures;
pub use page::Page;
pub use program::Browser;
pub use relay::Relay;
pub use view::{Colours, NARROW, Size, WIDE};
pub use watch::Weight;

#[cfg(test)]
mod tests;
