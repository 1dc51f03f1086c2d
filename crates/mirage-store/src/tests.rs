//! The store against a real file: what is committed is there after it is opened again, what is not
//! is not, and a schema from the future is refused.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mirage_core::*;
use sqlx::Row as _;

use crate::{EventFilter, NewDeployment, Page, ServiceFilter, Store, VolumePage};

mod volumes;

fn now() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap()
}

pub(crate) fn service(environment: EnvironmentId, n: u8, name: &str) -> Service {
    Service {
        id: ServiceId::from_random([n; 16]),
        environment,
        name: name.parse().unwrap(),
        host: format!("{name}-{n}"),
        spec: ServiceSpec::image("nginx:1".parse().unwrap()),
        replicas: 1,
        generation: 0,
        auto_deploy_paused: false,
        removed: false,
        created_at: now(),
        updated_at: now(),
    }
}

pub(crate) async fn environment(store: &Store) -> EnvironmentId {
    let project =
        Project { id: ProjectId::from_random([1; 16]), name: "p".parse().unwrap(), created_at: now() };
    let environment = Environment {
        id: EnvironmentId::from_random([2; 16]),
        project: project.id,
        name: "e".parse().unwrap(),
        network: 0,
        created_at: now(),
    };
    let mut tx = store.begin().await.unwrap();
    tx.insert_project(&project).await.unwrap();
    tx.insert_environment(&environment).await.unwrap();
    tx.commit().await.unwrap();
    environment.id
}

fn event(kind: EventKind) -> Event {
    Event { number: 0, time: now(), actor: "admin".into(), service: None, deployment: None, kind }
}

#[tokio::test]
async fn what_is_committed_is_there_after_opening_again_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mirage.db");
    let store = Store::open(&file, now()).await.unwrap();
    let environment = environment(&store).await;
    let kept = service(environment, 3, "kept");
    let mut tx = store.begin().await.unwrap();
    tx.insert_service(&kept).await.unwrap();
    tx.append(event(EventKind::ServiceCreated)).await.unwrap();
    assert_eq!(tx.commit().await.unwrap()[0].number, 1);
    let mut tx = store.begin().await.unwrap();
    tx.insert_service(&service(environment, 4, "lost")).await.unwrap();
    drop(tx);
    store.close().await;

    let store = Store::open(&file, now()).await.unwrap();
    assert_eq!(store.service_ids().await.unwrap(), [kept.id]);
    assert_eq!(store.service(kept.id).await.unwrap(), Some(kept));
    assert_eq!(store.events(&EventFilter::default(), 0, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_host_is_looked_up_while_a_decision_is_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("mirage.db"), now()).await.unwrap();
    let environment = environment(&store).await;
    let mut tx = store.begin().await.unwrap();
    tx.insert_service(&service(environment, 3, "web")).await.unwrap();
    assert!(tx.host_is_taken("web-3").await.unwrap());
    assert!(!store.host_is_taken("web-3").await.unwrap(), "it is no fact yet");
    tx.commit().await.unwrap();
    assert!(store.host_is_taken("web-3").await.unwrap());
}

#[tokio::test]
async fn lists_come_in_pages_by_name() {
    let store = Store::in_memory().await.unwrap();
    let environment = environment(&store).await;
    let mut tx = store.begin().await.unwrap();
    for (n, name) in [(5, "c"), (6, "a"), (7, "b")] {
        tx.insert_service(&service(environment, n, name)).await.unwrap();
    }
    tx.commit().await.unwrap();
    let first = store.services(&ServiceFilter::default(), &Page { after: None, limit: 2 }).await.unwrap();
    let names: Vec<_> = first.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    let after = first.last().map(|service| (service.name.clone(), service.id));
    let rest = store.services(&ServiceFilter::default(), &Page { after, limit: 2 }).await.unwrap();
    assert_eq!(rest.len(), 1);
}

#[tokio::test]
async fn a_newer_deployment_supersedes_a_waiting_one_but_not_a_running_one() {
    let store = Store::in_memory().await.unwrap();
    let environment = environment(&store).await;
    let web = service(environment, 3, "web");
    let id = |n| DeploymentId::from_random([n; 16]);
    let mut tx = store.begin().await.unwrap();
    tx.insert_service(&web).await.unwrap();
    for n in 1..=3 {
        let new = NewDeployment {
            requested_by: "admin".into(),
            id: id(n),
            service: web.id,
            revision: 1,
            trigger: Trigger::Deploy,
            replaces: None,
            created_at: now(),
        };
        let superseded = tx.insert_deployment(&new).await.unwrap();
        assert_eq!(superseded, if n == 3 { vec![id(2)] } else { vec![] });
        if n == 1 {
            assert!(tx.set_phase(id(1), Phase::Preparing, now()).await.unwrap());
        }
    }
    assert!(!tx.set_phase(id(1), Phase::Queued, now()).await.unwrap(), "no way back");
    tx.commit().await.unwrap();
    let phases: Vec<_> = [1, 2, 3].map(id).to_vec();
    let mut seen = Vec::new();
    for id in phases {
        seen.push(store.deployment(id).await.unwrap().unwrap().phase);
    }
    assert_eq!(seen, [Phase::Preparing, Phase::Superseded, Phase::Queued]);
    let (active, candidate) = store.current_deployments(web.id).await.unwrap();
    assert_eq!((active, candidate.map(|d| d.id)), (None, Some(id(1))));
}

#[tokio::test]
async fn a_deleted_service_takes_its_records_along_but_not_its_events() {
    let store = Store::in_memory().await.unwrap();
    let environment = environment(&store).await;
    let web = service(environment, 3, "web");
    let mut tx = store.begin().await.unwrap();
    tx.insert_service(&web).await.unwrap();
    let mut created = event(EventKind::ServiceCreated);
    created.service = Some(web.id);
    tx.append(created).await.unwrap();
    let deployment = DeploymentId::from_random([9; 16]);
    tx.insert_deployment(&NewDeployment {
        requested_by: "admin".into(),
        id: deployment,
        service: web.id,
        revision: 1,
        trigger: Trigger::Deploy,
        replaces: None,
        created_at: now(),
    })
    .await
    .unwrap();
    tx.begin_step(deployment, StepKind::Pull, now()).await.unwrap();
    tx.delete_service(web.id).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.deployment(deployment).await.unwrap(), None);
    let about = EventFilter { service: Some(web.id), ..EventFilter::default() };
    assert_eq!(store.events(&about, 0, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_transaction_that_sqlite_ended_by_itself_does_not_stop_the_next_ones() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("mirage.db"), now()).await.unwrap();
    for dropped in [false, true] {
        let mut tx = store.begin().await.unwrap();
        // What SQLite does on a full disk.
        sqlx::query("ROLLBACK").execute(&mut *tx.inner).await.unwrap();
        match dropped {
            true => drop(tx),
            false => assert!(tx.commit().await.is_err()),
        }
        let mut tx = store.begin().await.unwrap();
        tx.append(event(EventKind::ServiceCreated)).await.unwrap();
        tx.commit().await.unwrap();
    }
    let all = EventFilter::default();
    assert_eq!(store.events(&all, 0, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn nobody_else_reads_the_database() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mirage.db");
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let store = Store::open(&path, now()).await.unwrap();
    environment(&store).await;
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap()).collect();
    assert!(files.len() > 1, "the log lies beside it");
    for file in files {
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", file.path().display());
    }
}

#[tokio::test]
async fn the_last_instance_at_each_place_is_remembered_as_long_as_its_deployment_counts() {
    const PLACES: u32 = 100;
    let store = Store::in_memory().await.unwrap();
    let environment = environment(&store).await;
    let web = service(environment, 3, "web");
    let deployment = DeploymentId::from_random([9; 16]);
    let instance = |attempt: u32, ordinal: u32| Instance {
        id: InstanceId::from_random(
            [[u8::try_from(attempt).unwrap(); 8], [u8::try_from(ordinal).unwrap(); 8]]
                .concat()
                .try_into()
                .unwrap(),
        ),
        service: web.id,
        deployment,
        ordinal,
        generation: 1,
        attempt,
        created_at: now(),
        exit: Some(Exit { code: Some(1), signal: None, oom: false, start_error: None, at: now() }),
        stopped: false,
    };
    let mut tx = store.begin().await.unwrap();
    tx.insert_service(&web).await.unwrap();
    tx.insert_deployment(&NewDeployment {
        requested_by: "admin".into(),
        id: deployment,
        service: web.id,
        revision: 1,
        trigger: Trigger::Deploy,
        replaces: None,
        created_at: now(),
    })
    .await
    .unwrap();
    for attempt in 0..3 {
        for ordinal in 0..PLACES {
            tx.insert_instance(&instance(attempt, ordinal)).await.unwrap();
        }
    }
    tx.commit().await.unwrap();
    let newest: BTreeMap<u32, u32> =
        store.instances(web.id).await.unwrap().into_iter().map(|i| (i.ordinal, i.attempt)).collect();
    assert_eq!(newest, (0..PLACES).map(|ordinal| (ordinal, 2)).collect());
    let mut tx = store.begin().await.unwrap();
    assert!(tx.set_phase(deployment, Phase::Superseded, now()).await.unwrap());
    tx.insert_instance(&instance(3, 0)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.instances(web.id).await.unwrap().len(), 64);
}

#[tokio::test]
async fn a_page_of_events_or_deployments_is_found_by_an_index() {
    let store = Store::in_memory().await.unwrap();
    let plan = async |sql: &str| {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")));
        let rows = rows.fetch_all(&store.reader).await.unwrap();
        rows.iter().map(|row| row.get::<String, _>("detail")).collect::<Vec<_>>().join("; ")
    };
    let event = |filter: EventFilter| filter.question(("< ", 1000), "DESC", 100).sql().as_str().to_owned();
    let service = Some(ServiceId::from_random([1; 16]));
    let deployment = Some(DeploymentId::from_random([1; 16]));
    for (filter, index) in [
        (EventFilter { service, ..EventFilter::default() }, "event_of_service"),
        (EventFilter { deployment, ..EventFilter::default() }, "event_of_deployment"),
        (EventFilter { kind: Some("serviceCreated".into()), ..EventFilter::default() }, "event_by_kind"),
        (EventFilter { actor: Some("admin".into()), ..EventFilter::default() }, "event_of_actor"),
    ] {
        let plan = plan(&event(filter)).await;
        assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{plan}");
    }
    let found = plan(&crate::facts::current()).await;
    assert!(found.contains("deployment_by_phase"), "{found}");
    for page in [crate::deployment::PAGE, crate::deployment::PAGE_AFTER] {
        let found = plan(page).await;
        assert!(
            found.contains("USING INDEX deployment_of_service") && !found.contains("TEMP B-TREE"),
            "{found}"
        );
    }
}

#[tokio::test]
async fn the_event_log_takes_nothing_back_but_what_is_very_old() {
    let store = Store::in_memory().await.unwrap();
    let day = jiff::SignedDuration::from_hours(24);
    let mut tx = store.begin().await.unwrap();
    for age in [500, 401, 399, 0] {
        tx.append(Event { time: now() - day * age, ..event(EventKind::ServiceCreated) }).await.unwrap();
    }
    tx.commit().await.unwrap();
    for tampering in [
        "UPDATE event SET actor = 'nobody' WHERE number = 1",
        "DELETE FROM event WHERE number = 3",
        "DELETE FROM event WHERE number > 0",
    ] {
        let mut tx = store.begin().await.unwrap();
        let error = sqlx::query(tampering).execute(&mut *tx.inner).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{tampering}: {error}");
    }
    let mut tx = store.begin().await.unwrap();
    assert_eq!(tx.forget_events(now(), 1).await.unwrap(), 1);
    assert_eq!(tx.forget_events(now(), 10).await.unwrap(), 1, "what must be kept is not even tried");
    tx.commit().await.unwrap();
    let left = store.events(&EventFilter::default(), 0, 10).await.unwrap();
    assert_eq!(left.iter().map(|event| event.number).collect::<Vec<_>>(), [3, 4]);
}

#[tokio::test]
async fn a_decision_whose_caller_goes_away_while_it_is_committed_is_looked_at_again() {
    let store = Store::in_memory().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    tx.set_setting("node", "abcdef").await.unwrap();
    tx.commit().await.unwrap();
    let mut doubted = Box::pin(store.doubted());
    let pending = std::future::poll_fn(|cx| std::task::Poll::Ready(doubted.as_mut().poll(cx).is_pending()));
    assert!(pending.await, "all went well until now");
    // Now and then the database is done before it is looked at, and nobody could go away.
    loop {
        let mut tx = store.begin().await.unwrap();
        tx.set_setting("node", "fedcba").await.unwrap();
        let mut commit = Box::pin(tx.commit());
        let begun = std::future::poll_fn(|cx| std::task::Poll::Ready(commit.as_mut().poll(cx).is_pending()));
        if begun.await {
            break;
        }
    }
    doubted.await.unwrap();
    // Made or not made, but decided.
    let node = store.setting("node").await.unwrap().unwrap();
    assert!(["abcdef", "fedcba"].contains(&node.as_str()), "{node}");
}
