use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use http::{Request, StatusCode};
use mirage_core::port::Router;
use mirage_core::{Backend, RouteTable};

use super::bed::{
    Bed, HOST, Instance, PATIENCE, backend, empty, full, nowhere, read_head, route, table, until,
};

#[tokio::test]
async fn before_the_first_deploy_every_host_is_unknown() {
    let bed = Bed::start().await;
    let answer = bed.get("shop.example", "/").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.text(), "No such service: No service answers at shop.example\n");
}

#[tokio::test]
async fn a_deployed_service_answers_at_its_host_however_it_is_written() {
    let bed = Bed::start().await;
    let web = Instance::saying("hello").await;
    bed.deploy(1, std::slice::from_ref(&web.backend)).await;
    for host in [HOST.to_owned(), format!("{HOST}:8080"), HOST.to_uppercase(), format!("{HOST}.:80")] {
        let answer = bed.get(&host, "/").await;
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, "hello"), "{host}");
    }
    assert_eq!(bed.get("other.localhost", "/").await.status, StatusCode::NOT_FOUND);
    assert_eq!(bed.get(&format!("x.{HOST}"), "/").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn browsers_get_a_page_and_programs_a_problem() {
    let bed = Bed::start().await;
    let mut client = bed.connect().await;
    let ask = |accept: &str| {
        Request::get("/").header("host", "a&b").header("accept", accept).body(empty()).unwrap()
    };
    let html = client.send(ask("text/html,*/*")).await;
    assert_eq!(html.status, StatusCode::BAD_REQUEST);
    assert!(html.text().contains("<h1>Bad request</h1>"));
    let mut client = bed.connect().await;
    let json = client.send(ask("application/json")).await;
    assert_eq!(json.headers["content-type"], "application/problem+json");
}

#[tokio::test]
async fn requests_are_spread_over_all_backends() {
    let bed = Bed::start().await;
    let instances = [Instance::saying("a").await, Instance::saying("b").await, Instance::saying("c").await];
    bed.deploy(1, &instances.each_ref().map(|instance| instance.backend.clone())).await;
    let mut client = bed.connect().await;
    let mut answers = Vec::new();
    for _ in 0..9 {
        answers.push(client.get("/").await.text().to_owned());
    }
    for text in ["a", "b", "c"] {
        assert_eq!(answers.iter().filter(|answer| *answer == text).count(), 3, "{answers:?}");
    }
}

#[tokio::test]
async fn a_busy_backend_is_spared() {
    let bed = Bed::start_with(|config| config.workers = Some(1)).await;
    let entered = Arc::new(AtomicUsize::new(0));
    let count = entered.clone();
    let slow = Instance::answering(move |_| {
        count.fetch_add(1, SeqCst);
        std::future::pending()
    })
    .await;
    let quick = Instance::saying("quick").await;
    bed.deploy(1, &[slow.backend.clone(), quick.backend.clone()]).await;
    let mut stuck = bed.connect().await;
    let stuck = tokio::spawn(async move {
        // The first or the second request meets the slow one.
        stuck.get("/").await;
        stuck.get("/").await;
    });
    until(|| entered.load(SeqCst) == 1).await;
    for _ in 0..10 {
        assert_eq!(bed.get(HOST, "/").await.text(), "quick");
    }
    stuck.abort();
}

#[tokio::test]
async fn a_service_without_instances_is_not_ready_yet() {
    let bed = Bed::start().await;
    bed.deploy(1, &[]).await;
    let answer = bed.get(HOST, "/").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers["retry-after"], "5");
    assert!(answer.text().contains("The service web has no instance"), "{}", answer.text());
}

#[tokio::test]
async fn a_backend_that_refuses_connections_is_passed_over() {
    let bed = Bed::start().await;
    let web = Instance::saying("here").await;
    bed.deploy(1, &[nowhere().await, web.backend.clone()]).await;
    for _ in 0..6 {
        let request = Request::post("/").header("host", HOST).body(full("work")).unwrap();
        assert_eq!(bed.connect().await.send(request).await.text(), "here");
    }
    bed.deploy(2, &[nowhere().await]).await;
    let answer = bed.get(HOST, "/").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert!(!answer.text().contains("127.0.0.1"), "{}", answer.text());
}

#[tokio::test]
async fn a_backend_that_breaks_off_or_talks_nonsense_is_a_bad_gateway() {
    let bed = Bed::start().await;
    for nonsense in ["", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"] {
        let instance = Instance::raw(move |mut stream| async move {
            read_head(&mut stream).await;
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, nonsense.as_bytes()).await;
        })
        .await;
        bed.deploy(1, std::slice::from_ref(&instance.backend)).await;
        assert_eq!(bed.get(HOST, "/").await.status, StatusCode::BAD_GATEWAY, "{nonsense}");
        assert_eq!(instance.accepted(), 1, "a request that was sent is not repeated");
    }
}

#[tokio::test]
async fn a_backend_that_does_not_answer_is_given_up() {
    let bed =
        Bed::start_with(|config| config.limits.response_time = std::time::Duration::from_millis(100)).await;
    let silent = Instance::answering(|_| std::future::pending()).await;
    bed.deploy(1, std::slice::from_ref(&silent.backend)).await;
    let answer = bed.get(HOST, "/").await;
    assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(answer.text(), "Service too slow: The service web did not answer in time\n");
}

#[tokio::test]
async fn replacing_backends_under_load_loses_no_request() {
    let bed = Bed::start().await;
    let mut instances = vec![Instance::saying("1").await];
    bed.deploy(1, std::slice::from_ref(&instances[0].backend)).await;
    let stop = Arc::new(AtomicBool::new(false));
    let address = bed.address;
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let stop = stop.clone();
            tokio::spawn(async move {
                let mut client = super::bed::Client::connect(address).await;
                let mut answered = 0;
                while !stop.load(SeqCst) {
                    let answer = client.get("/").await;
                    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    for generation in 2..12 {
        let next = Instance::saying("n").await;
        bed.deploy(generation, std::slice::from_ref(&next.backend)).await;
        let old = instances.pop().unwrap();
        assert_eq!(bed.handle.drain(old.backend.instance, super::bed::PATIENCE).await.unwrap(), 0);
        drop(old);
        instances.push(next);
    }
    stop.store(true, SeqCst);
    for client in clients {
        assert!(client.await.unwrap() > 0);
    }
}

#[tokio::test]
async fn when_publish_has_answered_no_request_follows_the_old_table() {
    let bed = Bed::start().await;
    let (old, new) = (Instance::saying("old").await, Instance::saying("new").await);
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(bed.connect().await);
    }
    for round in 0..20 {
        let instance = if round % 2 == 0 { &old } else { &new };
        bed.deploy(round + 1, std::slice::from_ref(&instance.backend)).await;
        let expected = if round % 2 == 0 { "old" } else { "new" };
        let mut answers = BTreeSet::new();
        for client in &mut clients {
            answers.insert(client.get("/").await.text().to_owned());
        }
        assert_eq!(answers, BTreeSet::from([expected.to_owned()]));
    }
}

#[tokio::test]
async fn a_thousand_hosts_are_told_apart() {
    let bed = Bed::start().await;
    let (a, b) = (Instance::saying("a").await, Instance::saying("b").await);
    let routes = (0..1000)
        .map(|number| {
            let backend = if number == 617 { &b.backend } else { &a.backend };
            route(&format!("s{number}.localhost"), "s", std::slice::from_ref(backend))
        })
        .collect();
    bed.handle.publish(&RouteTable { generation: 1, routes, zones: Vec::new() }).await.unwrap();
    assert_eq!(bed.get("s617.localhost", "/").await.text(), "b");
    assert_eq!(bed.get("s999.localhost", "/").await.text(), "a");
    assert_eq!(bed.get("s1000.localhost", "/").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn requests_wait_for_the_next_instance_where_they_are_held() {
    let bed = Bed::start().await;
    let web = Instance::saying("fine").await;
    let held = |generation, backends: &[Backend]| {
        let mut table = table(generation, backends);
        table.routes[0].hold_millis = 60_000;
        table
    };
    bed.handle.publish(&held(1, &[])).await.unwrap();
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let mut client = bed.connect().await;
        let request = Request::get("/").header("host", HOST).body(empty()).unwrap();
        waiting.push(tokio::spawn(async move { client.send(request).await }));
    }
    let open = async || bed.handle.status().await.unwrap().connections;
    while open().await < 20 {
        tokio::task::yield_now().await;
    }
    bed.handle.publish(&held(2, &[])).await.unwrap();
    assert!(waiting.iter().all(|one| !one.is_finished()));
    bed.handle.publish(&held(3, std::slice::from_ref(&web.backend))).await.unwrap();
    for one in waiting {
        assert_eq!(one.await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn a_request_is_held_no_longer_than_the_table_says() {
    let bed = Bed::start().await;
    let mut table = table(1, &[]);
    table.routes[0].hold_millis = 20;
    bed.handle.publish(&table).await.unwrap();
    assert_eq!(bed.get(HOST, "/").await.status, 503);
    bed.handle.publish(&RouteTable { generation: 2, ..RouteTable::default() }).await.unwrap();
    assert_eq!(bed.get(HOST, "/").await.status, 404);
}

/// A listener that takes no connection and refuses none, and what keeps it so.
fn deaf() -> (Backend, impl Sized) {
    // A queue of connections that is full answers nothing.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    nix::sys::socket::listen(&deaf, nix::sys::socket::Backlog::new(0).unwrap()).unwrap();
    let address = deaf.local_addr().unwrap();
    let queued = std::net::TcpStream::connect(address).unwrap();
    (backend(address), (deaf, queued))
}
#[tokio::test]
async fn a_request_leaves_an_instance_that_does_not_even_refuse_as_soon_as_another_has_its_place() {
    let bed = Bed::start_with(|config| config.limits.connect_time = PATIENCE * 10).await;
    let (old, _deaf) = deaf();
    bed.deploy(1, &[old]).await;
    let mut client = bed.connect().await;
    let asking = tokio::spawn(async move {
        client.send(Request::get("/").header("host", HOST).body(empty()).unwrap()).await
    });
    while bed.handle.status().await.unwrap().open.requests == 0 {
        tokio::task::yield_now().await;
    }
    let next = Instance::saying("next").await;
    bed.deploy(2, std::slice::from_ref(&next.backend)).await;
    assert_eq!(asking.await.unwrap().text(), "next");
}

#[tokio::test]
async fn a_request_that_was_on_its_way_to_an_instance_that_goes_waits_for_the_next_where_it_is_held() {
    let bed = Bed::start_with(|config| config.limits.connect_time = PATIENCE * 10).await;
    let (old, _deaf) = deaf();
    let held = |generation, backends: &[Backend]| {
        let mut table = table(generation, backends);
        table.routes[0].hold_millis = 60_000;
        table
    };
    bed.handle.publish(&held(1, std::slice::from_ref(&old))).await.unwrap();
    let mut client = bed.connect().await;
    let asking = tokio::spawn(async move {
        client.send(Request::post("/").header("host", HOST).body(full("work")).unwrap()).await
    });
    let call = Request::post(super::protocols::target("/pkg.Service/Call"))
        .header("content-type", "application/grpc")
        .body(full("work"))
        .unwrap();
    let mut caller = super::protocols::http2_client(&bed).await;
    let calling = tokio::spawn(async move { caller.send_request(call).await.unwrap() });
    while bed.handle.status().await.unwrap().open.requests < 2 {
        tokio::task::yield_now().await;
    }
    bed.handle.publish(&held(2, &[])).await.unwrap();
    assert_eq!(bed.handle.drain(old.instance, PATIENCE).await.unwrap(), 0, "nobody is there any more");
    assert!(!asking.is_finished() && !calling.is_finished());
    let next = Instance::saying("next").await;
    bed.handle.publish(&held(3, std::slice::from_ref(&next.backend))).await.unwrap();
    assert_eq!(asking.await.unwrap().text(), "next");
    assert_eq!(calling.await.unwrap().status(), StatusCode::OK);
}
