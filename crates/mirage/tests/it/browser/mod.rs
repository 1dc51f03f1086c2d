//! The pages as somebody meets them who sits before a browser.

mod every_page;
mod failing;
mod keys;
mod live;
mod logs;
mod private;
mod seat;
mod typed;
mod visitor;
mod wizard;
