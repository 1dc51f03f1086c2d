//! What moves over the wire, and how often.

use std::collections::BTreeMap;

use xtask::bed::Access;

use crate::sample::{pushed, web};
use crate::stage::Stage;

/// How often each blob was handed out.
fn blobs(requests: &[Access]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for access in requests.iter().filter(|access| access.method == "GET" && access.path.contains("/blobs/")) {
        *counts.entry(access.path.clone()).or_default() += 1;
    }
    counts
}

#[test]
fn a_second_deploy_moves_only_the_layer_that_changed() {
    let Some(stage) = Stage::set("a second deploy moves only the layer that changed") else { return };
    let reference = pushed(&stage.registry, "acme/web:1", &web("before"));
    stage.done(&["deploy", &reference, "--name", "web"]);
    let first = blobs(&stage.registry.requests());
    pushed(&stage.registry, "acme/web:1", &web("after"));
    let seen = stage.registry.requests().len();
    stage.done(&["deploy", &reference, "--name", "web"]);
    assert_eq!(stage.served("web"), "after");
    let second = blobs(&stage.registry.requests()[seen..]);
    // Two layers and a configuration at first; then a layer and the configuration that names it.
    assert_eq!((first.len(), second.len()), (3, 2), "{first:#?} {second:#?}");
    assert!(second.keys().all(|path| !first.contains_key(path)));
}

#[test]
fn two_deploys_of_one_image_at_once_fetch_each_blob_once() {
    let Some(stage) = Stage::set("two deploys of one image at once fetch each blob once") else { return };
    let reference = pushed(&stage.registry, "acme/web:1", &web("shared"));
    let seen = stage.registry.requests().len();
    std::thread::scope(|scope| {
        for name in ["left", "right"] {
            let (stage, reference) = (&stage, &reference);
            scope.spawn(move || stage.done(&["deploy", reference, "--name", name]));
        }
    });
    assert_eq!((stage.served("left"), stage.served("right")), ("shared".into(), "shared".into()));
    let requests = &stage.registry.requests()[seen..];
    let layers: Vec<usize> = blobs(requests).into_values().collect();
    assert!(layers.iter().all(|times| *times == 1), "{requests:#?}");
}

#[test]
fn what_was_deployed_is_restarted_and_rolled_back_while_the_registry_is_gone() {
    let Some(mut stage) =
        Stage::set("what was deployed is restarted and rolled back while the registry is gone")
    else {
        return;
    };
    let one = pushed(&stage.registry, "acme/web:1", &web("one"));
    let two = pushed(&stage.registry, "acme/web:2", &web("two"));
    stage.done(&["deploy", &one, "--name", "web"]);
    stage.done(&["deploy", &two, "--name", "web"]);
    stage.registry.stop();
    stage.done(&["restart", "web"]);
    assert_eq!(stage.served("web"), "two");
    stage.done(&["rollback", "web"]);
    assert_eq!(stage.served("web"), "one");
}
