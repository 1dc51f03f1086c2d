//! What cannot run is found before anything is attempted.

use serde_json::Value;
use xtask::bed::{Compression, Layer};

use crate::sample::{pushed, web};
use crate::stage::Stage;

#[test]
fn a_variable_that_nobody_expands_is_found_before_anything_starts() {
    let Some(stage) = Stage::set("a variable that nobody expands is found before anything starts") else {
        return;
    };
    let wrong = web("never").entrypoint(&["/bin/httpd", "-f", "-p", "$PORT", "-h", "/www"]);
    let reference = pushed(&stage.registry, "acme/wrong:1", &wrong);
    let looked = stage.platform.cli(&["inspect", &reference]).unwrap();
    assert_eq!(looked.code, 1, "{}", looked.stderr);
    assert!(looked.stdout.starts_with("✕ cannot run here: `$PORT` in its entrypoint"), "{}", looked.stdout);
    assert!(looked.stdout.contains("VARIABLE_NOT_EXPANDED"), "{}", looked.stdout);
    stage.refused(&["deploy", &reference, "--name", "wrong"], "START_FAILED");

    let mut open = web("it runs");
    open.config["Entrypoint"] = Value::Null;
    let reference = pushed(&stage.registry, "acme/open:1", &open);
    let given = |words: &[&'static str]| {
        let mut all = vec!["deploy", reference.as_str(), "--name", "web", "--"];
        all.extend(words);
        all
    };
    stage.refused(&["deploy", &reference, "--name", "web"], "START_FAILED");
    stage.refused(&given(&["/bin/httpd", "-f", "-p", "$PORT", "-h", "/www"]), "INVALID_REQUEST");
    let services = stage.done(&["services", "--json"]);
    assert!(!services.stdout.contains("acme/"), "nothing was made: {}", services.stdout);
    let script = "exec httpd -f -p ${PORT:-8080} -h /www";
    let deployed = stage.done(&given(&["/bin/sh", "-c", script]));
    assert_eq!(stage.served("web"), "it runs");
    assert!(deployed.stderr.contains("1 warning: RUNS_AS_ROOT"), "{}", deployed.stderr);
}

#[test]
fn an_image_larger_than_the_free_disk_is_refused_before_a_byte_moves() {
    let Some(stage) =
        Stage::set_on_small_disk("an image larger than the free disk is refused before a byte moves", 48)
    else {
        return;
    };
    let mut noise = vec![0_u8; 64 << 20];
    let mut state = 1_u64;
    for word in noise.chunks_exact_mut(8) {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        word.copy_from_slice(&state.to_le_bytes());
    }
    let mut image = web("too large");
    image.layers.push(Layer::new().file("noise", 0o644, noise).packed(Compression::None));
    let reference = pushed(&stage.registry, "acme/large:1", &image);
    let looked = stage.platform.cli(&["inspect", &reference, "--json"]).unwrap();
    let found: Value = serde_json::from_str(&looked.stdout).unwrap();
    assert_eq!((looked.code, &found["runs"]), (1, &Value::Bool(false)), "{}", looked.stderr);
    assert_eq!(found["findings"][0]["code"], "IMAGE_TOO_LARGE");
    assert!(found["missingBytes"].as_u64() > found["freeBytes"].as_u64(), "{found}");
    stage.refused(&["deploy", &reference, "--name", "large"], "IMAGE_TOO_LARGE");
    let blobs = stage
        .registry
        .requests()
        .into_iter()
        .filter(|asked| asked.method == "GET" && asked.path.contains("/blobs/"));
    assert_eq!(blobs.count(), 1, "the configuration alone was fetched");
}
