use std::io::Write as _;

use serde_json::json;

use super::{Layout, OCI_IMAGE, OCI_INDEX, Stage, image, layer, ref_name, tar};
use crate::archive::Input;
use crate::client::script::{TestImage, entry, sha256};
use crate::layer::testing::Archive;

/// As `docker save` wrote it until version 24: the list of images at the end, and a layer that two share as a link.
fn old_docker(tags: serde_json::Value) -> Archive {
    let image = image();
    let config = format!("{}.json", sha256(&image.config).hex());
    let manifest = json!([
        { "Config": config, "RepoTags": tags, "Layers": ["1a/layer.tar", "2b/layer.tar"] },
        { "Config": config, "RepoTags": ["acme/other:2"], "Layers": ["3c/layer.tar", "4d/layer.tar"] },
    ]);
    Archive::default()
        .folder("1a/")
        .file("1a/VERSION", b"1.0")
        .file("1a/json", b"{}")
        .file("1a/layer.tar", &image.layers[0])
        .folder("2b/")
        .file("2b/layer.tar", &image.layers[1])
        .folder("3c/")
        .symlink("3c/layer.tar", "../1a/layer.tar")
        .hard_link("4d/layer.tar", "2b/layer.tar")
        .file(&config, &image.config)
        .file("manifest.json", manifest.to_string().as_bytes())
        .file("repositories", b"{}")
}

#[tokio::test]
async fn a_docker_archive_becomes_images_whose_layers_are_what_the_configuration_names() {
    let stage = Stage::new().await;
    let archive = old_docker(json!(["docker.io/acme/web:1", "acme/web:latest"])).end();
    let loaded = stage.load(&archive, None).await.unwrap();
    assert_eq!(loaded.names, ["acme/web:1", "acme/web:latest", "acme/other:2"]);
    // Three blobs in two repositories; the second one takes them from the first.
    assert_eq!(loaded.sent, (3, 6));

    let image = image();
    for name in ["acme/web:1", "acme/web:latest", "acme/other:2"] {
        let (manifest, _) = stage.manifest(name).await;
        assert_eq!(manifest["mediaType"], OCI_IMAGE);
        let repository = name.split(':').next().unwrap();
        assert_eq!(stage.blob(repository, &manifest["config"]["digest"]).await, image.config);
        for (at, layer) in image.layers.iter().enumerate() {
            let told = &manifest["layers"][at];
            assert_eq!(told["mediaType"], "application/vnd.oci.image.layer.v1.tar");
            assert_eq!(stage.blob(repository, &told["digest"]).await, *layer);
        }
    }
    assert_eq!(stage.served.bench.unfinished_files(), 0);
}

#[tokio::test]
async fn what_the_registry_has_is_not_sent_again() {
    let stage = Stage::new().await;
    let archive = old_docker(json!(["acme/web:1"])).end();
    assert_eq!(stage.load(&archive, None).await.unwrap().sent, (3, 6));
    assert_eq!(stage.load(&archive, None).await.unwrap().sent, (0, 6));
    // Another repository takes over nothing by itself: who pushes has to have the bytes, or name their place.
    assert_eq!(stage.load(&archive, Some("acme/third")).await.unwrap().sent, (3, 3));
}

#[tokio::test]
async fn an_archive_may_be_compressed_or_come_through_a_pipe() {
    let stage = Stage::new().await;
    let archive = Layout::new()
        .image(&image())
        .entry(OCI_IMAGE, &image().manifest(), ref_name("acme/web:1"))
        .archive()
        .end();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&archive).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(archive.as_slice(), 1).unwrap();
    for (tag, bytes) in [("plain", archive), ("gzip", gzip), ("zstd", zstd)] {
        let by_file = stage.load(&bytes, Some(&format!("file/{tag}:1"))).await.unwrap();
        assert_eq!(by_file.names, [format!("file/{tag}:1")]);
        let stream = Input::Stream(Box::new(std::io::Cursor::new(bytes)));
        let by_pipe = stage.load_from(stream, Some(&format!("pipe/{tag}:1"))).await.unwrap();
        assert_eq!(by_pipe.sent, (3, 3));
        for place in ["file", "pipe"] {
            let (_, digest) = stage.manifest(&format!("{place}/{tag}:1")).await;
            assert_eq!(digest, sha256(&image().manifest()), "{place} {tag}");
        }
    }
    // Nothing but the archive of the last file is left: what went through a file without a name is gone with it.
    let left: Vec<_> =
        std::fs::read_dir(stage.folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left, ["loaded.tar"]);
}

#[tokio::test]
async fn layers_of_a_docker_archive_may_be_compressed() {
    let stage = Stage::new().await;
    let image = image();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&image.layers[0]).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(image.layers[1].as_slice(), 1).unwrap();
    let manifest =
        json!([{ "Config": "config.json", "RepoTags": ["acme/web:1"], "Layers": ["a", "b"] }]).to_string();
    let archive = tar(&[
        ("./manifest.json", manifest.as_bytes()),
        ("./config.json", &image.config),
        ("./a", &gzip),
        ("./b", &zstd),
    ]);
    stage.load(&archive.end(), None).await.unwrap();
    let (manifest, _) = stage.manifest("acme/web:1").await;
    assert_eq!(manifest["layers"][0]["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");
    assert_eq!(manifest["layers"][1]["mediaType"], "application/vnd.oci.image.layer.v1.tar+zstd");
    assert_eq!(stage.blob("acme/web", &manifest["layers"][1]["digest"]).await, zstd);

    let swapped = archive_of(&image.config, &image.layers[1], &image.layers[0]);
    let refused = Stage::new().await.refused(&swapped).await;
    let (is, must) = (sha256(&image.layers[1]), sha256(&image.layers[0]));
    assert_eq!(
        refused,
        format!("IMAGE_PULL_ERROR `x.tar` is damaged: the layer `{must}` has the digest `{is}`")
    );
}

fn archive_of(config: &[u8], a: &[u8], b: &[u8]) -> Vec<u8> {
    let manifest = json!([{ "Config": "config.json", "RepoTags": null, "Layers": ["a", "b"] }]).to_string();
    tar(&[("manifest.json", manifest.as_bytes()), ("config.json", config), ("a", a), ("b", b)]).end()
}

#[tokio::test]
async fn an_archive_of_docker_25_is_an_image_layout_and_its_digest_stays() {
    let stage = Stage::new().await;
    let (image, manifest) = (image(), image().manifest());
    let names = json!({
        "io.containerd.image.name": "docker.io/library/nginx:1.27",
        "org.opencontainers.image.ref.name": "1.27",
    });
    let blob = |bytes: &[u8]| format!("blobs/sha256/{}", sha256(bytes).hex());
    let docker = json!([{
        "Config": blob(&image.config), "RepoTags": ["nginx:1.27"],
        "Layers": image.layers.iter().map(|layer| blob(layer)).collect::<Vec<_>>(),
    }]);
    let archive = Layout::new().image(&image).entry(OCI_IMAGE, &manifest, names).archive();
    let archive = archive.file("manifest.json", docker.to_string().as_bytes());
    let loaded = stage.load(&archive.end(), None).await.unwrap();
    assert_eq!(loaded.names, ["nginx:1.27"]);
    assert_eq!(stage.manifest("nginx:1.27").await.1, sha256(&manifest));
}

#[tokio::test]
async fn an_index_comes_whole_and_what_is_left_of_one_as_the_image_that_is_there() {
    let stage = Stage::new().await;
    let images =
        ["amd64", "arm64"].map(|architecture| TestImage::new(architecture, vec![layer(architecture)]));
    let attestation = TestImage { config: b"{}".to_vec(), layers: vec![b"{\"_type\":\"in-toto\"}".to_vec()] };
    let line = |image: &TestImage, platform: &str| {
        let manifest = image.manifest();
        entry(&sha256(&manifest), manifest.len(), platform)
    };
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
        line(&images[0], "linux/amd64"), line(&images[1], "linux/arm64"), line(&attestation, "unknown/unknown"),
    ]});
    let index = index.to_string().into_bytes();
    let layout = || {
        let layout = Layout::new().image(&images[0]).image(&images[1]).image(&attestation).blob(&index);
        layout.entry(OCI_INDEX, &index, ref_name("ghcr.io/acme/web:2"))
    };
    assert_eq!(stage.load(&layout().archive().end(), None).await.unwrap().names, ["acme/web:2"]);
    assert_eq!(stage.manifest("acme/web:2").await.1, sha256(&index));

    let one = layout().without(&images[1].layers[0]).archive().end();
    stage.load(&one, Some("acme/one:1")).await.unwrap();
    assert_eq!(stage.manifest("acme/one:1").await.1, sha256(&images[0].manifest()));

    let none = layout().without(&images[0].manifest()).without(&images[1].manifest()).archive().end();
    let refused = Stage::new().await.refused(&none).await;
    let missing = sha256(&images[0].manifest());
    assert_eq!(refused, format!("IMAGE_PULL_ERROR `x.tar` is not complete: it has no blob `{missing}`"));
}
