use mirage_core::port::Registry;
use mirage_core::{Code, Platform, Reference};

use crate::client::script::{DebianRegistry, TestImage, client, clock, options, push, sha256};
use crate::client::{Authority, RegistryClient, RegistryOptions};

fn amd64() -> Platform {
    "linux/amd64".parse().unwrap()
}

#[tokio::test]
async fn an_image_that_skopeo_pushed_is_resolved_in_both_formats() {
    let Some(registry) = DebianRegistry::start("an_image_that_skopeo_pushed_is_resolved_in_both_formats")
    else {
        return;
    };
    let image = TestImage::new("amd64", vec![empty_layer()]);
    for (format, tag) in [("oci", "acme/deep/web:oci"), ("v2s2", "acme/deep/web:docker")] {
        let reference = registry.reference(tag);
        push(&image, &reference, &["--format", format]);
        let resolved = client().resolve(&reference, &amd64(), None).await.unwrap();
        assert_eq!((resolved.layers, resolved.config.ports.len()), (1, 2), "{format}");
        assert_eq!(resolved.digest, resolved.manifest);
        let pinned = reference.pinned(resolved.digest.clone());
        assert_eq!(client().resolve(&pinned, &amd64(), None).await.unwrap().manifest, resolved.manifest);
    }
    for (rest, code) in [("acme/deep/web:none", Code::ImageNotFound), ("acme/nothing:1", Code::ImageNotFound)]
    {
        assert_eq!(
            client().resolve(&registry.reference(rest), &amd64(), None).await.unwrap_err().code(),
            code
        );
    }
    let absent = registry.reference("acme/deep/web").pinned(sha256(b"absent"));
    assert_eq!(client().resolve(&absent, &amd64(), None).await.unwrap_err().code(), Code::ImageNotFound);
}

#[tokio::test]
async fn a_registry_with_an_authority_of_its_own_is_trusted_when_that_is_named() {
    let test = "a_registry_with_an_authority_of_its_own_is_trusted_when_that_is_named";
    let Some(registry) = DebianRegistry::start_with_tls(test) else { return };
    let reference = registry.reference("acme/web:1");
    push(&TestImage::new("amd64", vec![empty_layer()]), &reference, &[]);
    let trusting = |host: Option<&Reference>| {
        let authority =
            Authority { host: host.map(|reference| reference.host().clone()), file: registry.authority() };
        RegistryClient::new(
            RegistryOptions { authorities: vec![authority], ..options() },
            7,
            clock(),
            None,
            None,
        )
        .unwrap()
    };
    trusting(Some(&reference)).resolve(&reference, &amd64(), None).await.unwrap();

    // For other registries that authority does not count; 0.0.0.0 reaches the same server.
    let port = registry.host.as_str().rsplit(':').next().unwrap();
    let other: Reference = format!("0.0.0.0:{port}/acme/web:1").parse().unwrap();
    let error = trusting(Some(&reference)).resolve(&other, &amd64(), None).await.unwrap_err();
    assert_eq!(error.code(), Code::RegistryTlsError);
    assert!(error.message().contains("does not trust") || error.message().contains("no list"), "{error:?}");
    let error = trusting(None).resolve(&other, &amd64(), None).await.unwrap_err();
    assert!(error.message().ends_with("its certificate is for another name"), "{error:?}");

    // Nothing in the configuration speaks of it: it is loopback, so plain HTTP, which a TLS server refuses.
    let error = client().resolve(&reference, &amd64(), None).await.unwrap_err();
    assert_eq!(error.code(), Code::RegistryUnreachable, "{error:?}");
}

#[test]
fn a_file_that_holds_no_authority_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let (empty, damaged) = (folder.path().join("empty.pem"), folder.path().join("damaged.pem"));
    std::fs::write(&empty, "nothing here").unwrap();
    std::fs::write(&damaged, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    for (file, words) in [
        (empty, "holds no certificate"),
        (damaged, "holds a damaged certificate"),
        (folder.path().join("absent.pem"), "cannot be read"),
    ] {
        let authorities = vec![Authority { host: None, file }];
        let refused =
            RegistryClient::new(RegistryOptions { authorities, ..options() }, 7, clock(), None, None);
        let error = refused.err().unwrap();
        assert!(error.message().contains(words), "{error:?}");
    }
}

/// Two blocks of zeros: an archive without entries.
fn empty_layer() -> Vec<u8> {
    vec![0; 1024]
}
