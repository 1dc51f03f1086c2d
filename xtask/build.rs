//! Builds the program of the images that are put under load with the same compiler, as one file that
//! needs no other.

use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

#[expect(clippy::disallowed_methods, reason = "a build script is told by its environment")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=sample/web.rs");
    let out = PathBuf::from(std::env::var("OUT_DIR")?).join("web");
    let status = Command::new(std::env::var("RUSTC")?)
        .args(["--edition", "2024", "--crate-type", "bin", "--crate-name", "web"])
        .args(["--target", &std::env::var("TARGET")?])
        .args(["-C", "panic=abort", "-C", "opt-level=2", "-C", "strip=symbols"])
        .args(["-C", "target-feature=+crt-static"])
        .arg("-o")
        .arg(&out)
        .arg("sample/web.rs")
        .status()?;
    if !status.success() {
        return Err("the program of the images under load could not be built".into());
    }
    Ok(())
}
