//! Pulling for real: from registries over loopback into a content store, and out of it.

mod mirrors;
mod pulling;
mod registries;
mod tokens;
mod trouble;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mirage_core::port::{ImageStore, Progress, PullProgress, Registry};
use mirage_core::{Error, Platform, Reference, ResolvedImage};
use tempfile::TempDir;

use super::Images;
use crate::client::script::{clock, options};
use crate::client::{Mirror, OwnRegistry, RegistryClient, RegistryOptions};
use crate::content::{ContentStore, LayerFormat, StoreConfig};
use crate::layer::LayerLimits;

/// A machine: a content store in a folder of its own, and a client.
struct Machine {
    images: Images,
    client: RegistryClient,
    store: ContentStore,
    folder: Arc<TempDir>,
}

impl Machine {
    fn new() -> Self {
        Self::in_folder(Arc::new(TempDir::new().unwrap()), |_| None)
    }

    /// A machine that is a registry too.
    fn with_own(own: impl FnOnce(&ContentStore) -> OwnRegistry) -> Self {
        Self::in_folder(Arc::new(TempDir::new().unwrap()), |store| Some(own(store)))
    }

    /// A machine that asks other registries first.
    fn with_mirrors(mirrors: Vec<Mirror>) -> Self {
        let options = RegistryOptions { mirrors, ..options() };
        Self::with_options(Arc::new(TempDir::new().unwrap()), options, |_| None)
    }

    fn in_folder(folder: Arc<TempDir>, own: impl FnOnce(&ContentStore) -> Option<OwnRegistry>) -> Self {
        Self::with_options(folder, options(), own)
    }

    fn with_options(
        folder: Arc<TempDir>,
        options: RegistryOptions,
        own: impl FnOnce(&ContentStore) -> Option<OwnRegistry>,
    ) -> Self {
        let (root, run) = (folder.path().join("root"), folder.path().join("run"));
        let config = StoreConfig { root, run, layer_format: Some(LayerFormat::Directory) };
        let store = ContentStore::open(config).unwrap();
        let own = own(&store);
        let client = RegistryClient::new(options, 7, clock(), Some(store.clone()), own).unwrap();
        let images = Images::new(client.clone(), store.clone(), LayerLimits::default());
        Self { images, client, store, folder }
    }

    /// Ends the process, so to speak, and starts another one over the same folder.
    fn restart(self) -> Self {
        let folder = Arc::clone(&self.folder);
        drop(self);
        Self::in_folder(folder, |_| None)
    }

    async fn resolve(&self, reference: &Reference) -> ResolvedImage {
        self.client.resolve(reference, &amd64(), None).await.unwrap()
    }

    async fn pull(&self, image: &ResolvedImage) -> Result<PullProgress, Error> {
        self.images.pull(image, None, Arc::new(Heard::default())).await
    }

    /// What a container would see at this path, by the rule of the overlay.
    async fn read(&self, image: &ResolvedImage, path: &str) -> Option<String> {
        let layers = self.images.layers(image).await.unwrap();
        layers.iter().find_map(|layer| fs::read_to_string(layer.join(path)).ok())
    }

    /// What is half-made.
    fn unfinished(&self) -> Vec<PathBuf> {
        entries(&self.folder.path().join("root/tmp"))
    }

    /// Waits until the threads of a pull that was given up have cleaned up behind themselves.
    async fn settled(&self) {
        for _ in 0..500 {
            if self.unfinished().is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("left behind: {:?}", self.unfinished());
    }

    fn kept_layers(&self) -> usize {
        entries(&self.folder.path().join("root/layers/sha256")).len()
    }
}

/// Keeps every report.
#[derive(Default)]
struct Heard {
    reports: Mutex<Vec<PullProgress>>,
    something: tokio::sync::Notify,
}

impl Heard {
    /// Waits until at least this many bytes are reported.
    async fn bytes(&self, least: u64) {
        loop {
            let heard = self.something.notified();
            if self.reports.lock().unwrap().last().is_some_and(|last| last.bytes_done >= least) {
                return;
            }
            heard.await;
        }
    }
}

impl Progress for Heard {
    fn report(&self, progress: &PullProgress) {
        self.reports.lock().unwrap().push(progress.clone());
        self.something.notify_waiters();
    }
}

fn amd64() -> Platform {
    "linux/amd64".parse().unwrap()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// A layer with these files.
fn layer(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap()
}

/// A layer with one file of this many bytes, different for each `seed`.
fn large_layer(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + (state >> 59) as u8 % 26)
    };
    let content: String = (0..bytes).map(|_| next()).collect();
    layer(&[(&format!("large-{seed}"), &content)])
}
