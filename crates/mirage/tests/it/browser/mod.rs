//! The pages as somebody meets them who sits before a browser.

mod answers;
mod dotenv;
mod every_page;
mod failing;
mod keys;
mod live;
mod logs;
mod private;
mod references;
mod seat;
mod source;
mod typed;
mod unreadable;
mod visitor;
mod wizard;
