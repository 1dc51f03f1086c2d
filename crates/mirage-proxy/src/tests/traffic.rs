use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use mirage_core::port::Router;
use mirage_core::{ProcessTraffic, TrafficCounts, TrafficMark};

use super::bed::{Bed, Client, HOST, Instance, empty, full, nowhere, route};

fn counts(traffic: &[ProcessTraffic]) -> Vec<TrafficCounts> {
    traffic.iter().flat_map(|process| &process.services).map(|service| service.counts).collect()
}

fn mark(process: &ProcessTraffic) -> TrafficMark {
    TrafficMark { process: process.process, mark: process.mark }
}

#[tokio::test]
async fn what_a_service_is_asked_and_answers_is_counted() {
    let bed = Bed::start().await;
    let web = Instance::answering(|request| async move {
        let status = request.uri().path()[1..].parse().unwrap();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Response::builder().status::<StatusCode>(status).body(full(format!("got {}", body.len()))).unwrap()
    })
    .await;
    bed.deploy(1, std::slice::from_ref(&web.backend)).await;
    let before = bed.handle.traffic(&[]).await.unwrap();
    assert!(counts(&before).is_empty(), "nothing was asked yet: {before:?}");

    let mut client = bed.connect().await;
    for status in [200, 201, 302, 404, 500, 503] {
        let ask = Request::post(format!("/{status}")).header("host", HOST).body(full("12345")).unwrap();
        assert_eq!(client.send(ask).await.status.as_u16(), status);
    }
    bed.get("nobody.localhost", "/").await;
    let after = bed.handle.traffic(&[]).await.unwrap();
    let [counted] = counts(&after)[..] else { panic!("{after:?}") };
    assert_eq!(counted.classes, [0, 2, 1, 1, 2]);
    assert_eq!(counted.proxy_errors, [0, 0, 0], "the 503 was the service's own");
    assert_eq!((counted.bytes_in, counted.bytes_out), (6 * 5, 6 * 5));
    assert_eq!(counted.latency.buckets.iter().sum::<u64>(), 6);
    assert_eq!((after[0].unrouted, after[0].process), (1, before[0].process));
}

#[tokio::test]
async fn what_the_proxy_answers_itself_is_told_apart() {
    let bed = Bed::start().await;
    bed.deploy(1, &[]).await;
    assert_eq!(bed.get(HOST, "/").await.status, StatusCode::SERVICE_UNAVAILABLE);
    bed.deploy(2, &[nowhere().await]).await;
    assert_eq!(bed.get(HOST, "/").await.status, StatusCode::BAD_GATEWAY);
    let [counted] = counts(&bed.handle.traffic(&[]).await.unwrap())[..] else { panic!("one service") };
    assert_eq!((counted.classes[4], counted.proxy_errors), (2, [1, 1, 0]), "counted over both tables");
}

#[tokio::test]
async fn who_has_read_before_hears_only_of_what_changed() {
    let bed = Bed::start().await;
    let web = Instance::saying("fine").await;
    bed.deploy(1, std::slice::from_ref(&web.backend)).await;
    bed.get(HOST, "/").await;
    let first = bed.handle.traffic(&[]).await.unwrap();
    let quiet = bed.handle.traffic(&[mark(&first[0])]).await.unwrap();
    assert!(quiet[0].services.is_empty(), "{quiet:?}");
    bed.get(HOST, "/").await;
    let second = bed.handle.traffic(&[mark(&quiet[0])]).await.unwrap();
    assert_eq!(counts(&second)[0].requests(), 2);
    assert_eq!(
        counts(&bed.handle.traffic(&[]).await.unwrap()),
        counts(&second),
        "a newcomer hears everything"
    );
}

#[tokio::test]
async fn a_successor_counts_from_nothing_and_its_predecessor_is_still_heard() {
    let old = Bed::start().await;
    let web = Instance::saying("fine").await;
    old.deploy(1, std::slice::from_ref(&web.backend)).await;
    let mut kept = Client::connect(old.address).await;
    kept.get("/").await;
    let before = old.handle.traffic(&[]).await.unwrap();
    let new = old.start_successor().await;
    new.get(HOST, "/").await;
    new.get(HOST, "/").await;
    let ask = Request::get("/").header("host", HOST).body(empty()).unwrap();
    // Held open until it is asked once more, so that the old process is still there.
    let traffic = new.handle.traffic(&[]).await.unwrap();
    assert_eq!(traffic.len(), 2);
    assert_eq!(traffic[0].process, before[0].process);
    assert_ne!(traffic[0].process, traffic[1].process);
    // Which of the two took a connection in the moment of the change is a matter of luck.
    assert_eq!(counts(&traffic).iter().map(TrafficCounts::requests).sum::<u64>(), 3);
    kept.send(ask).await;
    old.ended().await.unwrap();
    let alone = new.handle.traffic(&[]).await.unwrap();
    assert_eq!(alone.iter().map(|it| it.process).collect::<Vec<_>>(), [traffic[1].process]);
}

#[tokio::test]
async fn two_hosts_of_one_service_are_counted_together() {
    let bed = Bed::start().await;
    let web = Instance::saying("fine").await;
    let routes =
        ["a.example", "b.example"].map(|host| route(host, "web", std::slice::from_ref(&web.backend)));
    let table = mirage_core::RouteTable { generation: 1, routes: routes.into(), zones: Vec::new() };
    bed.handle.publish(&table).await.unwrap();
    bed.get("a.example", "/").await;
    bed.get("b.example", "/").await;
    assert_eq!(counts(&bed.handle.traffic(&[]).await.unwrap())[0].requests(), 2);
}
