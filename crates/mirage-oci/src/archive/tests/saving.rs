use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use mirage_core::{Code, Digest, Error, Platform, Secret};
use serde_json::json;

use super::{Heard, Layout, OCI_IMAGE, OCI_INDEX, Stage, image, layer, ref_name};
use crate::archive::{Draft, Format, ImageSource, Wish, save};
use crate::client::script::{TestImage, entry, sha256};

impl Stage {
    /// Saves an image of the built-in registry into a file.
    pub(super) async fn save(&self, name: &str, format: Format, to: &Path) -> Digest {
        self.try_save(name, format, None, to).await.unwrap()
    }

    async fn try_save(
        &self,
        name: &str,
        format: Format,
        platform: Option<&str>,
        to: &Path,
    ) -> Result<Digest, Error> {
        let draft = Draft::of(to, self.folder.path())?;
        let wish = Wish {
            reference: format!("{}/{name}", self.served.host).parse().unwrap(),
            platform: platform.map(|text| text.parse::<Platform>().unwrap()),
            here: "linux/amd64".parse().unwrap(),
            format,
        };
        let login = self.registry().login(&Secret::from("secret".to_owned()));
        let source = ImageSource { client: crate::client::script::client(), login: Some(login) };
        let saved = save(&source, &wish, &draft, &Heard::default()).await?;
        draft.keep()?;
        assert_eq!(std::fs::metadata(to).unwrap().len(), saved.bytes);
        Ok(saved.digest)
    }

    /// Names in the folder of archives, drafts included.
    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// An index of two images, loaded as `acme/web:1`.
async fn two_platforms(stage: &Stage) -> [TestImage; 2] {
    let images =
        ["amd64", "arm64"].map(|architecture| TestImage::new(architecture, vec![layer(architecture)]));
    let lines = images.each_ref().map(|image| {
        let manifest = image.manifest();
        entry(
            &sha256(&manifest),
            manifest.len(),
            if *image.config == *images[0].config { "linux/amd64" } else { "linux/arm64" },
        )
    });
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": lines }).to_string();
    let layout = Layout::new().image(&images[0]).image(&images[1]).blob(index.as_bytes());
    let archive = layout.entry(OCI_INDEX, index.as_bytes(), ref_name("acme/web:1")).archive().end();
    stage.load(&archive, None).await.unwrap();
    images
}

async fn one_image(stage: &Stage) {
    let layout = Layout::new().image(&image()).entry(OCI_IMAGE, &image().manifest(), ref_name("acme/web:1"));
    stage.load(&layout.archive().end(), None).await.unwrap();
}

#[tokio::test]
async fn of_an_index_the_image_of_this_machine_is_saved_or_the_one_that_is_wanted() {
    let stage = Stage::new().await;
    let [amd64, arm64] = two_platforms(&stage).await;
    let file = stage.path("web.tar");
    for format in [Format::Oci, Format::Docker] {
        let here = stage.try_save("acme/web:1", format, None, &file).await.unwrap();
        assert_eq!(here, sha256(&amd64.manifest()));
        let wanted = stage.try_save("acme/web:1", format, Some("linux/arm64"), &file).await.unwrap();
        assert_eq!(wanted, sha256(&arm64.manifest()));
    }
    let none = stage.try_save("acme/web:1", Format::Oci, Some("linux/s390x"), &file).await.unwrap_err();
    assert_eq!(none.code(), Code::NoMatchingPlatform);
    assert!(none.message().contains("is offered for `linux/amd64`, `linux/arm64`"), "{}", none.message());
    // What is there stands as it was.
    stage.load_file(&file, Some("again:1")).await.unwrap();
    let (manifest, _) = stage.manifest("again:1").await;
    assert_eq!(stage.blob("again", &manifest["config"]["digest"]).await, arm64.config);
}

#[tokio::test]
async fn the_same_image_gives_the_same_archive() {
    let stage = Stage::new().await;
    one_image(&stage).await;
    for format in [Format::Oci, Format::Docker] {
        let (one, two) = (stage.path("one.tar"), stage.path("two.tar"));
        stage.save("acme/web:1", format, &one).await;
        stage.save("acme/web:1", format, &two).await;
        assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
    }
    // By digest it has no name, and has to be given one.
    let digest = stage.manifest("acme/web:1").await.1;
    let pinned = stage.path("pinned.tar");
    stage.save(&format!("acme/web@{digest}"), Format::Oci, &pinned).await;
    let nameless = stage.load_file(&pinned, None).await.unwrap_err();
    assert_eq!(nameless.message(), "`x.tar` has an image without a name");
    assert_eq!(stage.load_file(&pinned, Some("acme/b")).await.unwrap().names, ["acme/b:latest"]);
}

#[tokio::test]
async fn a_file_has_its_name_when_it_is_complete_and_not_before() {
    let stage = Stage::new().await;
    one_image(&stage).await;
    let file = stage.path("web.tar");
    std::fs::write(&file, "an archive of yesterday").unwrap();
    // The last layer has changed on the disk of the registry.
    let store = &stage.served.bench.state.store;
    let mut bytes = image().layers[1].clone();
    bytes[600] ^= 1;
    std::fs::write(store.blob_path(&sha256(&image().layers[1])), &bytes).unwrap();
    for format in [Format::Oci, Format::Docker] {
        let error = stage.try_save("acme/web:1", format, None, &file).await.unwrap_err();
        assert_eq!(error.code(), Code::ImagePullError, "{}", error.message());
        assert!(error.message().contains("sent wrong bytes"), "{}", error.message());
    }
    std::fs::write(store.blob_path(&sha256(&image().layers[1])), &bytes[..1000]).unwrap();
    let error = stage.try_save("acme/web:1", Format::Oci, None, &file).await.unwrap_err();
    assert_eq!(error.code(), Code::ImagePullError, "{}", error.message());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "an archive of yesterday");
    assert_eq!(stage.files(), ["loaded.tar", "web.tar"]);

    let missing = stage.try_save("acme/none:1", Format::Oci, None, &file).await.unwrap_err();
    assert_eq!(missing.code(), Code::ImageNotFound, "{}", missing.message());
    assert_eq!(stage.files(), ["loaded.tar", "web.tar"]);
}

#[tokio::test]
async fn what_is_no_file_is_not_replaced_by_one() {
    let stage = Stage::new().await;
    one_image(&stage).await;
    let folder = Draft::of(stage.folder.path(), stage.folder.path()).err().unwrap();
    assert_eq!(folder.code(), Code::InvalidRequest);
    let nowhere = Draft::of(&stage.path("none/web.tar"), stage.folder.path()).err().unwrap();
    assert_eq!(nowhere.code(), Code::InvalidRequest);
    assert!(
        nowhere.message().ends_with("cannot be written: no such file or directory"),
        "{}",
        nowhere.message()
    );

    let (file, link) = (stage.path("web.tar"), stage.path("link.tar"));
    std::fs::write(&file, "").unwrap();
    symlink(&file, &link).unwrap();
    stage.save("acme/web:1", Format::Oci, &link).await;
    assert!(link.is_symlink() && std::fs::metadata(&file).unwrap().len() > 1000);

    // What a killed process of the same number left behind is in nobody's way.
    let left = stage.path(&format!(".mirage-{}-0.draft", std::process::id()));
    std::fs::write(&left, "half").unwrap();
    stage.save("acme/web:1", Format::Oci, &file).await;
    assert_eq!(std::fs::read_to_string(&left).unwrap(), "half");
    std::fs::remove_file(&left).unwrap();

    // A pipe is written into.
    let pipe = stage.path("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let draft = Draft::of(&pipe, stage.folder.path()).unwrap();
    draft.file().unwrap().write_all(b"whole").unwrap();
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read(pipe).unwrap()
    });
    draft.keep().unwrap();
    assert_eq!(reader.join().unwrap(), b"whole");
    assert_eq!(stage.files(), ["link.tar", "loaded.tar", "pipe", "web.tar"]);
}

#[tokio::test]
async fn a_layer_that_its_configuration_does_not_name_is_not_unpacked_for_docker() {
    let stage = Stage::new().await;
    let mut lying = image();
    lying.config = TestImage::new("amd64", vec![layer("something"), layer("else")]).config;
    let layout = Layout::new().image(&lying).entry(OCI_IMAGE, &lying.manifest(), ref_name("acme/web:1"));
    stage.load(&layout.archive().end(), None).await.unwrap();
    let file = stage.path("web.tar");
    let error = stage.try_save("acme/web:1", Format::Docker, None, &file).await.unwrap_err();
    let (layer, host) = (sha256(&lying.layers[0]), &stage.served.host);
    assert_eq!(error.code(), Code::ImagePullError);
    assert_eq!(
        error.message(),
        format!(
            "`{host}/acme/web:1` is damaged: the layer `{layer}` unpacks to `{layer}`, which its configuration does not name"
        )
    );
}
