use axum::response::IntoResponse;

use super::{Machine, large_layer};
use crate::client::Mirror;
use crate::client::script::{Script, Shelf, TestImage, broken_off, sha256};

/// A registry and a mirror of it that hands out manifests and configuration as it should, and the layer as
/// `odd` says.
async fn serve(
    image: &TestImage,
    odd: impl Fn(&bytes::Bytes) -> axum::response::Response + Send + Sync + 'static,
) -> (Script, Script, Machine) {
    let mut shelf = Shelf::default();
    shelf.image(Some("1"), image);
    let (honest, layer) = (shelf.clone(), bytes::Bytes::from(image.layers[0].clone()));
    let origin = Script::start(move |seen| honest.answer(seen)).await;
    let mirror = Script::start(move |seen| match seen.is_blob(&sha256(&layer)) {
        true => odd(&layer),
        false => shelf.answer(seen),
    })
    .await;
    let place = Mirror { of: origin.host.clone(), host: mirror.host.clone(), prefix: None };
    let machine = Machine::with_mirrors(vec![place]);
    (origin, mirror, machine)
}

#[tokio::test]
async fn a_layer_that_breaks_off_at_a_mirror_goes_on_at_the_registry_where_it_was() {
    let image = TestImage::new("amd64", vec![large_layer(1, 300_000)]);
    let (origin, _mirror, machine) = serve(&image, |layer| broken_off(layer, 100_000)).await;
    let resolved = machine.resolve(&origin.reference("acme/web:1")).await;
    machine.pull(&resolved).await.unwrap();
    assert_eq!(machine.read(&resolved, "large-1").await.unwrap().len(), 300_000);
    assert_eq!(origin.asked(), [format!("GET blobs/{}", sha256(&image.layers[0]))]);
    assert_eq!(origin.requests()[0].header("range"), Some("bytes=100000-"));
}

#[tokio::test]
async fn wrong_bytes_of_a_mirror_are_fetched_from_the_registry_and_the_mirror_is_left_alone() {
    let image = TestImage::new("amd64", vec![large_layer(1, 300_000)]);
    let lie = |layer: &bytes::Bytes| vec![b'x'; layer.len()].into_response();
    let (origin, mirror, machine) = serve(&image, lie).await;
    let resolved = machine.resolve(&origin.reference("acme/web:1")).await;
    machine.pull(&resolved).await.unwrap();
    assert_eq!(machine.read(&resolved, "large-1").await.unwrap().len(), 300_000);
    let wanted = sha256(&image.layers[0]);
    for registry in [&origin, &mirror] {
        assert_eq!(registry.requests().iter().filter(|seen| seen.is_blob(&wanted)).count(), 1);
    }
    assert_eq!(machine.unfinished(), [""; 0].map(std::path::PathBuf::from));
}
