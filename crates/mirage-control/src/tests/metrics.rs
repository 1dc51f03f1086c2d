//! What is known of a service that runs and is asked.

use mirage_core::{ProcessTraffic, ProxyProcess, ServiceId, ServiceTraffic, TrafficCounts};

use super::*;
use crate::{MetricQuery, MetricSeries};

fn counted(service: ServiceId, ok: u64) -> Vec<ProcessTraffic> {
    let counts = TrafficCounts { classes: [0, ok, 0, 0, 0], ..TrafficCounts::default() };
    let services = vec![ServiceTraffic { service, counts }];
    vec![ProcessTraffic {
        process: ProxyProcess { pid: 1, nonce: 1 },
        mark: 1,
        connections: 3,
        unrouted: 0,
        services,
    }]
}

async fn running(stage: &Stage) -> ServiceId {
    stage.world.publish_image("docker.io/acme/web:1", 1, Behaviour::Serves);
    let deployment = stage.create("acme/web:1").await;
    stage.ended(deployment.id).await.service
}

fn requests(series: &MetricSeries) -> u64 {
    series.points.iter().map(|point| point.figures.traffic.requests()).sum()
}

async fn metrics(stage: &Stage, step: Option<u32>) -> MetricSeries {
    let query = MetricQuery { step_seconds: step, ..MetricQuery::default() };
    stage.control.metrics(&stage.actor, &web(), &query).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_a_service_does_is_seen_within_seconds_and_kept_by_the_minute() {
    let stage = Stage::new().await;
    *stage.world.traffic.lock().unwrap() = counted(ServiceId::from_random([0; 16]), 0);
    let service = running(&stage).await;
    let second = Duration::from_secs(1);
    stage.time.pass(Duration::from_secs(60), second).await;
    stage.world.cpu_micros.store(3_000_000, Ordering::SeqCst);
    *stage.world.traffic.lock().unwrap() = counted(service, 40);
    stage.time.pass(Duration::from_secs(30), second).await;

    let fine = metrics(&stage, Some(10)).await;
    assert_eq!(requests(&fine), 40, "{fine:?}");
    let used: u64 = fine.points.iter().map(|point| point.figures.cpu_micros).sum();
    assert_eq!(used, 3_000_000);
    assert!(fine.points.iter().all(|point| point.figures.memory_bytes == 10 << 20), "{fine:?}");
    assert_eq!(fine.points.last().unwrap().seconds, 10);

    *stage.world.traffic.lock().unwrap() = counted(service, 45);
    stage.time.pass(Duration::from_secs(240), second).await;
    for step in [10, 60, 300] {
        let series = metrics(&stage, Some(step)).await;
        assert_eq!(requests(&series), 45, "{step}: {series:?}");
        assert!(series.points.iter().all(|point| point.seconds <= step.max(60)), "{series:?}");
    }
    let stored = stage.store.metrics(service, 0, i64::MAX).await.unwrap();
    assert!((4..=6).contains(&stored.len()), "{stored:?}");

    let unknown = ServiceId::from_random([9; 16]);
    let usage = stage.control.usage(&stage.actor, &[service, unknown]).await.unwrap();
    assert_eq!((usage.len(), usage[&service].memory_bytes), (1, 10 << 20));

    let totals = stage.control.platform_metrics(&stage.actor).await.unwrap();
    let [web] = &totals.services[..] else { panic!("{totals:?}") };
    assert_eq!((web.service.name.as_str(), web.instances), ("web", 1));
    assert_eq!((web.totals.traffic.requests(), web.totals.memory_bytes), (45, 10 << 20));
    assert_eq!((totals.connections, totals.proxies), (3, 1));
    assert_eq!(totals.deployments, [(Phase::Active, 1)]);
    assert!(totals.rounds > 0 && totals.events > 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_counted_before_a_control_process_started_is_not_counted_again() {
    let mut stage = Stage::new().await;
    let service = running(&stage).await;
    stage.world.cpu_micros.store(9_000_000, Ordering::SeqCst);
    *stage.world.traffic.lock().unwrap() = counted(service, 1_000);
    stage.restart_control().await;
    stage.time.pass(Duration::from_secs(30), Duration::from_secs(1)).await;
    *stage.world.traffic.lock().unwrap() = counted(service, 1_002);
    stage.time.pass(Duration::from_secs(30), Duration::from_secs(1)).await;
    let series = metrics(&stage, Some(10)).await;
    assert_eq!(requests(&series), 2);
    assert!(series.points.iter().all(|point| point.figures.cpu_micros == 0), "{series:?}");
}

#[tokio::test(start_paused = true)]
async fn an_idle_platform_writes_nothing() {
    let stage = Stage::new().await;
    stage.time.pass(Duration::from_secs(200), Duration::from_secs(1)).await;
    assert_eq!(stage.control.platform_metrics(&stage.actor).await.unwrap().services.len(), 0);
    assert_eq!(stage.store.newest_event().await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_question_without_sense_is_refused_with_the_field() {
    let stage = Stage::new().await;
    running(&stage).await;
    let now = stage.clock.now();
    let hour = jiff::SignedDuration::from_hours(1);
    for (query, field) in [
        (MetricQuery { since: Some(now), until: Some(now), ..MetricQuery::default() }, "since"),
        (MetricQuery { step_seconds: Some(9), ..MetricQuery::default() }, "step"),
        (
            MetricQuery {
                since: Some(now - hour * 24 * 7),
                step_seconds: Some(60),
                ..MetricQuery::default()
            },
            "step",
        ),
    ] {
        let error = stage.control.metrics(&stage.actor, &web(), &query).await.unwrap_err();
        assert_eq!((error.code(), error.at_field()), (Code::InvalidRequest, Some(field)));
    }
    let week = MetricQuery { since: Some(now - hour * 24 * 7), ..MetricQuery::default() };
    assert_eq!(stage.control.metrics(&stage.actor, &web(), &week).await.unwrap().step_seconds, 10_800);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_behind_costs_nothing_until_it_has_been_so_for_half_an_hour() {
    let stage = Stage::new().await;
    *stage.world.traffic.lock().unwrap() = counted(ServiceId::from_random([0; 16]), 0);
    let service = running(&stage).await;
    let pass = async |minutes: u64| {
        stage.time.pass(Duration::from_secs(minutes * 60), Duration::from_secs(2)).await;
    };
    let kept_since = async |time: i64| stage.store.metrics(service, time, i64::MAX).await.unwrap().len();
    pass(4).await;
    let start = stage.clock.now().as_second() - 300;
    let kept = kept_since(start).await;
    assert!(kept >= 2, "{kept}");
    stage.clock.set_back(Duration::from_secs(86_400));
    pass(20).await;
    assert!(kept_since(start).await >= kept, "it may be wrong");
    pass(16).await;
    assert_eq!(kept_since(start).await, 0, "nothing would follow them for a day");
    assert!(kept_since(0).await >= 30);
}
