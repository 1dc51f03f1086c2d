//! The images that are measured, made from files of this machine.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::bed::{Compression, Image, Layer, run};

const MIB: u64 = 1 << 20;

/// Layers of the large image: a name, the folders it is filled from, and how many MiB it may have.
/// Together about 760 MiB where the machine has them all.
const LARGE: &[(&str, &[&str], u64)] = &[
    ("base", &["/usr/sbin", "/usr/share", "/etc/ssl"], 130),
    ("compiler", &["/usr/lib/gcc", "/usr/include"], 150),
    ("python", &["/usr/lib/python3", "/usr/lib/python3.11", "/usr/share/perl"], 100),
    ("programs", &["/usr/bin"], 130),
    ("libraries", &["/usr/lib/x86_64-linux-gnu"], 200),
    ("modules", &["/usr/lib/node_modules", "/usr/share/nodejs", "/usr/share/doc", "/usr/local/bin"], 50),
];

/// A small web server: busybox, one page, about two MiB.
pub(super) fn web(page: &str) -> Image {
    Image::new(vec![busybox().file("www/index.html", 0o644, page)])
        .entrypoint(&["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/www"])
        .expose(8080)
        // As process 1 it would ignore SIGTERM, and every removal would wait for the grace period.
        .set("StopSignal", json!("SIGKILL"))
}

/// The large image: six layers of files of this machine, and on top the web server with one
/// whiteout and one opaque directory. `page` makes its top layer unlike any other.
pub(super) fn large(compression: Compression, page: &str) -> Result<(Image, String)> {
    let mut layers = Vec::new();
    let (mut bytes, mut entries) = (0, 0);
    for (name, folders, most) in LARGE {
        let mut layer = Layer::new().packed(compression);
        let mut left = most * MIB;
        for folder in folders.iter().filter(|folder| Path::new(folder).is_dir()) {
            left -= layer.tree(&format!("{name}{folder}"), Path::new(folder), left)?;
        }
        bytes += most * MIB - left;
        entries += layer.len();
        layers.push(layer);
    }
    if bytes < 500 * MIB {
        bail!("this machine has only {} MiB of files for the large image", bytes / MIB);
    }
    let top = busybox()
        .file("www/index.html", 0o644, page)
        .whiteout("compiler/usr/include")
        .opaque("modules/usr/share");
    layers.push(top.packed(compression));
    let image = Image { layers, ..web(page) };
    Ok((image, format!("7 layers, {} MiB unpacked, {entries} entries", bytes / MIB)))
}

/// A static nginx with one worker that answers every request with 1 KiB.
pub(super) fn nginx() -> Result<Image> {
    let program = "/usr/sbin/nginx";
    let mut layer = Layer::new()
        .directory("tmp", 0o1777)
        .directory("var/log/nginx", 0o755)
        .directory("var/lib/nginx", 0o755);
    for path in shared_objects(program)? {
        let inside = path.to_string_lossy().trim_start_matches('/').to_owned();
        layer = layer.copy(&inside, 0o755, std::fs::canonicalize(&path)?);
    }
    let layer = layer
        .file(
            "etc/nginx/nginx.conf",
            0o644,
            super::contender::nginx::static_answers("8080", Path::new("/srv")),
        )
        .file("srv/www/index.html", 0o644, "x".repeat(1024))
        .file("etc/passwd", 0o644, "root:x:0:0::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n")
        .file("etc/group", 0o644, "root:x:0:\nnogroup:x:65534:\n");
    let image = Image::new(vec![layer]).entrypoint(&[program, "-g", "daemon off;"]).expose(8080);
    Ok(image.set("WorkingDir", json!("/")))
}

fn busybox() -> Layer {
    Layer::new()
        .directory("bin", 0o755)
        .copy("bin/busybox", 0o755, "/bin/busybox")
        .symlink("bin/sh", "busybox")
}

/// A program and the libraries it needs, as the dynamic linker finds them.
fn shared_objects(program: &str) -> Result<Vec<PathBuf>> {
    let listing = run("ldd", &[program]).with_context(|| format!("`{program}` is needed as the upstream"))?;
    let found = listing.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from);
    Ok(std::iter::once(PathBuf::from(program)).chain(found).collect())
}
