//! The pages as somebody meets them who sits before a browser.

mod every_page;
mod seat;
mod visitor;
