use super::*;

const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

fn digest(number: u8) -> String {
    Digest::sha256([number; 32]).to_string()
}

fn descriptor(media_type: &str, number: u8, size: u64) -> serde_json::Value {
    serde_json::json!({ "mediaType": media_type, "digest": digest(number), "size": size })
}

fn image(layers: &[serde_json::Value]) -> serde_json::Value {
    serde_json::json!({ "schemaVersion": 2, "mediaType": OCI, "config": descriptor(CONFIG, 1, 700), "layers": layers })
}

fn read(value: &serde_json::Value) -> Result<Document, Fault> {
    Document::read(value.to_string().as_bytes(), None)
}

fn refusal(value: &serde_json::Value) -> String {
    read(value).expect_err("must be refused").to_string()
}

#[test]
fn layers_of_both_families_and_every_compression_are_understood() {
    let types = [
        ("application/vnd.oci.image.layer.v1.tar", Compression::None),
        ("application/vnd.oci.image.layer.v1.tar+gzip", Compression::Gzip),
        ("application/vnd.oci.image.layer.v1.tar+zstd", Compression::Zstd),
        ("application/vnd.docker.image.rootfs.diff.tar.gzip", Compression::Gzip),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", Compression::Gzip),
    ];
    for (media_type, compression) in types {
        let Ok(Document::Image(manifest)) = read(&image(&[descriptor(media_type, 2, 9)])) else {
            panic!("{media_type}")
        };
        assert_eq!(manifest.layers[0].compression, compression, "{media_type}");
        assert_eq!(manifest.size_bytes(), 709);
    }
}

#[test]
fn the_unpacked_size_is_known_of_a_bare_archive_and_where_it_is_annotated() {
    let gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
    let annotated = |size: serde_json::Value| {
        let mut layer = descriptor(gzip, 2, 9);
        layer["annotations"] = serde_json::json!({ "io.containers.estargz.uncompressed-size": size });
        layer
    };
    for (layer, expected) in [
        (descriptor("application/vnd.oci.image.layer.v1.tar", 2, 9), Some(9)),
        (annotated("1024".into()), Some(1024)),
        (annotated("-1".into()), None),
        (annotated(1024.into()), None),
        (descriptor(gzip, 2, 9), None),
    ] {
        let Ok(Document::Image(manifest)) = read(&image(&[layer])) else { panic!() };
        assert_eq!(manifest.layers[0].unpacked_bytes, expected);
    }
}

#[test]
fn a_layer_that_is_there_twice_is_moved_once() {
    let layer = descriptor("application/vnd.oci.image.layer.v1.tar", 2, 9);
    let Ok(Document::Image(manifest)) = read(&image(&[layer.clone(), layer])) else { panic!() };
    assert_eq!((manifest.layers.len(), manifest.size_bytes()), (2, 709));
}

#[test]
fn a_manifest_without_a_media_type_is_known_by_its_shape() {
    let mut value = image(&[]);
    value.as_object_mut().unwrap().remove("mediaType");
    assert!(matches!(read(&value), Ok(Document::Image(_))));
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": [] });
    assert!(matches!(read(&index), Ok(Document::Index(_))));
}

#[test]
fn attestations_and_foreign_artifacts_are_no_offers() {
    let offer = |os: &str, architecture: &str, media_type: &str| {
        let mut entry = descriptor(media_type, 3, 9);
        entry["platform"] = serde_json::json!({ "os": os, "architecture": architecture });
        entry
    };
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": [
        offer("linux", "arm64", OCI), offer("unknown", "unknown", OCI), offer("linux", "amd64", "application/x"),
        offer("li nux", "amd64", OCI), descriptor(OCI, 4, 9),
    ]});
    let Ok(Document::Index(index)) = read(&index) else { panic!() };
    assert_eq!(index.entries.len(), 2);
    assert_eq!(index.platforms().len(), 1);
}

#[test]
fn attestations_are_known_by_what_they_are_about() {
    let entry = |kind: &str, about: &str| {
        let mut entry = descriptor(OCI, 4, 9);
        entry["platform"] = serde_json::json!({ "os": "unknown", "architecture": "unknown" });
        entry["annotations"] =
            serde_json::json!({ "vnd.docker.reference.type": kind, "vnd.docker.reference.digest": about });
        entry
    };
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": [
        descriptor(OCI, 3, 9), entry("attestation-manifest", &digest(3)), entry("other", &digest(3)),
        entry("attestation-manifest", "sha256:x"),
    ]});
    let Ok(Document::Index(index)) = read(&index) else { panic!() };
    assert_eq!(index.entries.len(), 1);
    let [(about, manifest)] = &index.attestations[..] else { panic!("{index:?}") };
    assert_eq!((about.to_string(), manifest.digest.to_string()), (digest(3), digest(4)));
}

#[test]
fn a_document_that_is_two_things_at_once_is_refused() {
    let mut both = image(&[]);
    both["manifests"] = serde_json::json!([]);
    assert_eq!(refusal(&both), "the manifest is an index and an image at once");
    let mut lying = image(&[]);
    lying["mediaType"] = "application/vnd.oci.image.index.v1+json".into();
    assert_eq!(refusal(&lying), "the manifest is not what its `mediaType` says");
    let text = image(&[]).to_string();
    let told =
        Document::read(text.as_bytes(), Some("application/vnd.docker.distribution.manifest.list.v2+json"));
    assert_eq!(told.unwrap_err().to_string(), "the manifest is not what its media type says");
    assert!(Document::read(text.as_bytes(), Some("application/json; charset=utf-8")).is_ok());
}

#[test]
fn what_is_no_image_is_called_by_its_name() {
    let schema1 = serde_json::json!({ "schemaVersion": 1, "name": "x", "fsLayers": [] });
    assert!(refusal(&schema1).contains("schema 1"));
    let mut chart = image(&[]);
    chart["config"] = descriptor("application/vnd.cncf.helm.config.v1+json", 1, 9);
    assert_eq!(refusal(&chart), "it holds application/vnd.cncf.helm.config.v1+json");
    let odd = image(&[descriptor("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", 2, 9)]);
    assert!(refusal(&odd).contains("+encrypted"));
    assert!(refusal(&serde_json::json!({ "schemaVersion": 2 })).contains("no configuration and no layers"));
}

#[test]
fn counts_and_sizes_are_limited() {
    let many: Vec<_> = (0..10_000).map(|_| descriptor(OCI, 5, 9)).collect();
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": many });
    assert_eq!(refusal(&index), "its index has 10000 entries, the limit is 1000");
    let layer = descriptor("application/vnd.oci.image.layer.v1.tar", 2, 9);
    assert_eq!(refusal(&image(&vec![layer; 513])), "it has 513 layers, the limit is 512");
    let mut config = image(&[]);
    config["config"] = descriptor(CONFIG, 1, 9 << 20);
    assert!(matches!(read(&config), Err(Fault::TooLarge { what: "the configuration", .. })));
    let half = descriptor("application/vnd.oci.image.layer.v1.tar", 2, u64::MAX);
    let other = descriptor("application/vnd.oci.image.layer.v1.tar", 3, u64::MAX);
    assert!(matches!(read(&image(&[half, other])), Err(Fault::TooLarge { what: "the image", .. })));
}

#[test]
fn damaged_descriptors_are_refused() {
    let layer = |change: fn(&mut serde_json::Value)| {
        let mut layer = descriptor("application/vnd.oci.image.layer.v1.tar", 2, 9);
        change(&mut layer);
        image(&[layer])
    };
    for value in [
        layer(|layer| layer["digest"] = "sha256:abc".into()),
        layer(|layer| layer["digest"] = "../../etc/passwd".into()),
        layer(|layer| layer["size"] = (-1).into()),
        layer(|layer| layer["size"] = 1.5.into()),
    ] {
        assert!(matches!(read(&value), Err(Fault::Malformed(_))), "{value}");
    }
    let nested = "[".repeat(100_000);
    assert!(Document::read(nested.as_bytes(), None).is_err());
    assert!(Document::read(b"<html>", None).is_err());
}
