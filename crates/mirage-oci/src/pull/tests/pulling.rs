use std::sync::Arc;

use mirage_core::port::ImageStore;
use mirage_core::{Code, Digest};

use super::{Heard, Machine, large_layer, layer};
use crate::client::script::{Script, Shelf, TestImage, sha256};

/// Serves images under tags `0`, `1`, …
async fn serve(images: &[&TestImage]) -> Script {
    let mut shelf = Shelf::default();
    for (tag, image) in images.iter().enumerate() {
        shelf.image(Some(&tag.to_string()), image);
    }
    Script::start(move |seen| shelf.answer(seen)).await
}

fn fetched(script: &Script, digest: &Digest) -> usize {
    script.requests().iter().filter(|seen| seen.is_blob(digest)).count()
}

#[tokio::test]
async fn an_image_is_pulled_and_its_layers_are_stacked_topmost_first() {
    let bottom = layer(&[("etc/name", "bottom"), ("etc/kept", "kept")]);
    let image = TestImage::new("amd64", vec![bottom, layer(&[("etc/name", "top")])]);
    let (script, machine) = (serve(&[&image]).await, Machine::new());
    let resolved = machine.resolve(&script.reference("acme/web:0")).await;
    assert!(!machine.images.is_present(&resolved).await);
    let error = machine.images.layers(&resolved).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    let progress = machine.pull(&resolved).await.unwrap();
    assert_eq!((progress.layers_total, progress.layers_moved), (2, 2));
    assert_eq!(progress.bytes_done, progress.bytes_total);
    assert!(machine.images.is_present(&resolved).await);
    assert_eq!(machine.read(&resolved, "etc/name").await.as_deref(), Some("top"));
    assert_eq!(machine.read(&resolved, "etc/kept").await.as_deref(), Some("kept"));
    assert!(machine.unfinished().is_empty());
    // Index or manifest, configuration, and one request a layer: a pull asks for nothing twice.
    assert_eq!(script.requests().len(), 4);
}

#[tokio::test]
async fn an_image_stays_usable_with_its_registry_gone_and_after_a_restart() {
    let image = TestImage::new("amd64", vec![layer(&[("name", "it")])]);
    let (script, machine) = (serve(&[&image]).await, Machine::new());
    let resolved = machine.resolve(&script.reference("acme/web:0")).await;
    machine.pull(&resolved).await.unwrap();
    drop(script);
    let machine = machine.restart();
    assert!(machine.images.is_present(&resolved).await);
    let again = machine.pull(&resolved).await.unwrap();
    assert_eq!((again.layers_moved, again.bytes_total), (0, 0));
    assert_eq!(machine.read(&resolved, "name").await.as_deref(), Some("it"));
}

#[tokio::test]
async fn only_the_layer_that_changed_moves() {
    let base = layer(&[("base", "base")]);
    let old = TestImage::new("amd64", vec![base.clone(), layer(&[("app", "1")])]);
    let new = TestImage::new("amd64", vec![base.clone(), layer(&[("app", "2")])]);
    let (script, machine) = (serve(&[&old, &new]).await, Machine::new());
    let (first, second) = (
        machine.resolve(&script.reference("acme/web:0")).await,
        machine.resolve(&script.reference("acme/web:1")).await,
    );
    machine.pull(&first).await.unwrap();
    let progress = machine.pull(&second).await.unwrap();
    assert_eq!((progress.layers_total, progress.layers_moved), (2, 1));
    assert_eq!(progress.bytes_total, new.layers[1].len() as u64);
    assert_eq!(fetched(&script, &sha256(&base)), 1);
    assert_eq!(machine.read(&second, "app").await.as_deref(), Some("2"));
}

#[tokio::test]
async fn what_is_here_needs_no_room_and_its_size_is_known() {
    let base = layer(&[("base", "base")]);
    let old = TestImage::new("amd64", vec![base.clone()]);
    let new = TestImage::new("amd64", vec![base.clone(), layer(&[("app", "2")]), base]);
    let (script, machine) = (serve(&[&old, &new]).await, Machine::new());
    machine.pull(&machine.resolve(&script.reference("acme/web:0")).await).await.unwrap();
    let resolved = machine.resolve(&script.reference("acme/web:1")).await;
    let asked = script.requests().len();
    let before = machine.images.stock(&resolved).await;
    assert_eq!((before.present, before.missing_bytes), (false, Some(new.layers[1].len() as u64)));
    // The layers are not compressed, and the one that is there twice is kept once.
    let unpacked = new.layers[0].len() + new.layers[1].len();
    assert_eq!(before.unpacked_bytes, Some(unpacked as u64));
    assert!(before.free_bytes.is_some_and(|free| free > 0));
    machine.pull(&resolved).await.unwrap();
    let after = machine.images.stock(&resolved).await;
    assert_eq!((after.present, after.missing_bytes), (true, Some(0)));
    assert_eq!(script.requests().len(), asked + 1, "only the pull asked for something");
}

#[tokio::test]
async fn pulls_at_the_same_time_fetch_each_blob_once_and_all_hear_of_it() {
    let image = TestImage::new("amd64", (0..6).map(|seed| large_layer(seed, 200_000)).collect());
    let (script, machine) = (serve(&[&image]).await, Machine::new());
    let resolved = machine.resolve(&script.reference("acme/web:0")).await;
    let (a, b, c) = tokio::join!(machine.pull(&resolved), machine.pull(&resolved), machine.pull(&resolved));
    for progress in [a, b, c] {
        let progress = progress.unwrap();
        assert_eq!((progress.layers_moved, progress.bytes_done), (6, progress.bytes_total));
    }
    for layer in &image.layers {
        assert_eq!(fetched(&script, &sha256(layer)), 1);
    }
}

#[tokio::test]
async fn a_layer_that_is_stacked_twice_is_there_once() {
    let twice = layer(&[("name", "twice")]);
    let image = TestImage::new("amd64", vec![twice.clone(), layer(&[("name", "between")]), twice.clone()]);
    let (script, machine) = (serve(&[&image]).await, Machine::new());
    let resolved = machine.resolve(&script.reference("acme/web:0")).await;
    machine.pull(&resolved).await.unwrap();
    assert_eq!(machine.images.layers(&resolved).await.unwrap().len(), 2);
    assert_eq!(machine.read(&resolved, "name").await.as_deref(), Some("twice"));
    assert_eq!(fetched(&script, &sha256(&twice)), 1);
}

#[tokio::test]
async fn progress_grows_and_ends_complete_in_the_order_of_the_layers() {
    let image = TestImage::new("amd64", (0..3).map(|seed| large_layer(seed, 300_000)).collect());
    let (script, machine) = (serve(&[&image]).await, Machine::new());
    let resolved = machine.resolve(&script.reference("acme/web:0")).await;
    let heard = Arc::new(Heard::default());
    let end = machine.images.pull(&resolved, None, heard.clone()).await.unwrap();
    let reports = heard.reports.lock().unwrap();
    assert!(reports.is_sorted_by_key(|report| report.bytes_done));
    assert_eq!(reports.last(), Some(&end));
    let order: Vec<_> = end.layers.iter().map(|(digest, _, _)| digest.clone()).collect();
    assert_eq!(order, image.layers.iter().map(|layer| sha256(layer)).collect::<Vec<_>>());
    assert_eq!(end.bytes_done, image.layers.iter().map(|layer| layer.len() as u64).sum::<u64>());
}

#[tokio::test]
async fn collecting_keeps_what_a_kept_image_needs_and_nothing_else() {
    let base = layer(&[("base", "base")]);
    let old = TestImage::new("amd64", vec![base.clone(), layer(&[("app", "1")])]);
    let new = TestImage::new("amd64", vec![base, layer(&[("app", "2")])]);
    let (script, machine) = (serve(&[&old, &new]).await, Machine::new());
    let (first, second) = (
        machine.resolve(&script.reference("acme/web:0")).await,
        machine.resolve(&script.reference("acme/web:1")).await,
    );
    machine.pull(&first).await.unwrap();
    machine.pull(&second).await.unwrap();
    assert_eq!(machine.kept_layers(), 3);
    let never_pulled = Digest::sha256([9; 32]);
    let freed = machine.images.collect(&[second.manifest.clone(), never_pulled].into()).await.unwrap();
    assert!(freed > 0);
    assert!(machine.images.is_present(&second).await && !machine.images.is_present(&first).await);
    assert_eq!((machine.kept_layers(), machine.read(&second, "base").await.as_deref()), (2, Some("base")));
    machine.images.collect(&[].into()).await.unwrap();
    assert_eq!(machine.kept_layers(), 0);
}
