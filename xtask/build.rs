//! Builds what the test bed puts into containers and before processes, with the same compiler: a web server
//! that is one file and needs no other, and a clock that can be set.

use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

/// Source, kind of crate, options, and name of the result.
type Part = (&'static str, &'static str, &'static [&'static str], &'static str);

const PARTS: [Part; 2] = [
    ("sample/web.rs", "bin", &["-C", "target-feature=+crt-static"], "web"),
    ("sample/clock.rs", "cdylib", &[], "clock.so"),
];

#[expect(clippy::disallowed_methods, reason = "a build script is told by its environment")]
fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    for (source, kind, options, name) in PARTS {
        println!("cargo:rerun-if-changed={source}");
        let status = Command::new(std::env::var("RUSTC")?)
            .args(["--edition", "2024", "--crate-type", kind, "--crate-name", "sample"])
            .args(["--target", &std::env::var("TARGET")?])
            .args(["-C", "panic=abort", "-C", "opt-level=2", "-C", "strip=symbols"])
            .args(options)
            .arg("-o")
            .arg(out.join(name))
            .arg(source)
            .status()?;
        if !status.success() {
            return Err(format!("`{source}` could not be built").into());
        }
    }
    Ok(())
}
