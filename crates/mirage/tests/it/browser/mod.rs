//! The pages as somebody meets them who sits before a browser.

mod answers;
mod compared;
mod dotenv;
mod every_page;
mod failing;
mod hostile;
mod images;
mod keys;
mod live;
mod logs;
mod pasted;
mod private;
mod references;
mod seat;
mod source;
mod twice;
mod typed;
mod unreadable;
mod visitor;
mod wizard;
