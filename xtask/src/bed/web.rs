//! The image that is put under load.

use serde_json::json;

use super::image::Image;
use super::layer::Layer;

/// Built by `build.rs` from `sample/web.rs`: it needs no other file.
const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/web"));

/// What the web server in an image is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Temper {
    /// It answers.
    Good,
    /// It ends by itself as soon as it is started.
    Crash,
    /// It answers everything with 500.
    Sick,
    /// It runs, and never listens.
    Deaf,
}

/// A web server on 8080 that answers with this version. The version is also in the file `/version`, as a
/// layer of its own, so that it can be read in `/proc/<pid>/root` which image runs.
pub fn web(version: &str, temper: Temper) -> Image {
    let temper = match temper {
        Temper::Good => "good",
        Temper::Crash => "crash",
        Temper::Sick => "sick",
        Temper::Deaf => "deaf",
    };
    Image::new(vec![Layer::new().file("web", 0o755, PROGRAM), Layer::new().file("version", 0o644, version)])
        .entrypoint(&["/web", version, temper])
        .expose(8080)
        // As process 1 it would ignore SIGTERM; and what is still under way then is lost, and counted.
        .set("StopSignal", json!("SIGKILL"))
}
