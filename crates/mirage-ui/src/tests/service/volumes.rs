//! The data of a service.

use super::*;

#[tokio::test]
async fn a_volume_is_mounted_unmounted_removed_and_taken_back() {
    let app = web().await;
    let path = format!("{WEB}/volumes");
    assert!(app.page(&path).await.text().contains("It keeps no data."));
    let seen = self::seen(&app).await;
    for (name, at, field) in
        [("No Name", "/data", "volume"), ("data", "data", "path"), ("data", "/proc", "path")]
    {
        let fields = [("seen", seen.as_str()), ("volume", name), ("path", at), ("do", "save")];
        let page = refused(&app.fill_in(&path, &path, &fields).await, field);
        assert_eq!(
            (input(&page, "volume").get("value"), input(&page, "path").get("value")),
            (Some(name), Some(at))
        );
    }
    let fields = [("seen", seen.as_str()), ("volume", "data"), ("path", "/data"), ("do", "deploy")];
    assert_eq!(ended(&app, &app.fill_in(&path, &path, &fields).await).await.phase, Phase::Active);
    let page = app.page(&path).await;
    assert!(
        page.table("Mounted volumes")[1].starts_with("data /data no data yet Download a backup"),
        "{}",
        page.text()
    );
    let volume = app.control.volume(&app.admin, &"data".parse().unwrap()).await.unwrap().volume.id;
    let backup = app.fill_in(&path, &format!("{path}/{volume}/backup"), &[]).await;
    assert_eq!(backup.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(Document::parse(&backup.text).text().contains("the volume has no data yet"));

    let seen = self::seen(&app).await;
    let fields = [("seen", seen.as_str()), ("unmount", "data"), ("do", "deploy")];
    ended(&app, &app.fill_in(&path, &path, &fields).await).await;
    let remove = format!("{path}/{volume}/remove");
    let page = app.page(&path).await;
    assert_eq!(page.faults(), Vec::<String>::new());
    assert!(page.text().contains("data of web, not mounted"), "{}", page.text());
    loop {
        // Until the last instance that has it has ended.
        let answer = app.fill_in(&path, &remove, &[]).await;
        if answer.status == StatusCode::SEE_OTHER {
            break;
        }
        tokio::task::yield_now().await;
    }
    let page = app.page(&path).await;
    assert!(page.text().contains("deleted for good at 2026-11-23 00:00:"), "{}", page.text());
    assert_eq!(app.fill_in(&path, &format!("{path}/{volume}/restore"), &[]).await.leads_to(), path);
    assert!(app.page(&path).await.text().contains("data belongs to nobody"));
}
