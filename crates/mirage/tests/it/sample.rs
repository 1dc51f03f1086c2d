//! Images that the stories deploy, made from this machine's busybox.

use serde_json::json;
use xtask::bed::{Image, Layer, Registry, syscall_program};

/// busybox with the names the scripts use.
pub(crate) fn busybox() -> Layer {
    let layer = Layer::new().directory("bin", 0o755).copy("bin/busybox", 0o755, "/bin/busybox");
    let layer = layer.directory("tmp", 0o1777).directory("etc", 0o755).file(
        "etc/passwd",
        0o644,
        "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/tmp:/bin/sh\n",
    );
    const APPLETS: &[&str] = &[
        "cat", "dd", "echo", "grep", "head", "hostname", "httpd", "id", "ip", "kill", "ls", "mkdir", "mknod",
        "mount", "nslookup", "ping", "seq", "sh", "sleep", "tail", "timeout", "touch", "true", "usleep",
        "wc", "wget",
    ];
    APPLETS.iter().fold(layer, |layer, applet| layer.symlink(&format!("bin/{applet}"), "busybox"))
}

/// A shell as process 1 ignores SIGTERM, and every story would wait for the grace period.
const QUICK_END: &str = "SIGKILL";

/// A web server on 8080 whose first page is this text. Its page is a layer of its own.
pub(crate) fn web(page: &str) -> Image {
    Image::new(vec![busybox(), Layer::new().directory("www", 0o755).file("www/index.html", 0o644, page)])
        .entrypoint(&["/bin/httpd", "-f", "-v", "-p", "8080", "-h", "/www"])
        .set("StopSignal", json!(QUICK_END))
        .expose(8080)
}

/// An image that runs this script as `/app/run`, with 8080 as its port.
pub(crate) fn script(text: &str) -> Image {
    let layer = busybox()
        .directory("www", 0o755)
        .file("www/index.html", 0o644, "it runs")
        .directory("app", 0o755)
        .file("app/run", 0o755, format!("#!/bin/sh\n{text}\n"));
    Image::new(vec![layer])
        .entrypoint(&["/app/run"])
        .expose(8080)
        .set("WorkingDir", json!("/app"))
        .set("StopSignal", json!(QUICK_END))
}

/// The script of a server that runs until it is stopped.
pub(crate) const SERVE: &str = "exec httpd -f -p 8080 -h /www";

/// Programs of one system call each at `/try/<name>`, which exit with its error number.
pub(crate) fn with_calls(mut image: Image, calls: &[(&str, u32, &[u64])]) -> Image {
    let layer =
        calls.iter().fold(Layer::new().directory("try", 0o755), |layer, (name, number, arguments)| {
            layer.file(&format!("try/{name}"), 0o755, syscall_program(*number, arguments))
        });
    image.layers.push(layer);
    image
}

/// Pushes an image and answers with its reference.
pub(crate) fn pushed(registry: &Registry, name: &str, image: &Image) -> String {
    let reference = registry.reference(name);
    image.push(&reference).unwrap();
    reference
}

/// The same at a registry that wants a login.
pub(crate) fn pushed_with_login(registry: &Registry, name: &str, image: &Image) -> String {
    let reference = registry.reference(name);
    image.push_as(&reference, Registry::LOGIN).unwrap();
    reference
}
