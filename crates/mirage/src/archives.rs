//! Archives of images: into the registry of a platform, and out of any.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use mirage_cli::config::env;
use mirage_cli::{LoadArchive, LoadedImage, SaveArchive, SavedImage, Token};
use mirage_core::{Code, CredentialOutcome, Error, Platform, Result, Secret};
use mirage_oci::archive::{self, Archive, Draft, Format, ImageSource, Input, Wish};
use mirage_oci::client::{PlatformRegistry, RegistryClient};
use tokio::task::spawn_blocking;

use crate::clock::{SystemClock, SystemRandomness};
use crate::inspect::registry_options;
use crate::platform::seed;
use crate::serve::Ends;

/// How a process ends that was interrupted, as shells count.
const INTERRUPTED: i32 = 130;

/// Pushes the images of an archive to the registry of a platform.
pub(crate) fn load(request: LoadArchive) -> BoxFuture<'static, Result<Vec<LoadedImage>>> {
    Box::pin(async move {
        let rename = request.rename.as_deref().map(str::parse).transpose()?;
        let registry = registry(&request.url, request.token.as_ref())?;
        let archive = on_disk(move || read(request.file.as_deref())).await?;
        let loaded = archive::load(archive, rename, &registry, &*request.progress).await?;
        let image = |image: archive::Loaded| LoadedImage {
            reference: image.reference.familiar(),
            digest: image.digest.to_string(),
        };
        Ok(loaded.into_iter().map(image).collect())
    })
}

/// Writes an image into an archive.
pub(crate) fn save(request: SaveArchive) -> BoxFuture<'static, Result<SavedImage>> {
    Box::pin(async move {
        let source = source(&request)?;
        // Heard before there is a draft to be taken away; what goes to a pipe has none.
        let mut ends = request.file.as_ref().map(|_| Ends::listen()).transpose()?;
        let draft = match &request.file {
            Some(file) => Draft::of(file, &spool())?,
            None => Draft::nowhere(&spool())?,
        };
        let wish = Wish {
            reference: request.reference,
            platform: request.platform,
            here: Platform::linux(std::env::consts::ARCH),
            format: if request.docker { Format::Docker } else { Format::Oci },
        };
        let saving = Box::pin(archive::save(&source, &wish, &draft, &*request.progress));
        let saved = tokio::select! {
            saved = saving => saved?,
            () = interrupted(ends.as_mut()) => {
                drop(draft);
                std::process::exit(INTERRUPTED);
            }
        };
        let to_stdout = request.file.is_none();
        on_disk(move || if to_stdout { draft.copy_to(&mut std::io::stdout().lock()) } else { draft.keep() })
            .await?;
        let (digest, layers) = (saved.digest.to_string(), saved.layers);
        Ok(SavedImage { digest, layers, size_bytes: saved.bytes })
    })
}

/// The platform is asked with its token, every other registry with the login that was given.
fn source(request: &SaveArchive) -> Result<ImageSource> {
    let platform = registry(&request.url, request.token.as_ref())?;
    let mut options = registry_options()?;
    let mut login = match request.login.clone().decide(None, request.reference.host())? {
        CredentialOutcome::Replace(login) => Some(login),
        CredentialOutcome::Keep | CredentialOutcome::Remove => None,
    };
    if platform.is_called(request.reference.host()) {
        let token = request.token.as_ref().map(|token| Secret::from(token.reveal().to_owned()));
        login = token.map(|token| platform.login(&token));
        if request.url.starts_with("http:") {
            options.plain_http.insert(request.reference.host().clone());
        }
    }
    let client = RegistryClient::new(options, seed(&SystemRandomness), Arc::new(SystemClock), None, None)?;
    Ok(ImageSource { client, login })
}

fn registry(url: &str, token: Option<&Token>) -> Result<PlatformRegistry> {
    let token = token.map(|token| Secret::from(token.reveal().to_owned()));
    PlatformRegistry::new(url, token.as_ref(), registry_options()?, seed(&SystemRandomness))
}

fn read(file: Option<&Path>) -> Result<Archive> {
    match file {
        None => Archive::read("-", Input::Stream(Box::new(std::io::stdin())), &spool()),
        Some(path) => {
            let shown = path.display().to_string();
            let file = File::open(path).map_err(|cause| {
                Error::new(Code::InvalidRequest, format!("`{shown}` cannot be opened"))
                    .hint("check the path, and who may read it")
                    .because(cause)
            })?;
            Archive::read(&shown, Input::File(file), &spool())
        }
    }
}

/// Where large files without a name are: not in /tmp, which is memory on many machines.
fn spool() -> PathBuf {
    let named = env::read(env::TEMPORARY).map(PathBuf::from);
    named.unwrap_or_else(|| {
        let usual = PathBuf::from("/var/tmp");
        if usual.is_dir() { usual } else { std::env::temp_dir() }
    })
}

async fn interrupted(ends: Option<&mut Ends>) {
    match ends {
        Some(ends) => ends.wait().await,
        None => std::future::pending().await,
    }
}

async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    spawn_blocking(work).await.map_err(|cause| Error::internal("use an archive", cause))?
}
