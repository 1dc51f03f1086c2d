//! Archives that are wrong, or want something else: each with its code, and nothing of them has a name.

use serde_json::json;

use super::{Layout, OCI_IMAGE, OCI_INDEX, Stage, image, layer, ref_name, tar};
use crate::archive::{Archive as Read, Input};
use crate::client::script::sha256;
use crate::layer::testing::{Archive, Header};

fn layout() -> Layout {
    Layout::new().image(&image()).entry(OCI_IMAGE, &image().manifest(), ref_name("acme/web:1"))
}

/// A docker-archive of one layer, whose parts are called like this.
fn docker(layers: &[&str]) -> String {
    json!([{ "Config": "config.json", "RepoTags": ["acme/web:1"], "Layers": layers }]).to_string()
}

#[tokio::test]
async fn names_that_lead_out_of_the_archive_are_refused() {
    let stage = Stage::new().await;
    for name in ["../escape", "/etc/passwd", "blobs/../../x", "a/b/../../../c", "blobs/sha256/.."] {
        let refused = stage.refused(&layout().archive().file(name, b"x").end()).await;
        let expected =
            format!("IMAGE_PULL_ERROR `x.tar` is damaged: its entry `{name}` leads out of the archive");
        assert_eq!(refused, expected);
    }
    for target in ["/etc/shadow", "../../../etc/shadow", "../../x"] {
        for archive in [
            layout().archive().symlink("3c/layer.tar", target),
            layout().archive().hard_link("3c/layer.tar", target),
        ] {
            let refused = stage.refused(&archive.end()).await;
            assert!(refused.starts_with("IMAGE_PULL_ERROR `x.tar` is damaged: its entry"), "{refused}");
            assert!(refused.ends_with("leads out of the archive"), "{refused}");
        }
    }
    let refused = stage.refused(&layout().archive().file(b"\xff\xfe", b"x").end()).await;
    assert!(refused.ends_with("has a name that is not UTF-8"), "{refused}");
}

#[tokio::test]
async fn a_name_that_comes_twice_is_refused() {
    let stage = Stage::new().await;
    for again in ["index.json", "./index.json", "blobs//../index.json"] {
        let refused = stage.refused(&layout().archive().file(again, b"{}").end()).await;
        assert!(refused.starts_with("IMAGE_PULL_ERROR `x.tar` is damaged: "), "{again}: {refused}");
    }
    let refused = stage.refused(&layout().archive().symlink("index.json", "oci-layout").end()).await;
    assert_eq!(refused, "IMAGE_PULL_ERROR `x.tar` is damaged: it has `index.json` twice");
}

#[tokio::test]
async fn links_that_lead_nowhere_or_in_a_circle_are_refused() {
    let stage = Stage::new().await;
    let image = image();
    let one = crate::client::script::TestImage::new("amd64", vec![image.layers[0].clone()]);
    let with = |archive: Archive| {
        let start =
            tar(&[("manifest.json", docker(&["3c/layer.tar"]).as_bytes()), ("config.json", &one.config)]);
        Archive([start.0, archive.0].concat()).end()
    };
    let absent = with(Archive::default().symlink("3c/layer.tar", "../1a/layer.tar"));
    assert_eq!(
        stage.refused(&absent).await,
        "IMAGE_PULL_ERROR `x.tar` is damaged: it has no `3c/layer.tar`, which `manifest.json` names"
    );
    let circle = Archive::default()
        .symlink("3c/layer.tar", "../4d/layer.tar")
        .symlink("4d/layer.tar", "../3c/layer.tar");
    assert!(stage.refused(&with(circle)).await.ends_with("is behind more than 8 links"));
    let device = Archive::default().header(&Header::new(b'3', "3c/layer.tar"));
    assert!(
        stage
            .refused(&with(device))
            .await
            .ends_with("`3c/layer.tar` is a device, a pipe or a file with holes")
    );
}

#[tokio::test]
async fn a_wrong_digest_names_the_blob() {
    let stage = Stage::new().await;
    let image = image();
    for blob in [&image.layers[1], &image.config, &image.manifest()] {
        let digest = sha256(blob);
        let mut changed = blob.clone();
        let last = changed.len() - 1;
        changed[last] ^= 1;
        let archive = layout().without(blob).archive();
        let archive = archive.file(format!("blobs/sha256/{}", digest.hex()), &changed).end();
        let is = sha256(&changed);
        assert_eq!(
            stage.refused(&archive).await,
            format!("IMAGE_PULL_ERROR `x.tar` is damaged: the blob `{digest}` has the digest `{is}`")
        );
        let absent = layout().without(blob).archive().end();
        assert_eq!(
            stage.refused(&absent).await,
            format!("IMAGE_PULL_ERROR `x.tar` is not complete: it has no blob `{digest}`")
        );
    }
    // A docker-archive calls its configuration by its digest.
    let name = format!("{}.json", sha256(b"something else").hex());
    let manifest = json!([{ "Config": name, "RepoTags": null, "Layers": [] }]).to_string();
    let archive = tar(&[("manifest.json", manifest.as_bytes()), (&name, &image.config)]).end();
    let refused = stage.refused(&archive).await;
    assert!(
        refused.starts_with("IMAGE_PULL_ERROR `x.tar` is damaged: the configuration `sha256:"),
        "{refused}"
    );
}

#[tokio::test]
async fn sizes_and_numbers_that_do_not_fit_are_refused() {
    let stage = Stage::new().await;
    let image = image();
    let manifest = String::from_utf8(image.manifest()).unwrap();
    let size = format!("\"size\":{}", image.layers[0].len());
    let lying = manifest.replace(&size, "\"size\":7").into_bytes();
    let archive =
        Layout::new().image(&image).blob(&lying).entry(OCI_IMAGE, &lying, json!({})).archive().end();
    assert!(
        stage
            .refused(&archive)
            .await
            .ends_with(&format!("must have 7 bytes, it has {}", image.layers[0].len()))
    );

    let few = tar(&[
        ("manifest.json", docker(&["a"]).as_bytes()),
        ("config.json", &image.config),
        ("a", &image.layers[0]),
    ]);
    assert_eq!(
        stage.refused(&few.end()).await,
        "IMAGE_PULL_ERROR `x.tar` is damaged: an image has 1 layers, its configuration names 2"
    );
    let both = manifest.replace("\"schemaVersion\":2", "\"schemaVersion\":2,\"manifests\":[]").into_bytes();
    let archive = Layout::new().image(&image).blob(&both).entry(OCI_IMAGE, &both, json!({})).archive().end();
    assert!(
        stage
            .refused(&archive)
            .await
            .contains("an image manifest has `config` and `layers`, and no `manifests`")
    );
}

#[tokio::test]
async fn documents_have_a_largest_size_and_a_largest_depth() {
    let stage = Stage::new().await;
    let huge = vec![b' '; (4 << 20) + 1];
    let refused = stage.refused(&tar(&[("index.json", &huge)]).end()).await;
    assert_eq!(refused, "IMAGE_TOO_LARGE `index.json` of `x.tar` has more than 4.0 MiB");
    let refused = stage.refused(&tar(&[("manifest.json", &huge)]).end()).await;
    assert_eq!(refused, "IMAGE_TOO_LARGE `manifest.json` of `x.tar` has more than 4.0 MiB");
    let config = vec![b' '; (8 << 20) + 1];
    let archive = tar(&[("manifest.json", docker(&[]).as_bytes()), ("config.json", &config)]).end();
    assert_eq!(
        stage.refused(&archive).await,
        "IMAGE_TOO_LARGE a configuration of `x.tar` has more than 8.0 MiB"
    );

    let deep = format!("[{}", "[".repeat(100_000)).into_bytes();
    assert!(stage.refused(&tar(&[("manifest.json", &deep)]).end()).await.starts_with("IMAGE_PULL_ERROR"));

    let (mut layout, mut below) = (Layout::new().image(&image()), (OCI_IMAGE, image().manifest()));
    for _ in 0..6 {
        let (media_type, bytes) = &below;
        let line = json!({ "mediaType": media_type, "digest": sha256(bytes), "size": bytes.len() });
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [line] }).to_string();
        layout = layout.blob(index.as_bytes());
        below = (OCI_INDEX, index.into_bytes());
    }
    let refused = stage.refused(&layout.entry(OCI_INDEX, &below.1, json!({})).archive().end()).await;
    assert_eq!(refused, "IMAGE_PULL_ERROR `x.tar` is damaged: its indexes are nested more than 4 deep");
}

/// A small index that names itself over and over would be walked for ever.
#[tokio::test]
async fn an_index_that_multiplies_is_given_up() {
    let stage = Stage::new().await;
    let mut layout = Layout::new().image(&image());
    let mut below = (OCI_IMAGE, image().manifest());
    for _ in 0..3 {
        let (media_type, bytes) = &below;
        let line = json!({ "mediaType": media_type, "digest": sha256(bytes), "size": bytes.len() });
        let index =
            json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": vec![line; 900] }).to_string();
        layout = layout.blob(index.as_bytes());
        below = (OCI_INDEX, index.into_bytes());
    }
    let refused = stage.refused(&layout.entry(OCI_INDEX, &below.1, json!({})).archive().end()).await;
    assert_eq!(refused, "IMAGE_PULL_ERROR `x.tar` is damaged: its indexes have more than 1000 entries");
}

#[tokio::test]
async fn an_archive_has_a_largest_number_of_files() {
    let stage = Stage::new().await;
    let header = |at: usize| Header::new(b'0', format!("{at:06}")).block();
    let bytes: Vec<u8> = (0..100_001).flat_map(header).collect();
    let refused = stage.refused(&Archive(bytes).end()).await;
    assert_eq!(refused, "IMAGE_TOO_LARGE `x.tar` is refused: it has more than 100000 files");
}

#[tokio::test]
async fn what_is_no_archive_of_images_says_so() {
    let stage = Stage::new().await;
    let no_manifest = stage.refused(&tar(&[("etc/passwd", b"root")]).end()).await;
    assert_eq!(no_manifest, "INVALID_REQUEST `x.tar` is no archive of images: it has no `manifest.json`");
    let ancient = stage.refused(&tar(&[("repositories", b"{}"), ("1a/json", b"{}")]).end()).await;
    assert_eq!(
        ancient,
        "INVALID_REQUEST `x.tar` is no archive of images: it was made by a Docker older than 1.10"
    );
    let empty = stage.refused(&Layout::new().archive().end()).await;
    assert_eq!(empty, "INVALID_REQUEST `x.tar` is no archive of images: it has none");
    let nothing = stage.refused(b"").await;
    assert_eq!(nothing, "INVALID_REQUEST `x.tar` is no archive of images: it has no `manifest.json`");
    let picture = stage.refused(&[0x89; 2000]).await;
    assert!(
        picture.starts_with("IMAGE_PULL_ERROR `x.tar` is damaged: its archive is damaged at byte 0"),
        "{picture}"
    );
    let bzip2 = stage.refused(&[b"BZh9".as_slice(), &[1; 2000]].concat()).await;
    assert!(bzip2.contains("it is compressed with `bzip2`"), "{bzip2}");

    let whole = layout().archive().end();
    let cut = stage.refused(&whole[..whole.len() / 2]).await;
    assert!(cut.starts_with("IMAGE_PULL_ERROR"), "{cut}");
    let folder = std::fs::File::open(stage.folder.path()).unwrap();
    let error = Read::read("x", Input::File(folder), stage.folder.path()).err().unwrap();
    assert_eq!(
        format!("{} {}", error.code(), error.message()),
        "INVALID_REQUEST `x` cannot be read: is a directory"
    );
}

#[tokio::test]
async fn a_foreign_layer_need_not_be_in_the_archive() {
    let stage = Stage::new().await;
    let image = crate::client::script::TestImage::new("amd64", vec![layer("here"), layer("elsewhere")]);
    let manifest: serde_json::Value = serde_json::from_slice(&image.manifest()).unwrap();
    let mut foreign = manifest.clone();
    foreign["layers"][1]["mediaType"] = json!("application/vnd.oci.image.layer.nondistributable.v1.tar");
    let foreign = foreign.to_string().into_bytes();
    let layout = Layout::new().image(&image).without(&image.layers[1]).blob(&foreign);
    let archive = layout.entry(OCI_IMAGE, &foreign, ref_name("acme/web:1")).archive().end();
    assert_eq!(stage.load(&archive, None).await.unwrap().sent, (2, 2));
}

/// Every byte of the headers and documents is changed in turn: what comes out is an image or an error.
#[test]
fn a_changed_byte_is_an_image_or_an_error() {
    let one = crate::client::script::TestImage::new("amd64", vec![layer("a")]);
    let oci =
        Layout::new().image(&one).entry(OCI_IMAGE, &one.manifest(), ref_name("acme/web:1")).archive().end();
    let manifest = docker(&["3c/layer.tar"]);
    let docker = tar(&[
        ("manifest.json", manifest.as_bytes()),
        ("config.json", &one.config),
        ("1a/layer.tar", &one.layers[0]),
    ]);
    let docker = docker.symlink("3c/layer.tar", "../1a/layer.tar").end();
    let spool = tempfile::tempdir().unwrap();
    let (mut images, mut errors) = (0, 0);
    for archive in [oci, docker] {
        for at in 0..archive.len() {
            let mut changed = archive.clone();
            changed[at] ^= 1 << (at % 8);
            let stream = Input::Stream(Box::new(std::io::Cursor::new(changed)));
            let found = Read::read("x.tar", stream, spool.path())
                .and_then(|archive| crate::archive::load::images(&archive));
            match found {
                Ok(_) => images += 1,
                Err(error) => {
                    assert!(
                        error.next_step().is_some() && error.code() != mirage_core::Code::Internal,
                        "{error:?}"
                    );
                    errors += 1;
                }
            }
        }
    }
    assert!(images > 1000 && errors > 1000, "{images} images, {errors} errors");
}
