//! A week of a platform, minute by minute, in a real file.

use mirage_core::{EnvironmentId, Figures, MetricPoint, ServiceId, TrafficCounts};

use super::{Level, METRICS_BYTES_MAX, Sample};
use crate::Store;

/// 2026-09-21, 14:00 UTC, which is no beginning of six hours.
const START: i64 = 1_790_000_000 / 3_600 * 3_600;
const WEEK: i64 = 7 * 86_400;

async fn services(store: &Store, count: u8) -> Vec<ServiceId> {
    let environment: EnvironmentId = crate::tests::environment(store).await;
    let mut tx = store.begin().await.unwrap();
    let mut ids = Vec::new();
    for n in 0..count {
        let service = crate::tests::service(environment, n, &format!("s{n}"));
        tx.insert_service(&service).await.unwrap();
        ids.push(service.id);
    }
    tx.commit().await.unwrap();
    ids
}

/// A minute of a service that somebody uses: some fifty bytes.
fn busy(n: i64) -> Sample {
    let mut traffic = TrafficCounts {
        classes: [0, 600 + n as u64, 3, 20, 1],
        bytes_in: 40_000,
        bytes_out: 9_000_000,
        ..TrafficCounts::default()
    };
    for bucket in 0..9 {
        traffic.latency.buckets[bucket] = 70;
    }
    traffic.latency.sum_micros = 3_000_000;
    let figures = Figures {
        cpu_micros: 2_000_000,
        memory_bytes: 90 << 20,
        received_bytes: 50_000,
        sent_bytes: 9_100_000,
        traffic,
    };
    Sample { seconds: 60, figures }
}

fn requests(points: &[MetricPoint]) -> u64 {
    points.iter().map(|point| point.figures.traffic.requests()).sum()
}

async fn add(store: &Store, minute: i64, points: &[(ServiceId, Sample)], bytes_max: u64) {
    let mut tx = store.begin().await.unwrap();
    tx.add_minute_within(minute, points, bytes_max).await.unwrap();
    tx.commit().await.unwrap();
}

async fn ticks(store: &Store, level: Level) -> Vec<i64> {
    let mut tx = store.begin().await.unwrap();
    tx.ticks(level, i64::MIN, i64::MAX).await.unwrap()
}

#[tokio::test]
async fn a_week_of_many_services_stays_within_its_bytes() {
    // Twenty services within a fiftieth of the room: as a thousand within all of it.
    const SCALE: u64 = 50;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mirage.db");
    let store = Store::open(&file, jiff::Timestamp::UNIX_EPOCH).await.unwrap();
    let ids = services(&store, 20).await;
    let size = async |store: &Store| {
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&store.reader).await.ok();
        std::fs::metadata(&file).unwrap().len()
    };
    let empty = size(&store).await;
    let mut largest = 0;
    for hour in 0..(WEEK + 21_600) / 3_600 {
        // An hour a transaction: what each costs is not the question here.
        let mut tx = store.begin().await.unwrap();
        for minute in hour * 60..hour * 60 + 60 {
            let points: Vec<_> = ids.iter().map(|id| (*id, busy(minute % 7))).collect();
            let time = START + minute * 60;
            tx.add_minute_within(time, &points, METRICS_BYTES_MAX / SCALE).await.unwrap();
        }
        tx.commit().await.unwrap();
        largest = largest.max(size(&store).await - empty);
    }
    assert!(largest <= METRICS_BYTES_MAX / SCALE, "{largest} bytes");
    assert!(largest >= METRICS_BYTES_MAX / SCALE / 2, "the room is used: {largest} bytes");

    let end = START + WEEK + 21_600;
    assert!(
        ticks(&store, Level::SixHours).await.first().unwrap() - (end - WEEK) <= 21_600,
        "a whole week is there"
    );
    let minutes = ticks(&store, Level::Minute).await;
    assert!(end - minutes[0] >= 3_600, "an hour of minutes at least: {}", minutes.len());
    let points = store.metrics(ids[3], end - WEEK, end).await.unwrap();
    assert!(points.is_sorted_by_key(|point| point.time));
    let expected =
        requests(&[MetricPoint { time: points[0].time, seconds: 60, figures: busy(3).figures }]) * 10_080;
    let found = requests(&points);
    assert!(
        found.abs_diff(expected) < expected / 25,
        "nothing is counted twice or lost: {found} of {expected}"
    );
}

#[tokio::test]
async fn minutes_become_hours_and_nothing_is_lost_or_doubled_on_the_way() {
    let store = Store::in_memory().await.unwrap();
    let ids = services(&store, 1).await;
    for minute in 0..30 * 60 {
        add(&store, START + minute * 60, &[(ids[0], busy(0))], METRICS_BYTES_MAX).await;
    }
    let end = START + 30 * 3_600;
    let points = store.metrics(ids[0], START, end).await.unwrap();
    assert_eq!(requests(&points), 30 * 60 * 624);
    assert_eq!(points.iter().map(|point| i64::from(point.seconds)).sum::<i64>(), 30 * 3_600);
    let lengths: Vec<u32> = points.iter().map(|point| point.seconds).collect();
    assert_eq!((lengths[0], *lengths.last().unwrap()), (600, 60), "a day of minutes, and coarser before");
    assert_eq!(lengths.iter().filter(|length| **length == 60).count(), 1_440);
    let window = store.metrics(ids[0], end - 120, end - 60).await.unwrap();
    assert_eq!(window.len(), 1);
}

#[tokio::test]
async fn a_clock_that_is_weeks_ahead_for_a_minute_costs_nothing() {
    let store = Store::in_memory().await.unwrap();
    let ids = services(&store, 1).await;
    let hours = 30;
    for minute in 0..hours * 60 {
        if minute == hours * 30 {
            add(&store, START + 3 * WEEK + 540, &[(ids[0], busy(0))], METRICS_BYTES_MAX).await;
        }
        add(&store, START + minute * 60, &[(ids[0], busy(0))], METRICS_BYTES_MAX).await;
    }
    let end = START + hours * 3_600;
    let all = u64::try_from(hours).unwrap() * 60 * 624;
    assert_eq!(requests(&store.metrics(ids[0], START, end).await.unwrap()), all);
    let mut tx = store.begin().await.unwrap();
    tx.forget_later_minutes(end - 60).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(requests(&store.metrics(ids[0], START, START + 4 * WEEK).await.unwrap()), all);
}

#[tokio::test]
async fn a_service_that_is_gone_takes_its_points_along() {
    let store = Store::in_memory().await.unwrap();
    let ids = services(&store, 2).await;
    let points = [(ids[0], busy(0)), (ids[1], busy(0)), (ServiceId::from_random([99; 16]), busy(0))];
    add(&store, START, &points, METRICS_BYTES_MAX).await;
    let mut tx = store.begin().await.unwrap();
    tx.delete_service(ids[0]).await.unwrap();
    tx.commit().await.unwrap();
    add(&store, START + 60, &points, METRICS_BYTES_MAX).await;
    assert_eq!(store.metrics(ids[0], 0, i64::MAX).await.unwrap(), []);
    assert_eq!(store.metrics(ids[1], 0, i64::MAX).await.unwrap().len(), 2);
}

#[tokio::test]
async fn after_an_hour_in_which_nobody_looked_the_points_go_on() {
    let store = Store::in_memory().await.unwrap();
    let ids = services(&store, 1).await;
    for minute in (0..25).chain(85..120) {
        add(&store, START + minute * 60, &[(ids[0], busy(0))], METRICS_BYTES_MAX).await;
    }
    assert_eq!(ticks(&store, Level::Hour).await, [START, START + 3_600]);
    assert_eq!(requests(&store.metrics(ids[0], START, START + 7_200).await.unwrap()), 60 * 624);
    let mut tx = store.begin().await.unwrap();
    assert_eq!(tx.ticks(Level::TenMinutes, i64::MIN, i64::MAX).await.unwrap().len(), 3 + 4);
}
