//! Builds the program of the demo's image with the same compiler, without a C library, so that
//! `mirage demo` has something to run where there is no network and no other tool.

use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

#[expect(clippy::disallowed_methods, reason = "a build script is told by its environment")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=sample/hello.rs");
    let out = PathBuf::from(std::env::var("OUT_DIR")?).join("hello");
    let status = Command::new(std::env::var("RUSTC")?)
        .args(["--edition", "2024", "--crate-type", "bin", "--crate-name", "hello"])
        .args(["--target", &std::env::var("TARGET")?])
        .args(["-C", "panic=abort", "-C", "opt-level=2", "-C", "strip=symbols"])
        .args(["-C", "relocation-model=static", "-C", "target-feature=+crt-static"])
        .args(["-C", "link-arg=-nostartfiles", "-C", "link-arg=-nostdlib", "-C", "link-arg=-static"])
        .args(["-C", "link-arg=-Wl,--build-id=none"])
        .arg("-o")
        .arg(&out)
        .arg("sample/hello.rs")
        .status()?;
    if !status.success() {
        return Err("the demo's sample program could not be built".into());
    }
    Ok(())
}
