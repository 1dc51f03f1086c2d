use super::*;
use crate::image::digest::Digest;
use crate::service::Port;
use crate::volume::VolumeMount;

/// An image about which there is nothing to say.
fn fine() -> ResolvedImage {
    ResolvedImage {
        reference: "acme/web:1".parse().unwrap(),
        digest: Digest::sha256([1; 32]),
        manifest: Digest::sha256([1; 32]),
        platform: "linux/amd64".parse().unwrap(),
        platforms: Vec::new(),
        size_bytes: 1000,
        layers: 1,
        config: ImageConfig {
            entrypoint: words(&["/web"]),
            user: "web".into(),
            ports: vec![Port::new(80).unwrap()],
            created: Some("2026-10-01T00:00:00Z".parse().unwrap()),
            ..ImageConfig::default()
        },
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn circumstances(spec: Option<&ServiceSpec>) -> Circumstances<'_> {
    Circumstances {
        now: "2026-11-21T00:00:00Z".parse().unwrap(),
        at_target: true,
        stock: Stock::default(),
        spec,
        attachments: Attachments::default(),
        quota: None,
    }
}

fn told(verdict: &ImageVerdict) -> String {
    let findings = verdict.findings.iter().map(|finding| {
        let severity = finding.severity.as_str();
        format!("\n{severity} {}: {}", finding.code.as_str(), finding.message)
    });
    verdict.line() + &findings.collect::<String>()
}

/// What is said of an image that differs from a fine one by this.
fn judged(change: impl FnOnce(&mut ImageConfig)) -> String {
    let mut image = fine();
    change(&mut image.config);
    told(&judge(&image, &circumstances(None)))
}

/// What is said of it where it is to run as a service that differs from the default by this.
fn judged_as(config: impl FnOnce(&mut ImageConfig), spec: impl FnOnce(&mut ServiceSpec)) -> String {
    let mut image = fine();
    config(&mut image.config);
    let mut wanted = ServiceSpec::image(image.reference.clone());
    spec(&mut wanted);
    told(&judge(&image, &circumstances(Some(&wanted))))
}

#[test]
fn an_image_is_judged_by_what_it_says_of_itself() {
    assert_eq!(judged(|_| {}), "runs here");
    for user in ["", "root", "0", "0:0", "root:web", "00"] {
        assert_eq!(
            judged(|config| config.user = user.into()),
            "runs here, 1 warning\nwarning RUNS_AS_ROOT: it runs as root",
            "`{user}`"
        );
    }
    assert_eq!(judged(|config| config.user = "1000:0".into()), "runs here");
    assert_eq!(
        judged(|config| config.entrypoint.clear()),
        "cannot run here: it names no program to run\nproblem NO_COMMAND: it names no program to run"
    );
    assert_eq!(
        judged(|config| config.volumes = words(&["/a", "/b"])),
        "runs here, 1 warning\nwarning VOLUME_NOT_KEPT: what it writes to `/a`, `/b` is gone when its instance is replaced"
    );
    assert_eq!(
        judged(|config| config.ports.clear()),
        "runs here\nnote NO_EXPOSED_PORT: it exposes no port, so `PORT` tells it to listen on 8080"
    );
    assert_eq!(
        judged(|config| config.health_command = words(&["CMD", "/check"])),
        "runs here\nnote HEALTHCHECK_RUN: it counts as healthy when its HEALTHCHECK ends well, which is run in it"
    );
    assert_eq!(
        judged(|config| config.created = Some("2024-08-01T10:00:00Z".parse().unwrap())),
        "runs here\nnote OLD_IMAGE: it was built 2 years ago, on 2024-08-01"
    );
    for reproducible in ["1970-01-01T00:00:00Z", "1980-01-01T00:00:01Z", "2027-01-01T00:00:00Z"] {
        assert_eq!(judged(|config| config.created = Some(reproducible.parse().unwrap())), "runs here");
    }
    assert_eq!(judged(|config| config.created = None), "runs here");
}

#[test]
fn a_variable_that_nobody_expands_stops_a_deploy_and_says_what_to_write() {
    let image =
        "cannot run here: `$PORT` in its entrypoint (`--port=$PORT`) is not expanded: no shell reads it";
    let found = judged(|config| config.entrypoint = words(&["/web", "--port=$PORT"]));
    assert_eq!(found.lines().next(), Some(image));
    let own = judged(|config| {
        config.entrypoint.clear();
        config.environment = words(&["DATA=/data"]);
        config.command = words(&["/web", "$DATA"]);
    });
    assert_eq!(
        own.lines().next(),
        Some("cannot run here: `$DATA` in its command is not expanded: no shell reads it")
    );
    let given = judged_as(
        |config| config.entrypoint.clear(),
        |spec| spec.command = Some(words(&["/web", "--port=${PORT}"])),
    );
    assert!(given.starts_with("cannot run here: `${PORT}` in the given command"), "{given}");
    let through_a_shell = judged_as(
        |config| config.entrypoint.clear(),
        |spec| spec.command = Some(words(&["sh", "-c", "/web --port=${PORT}"])),
    );
    assert_eq!(through_a_shell, "runs here");
    let doubtful = judged(|config| config.entrypoint = words(&["java", "-Dserver.port=${PORT}"]));
    assert_eq!(doubtful.lines().next(), Some("runs here, 1 warning"));
}

#[test]
fn what_a_deploy_asks_for_counts_for_what_the_image_says() {
    let silent = |config: &mut ImageConfig| {
        config.entrypoint.clear();
        config.ports.clear();
        config.health_command = words(&["CMD", "/check"]);
    };
    let all = judged_as(silent, |spec| {
        spec.command = Some(words(&["/web"]));
        spec.ports = Some(Vec::new());
        spec.probe.path = Some("/up".into());
    });
    assert_eq!(all, "runs here");
    let port = judged_as(
        |config| config.ports.clear(),
        |spec| {
            spec.variables.insert("PORT".parse().unwrap(), "3000".into());
        },
    );
    assert_eq!(port, "runs here");
}

#[test]
fn the_room_for_it_is_judged_as_a_pull_judges_it() {
    let told_with = |missing: u64, free: u64, at_target: bool| {
        let stock = Stock { missing_bytes: Some(missing), free_bytes: Some(free), ..Stock::default() };
        told(&judge(&fine(), &Circumstances { stock, at_target, ..circumstances(None) }))
    };
    let gib = |count: u64| count << 30;
    assert_eq!(
        told_with(gib(3), gib(2), true),
        "cannot run here: it does not fit on the disk: 3.0 GiB are to be pulled, 2.0 GiB are free\n\
         problem IMAGE_TOO_LARGE: it does not fit on the disk: 3.0 GiB are to be pulled, 2.0 GiB are free"
    );
    assert_eq!(
        told_with(gib(1), gib(2), true),
        "runs here, 1 warning\nwarning DISK_TIGHT: it may need about 3.0 GiB unpacked, 2.0 GiB are free"
    );
    assert_eq!(told_with(0, 0, true), "runs here", "what is here already needs no room");
    assert_eq!(told_with(gib(3), gib(2), false), "runs on linux/amd64", "another machine has another disk");
}

#[test]
fn what_the_registry_says_is_told_and_what_it_does_not_say_is_not() {
    let quota = Quota { limit: Some(100), remaining: 4, window_seconds: Some(21_600), source: None };
    let attachments =
        Attachments { signature: Presence::Absent, sbom: Presence::Absent, provenance: Presence::Unknown };
    let found = judge(&fine(), &Circumstances { quota: Some(&quota), attachments, ..circumstances(None) });
    assert_eq!(
        told(&found),
        "runs here, 1 warning\n\
         warning QUOTA_LOW: `docker.io` lets 4 of 100 pulls through in 6 h\n\
         note NOT_SIGNED: it has no signature\n\
         note NO_SBOM: it has no list of what it consists of (SBOM)"
    );
}

#[test]
fn a_path_that_is_kept_in_a_volume_is_no_loss() {
    let mut image = fine();
    image.config.volumes = words(&["/data/", "/other", "/data/deep"]);
    let mut spec = ServiceSpec::image(image.reference.clone());
    spec.volumes = vec![VolumeMount { volume: "data".parse().unwrap(), path: "/data".parse().unwrap() }];
    let verdict = judge(&image, &circumstances(Some(&spec)));
    let told: Vec<_> = verdict.warnings().map(|finding| finding.message.as_str()).collect();
    assert_eq!(told, ["what it writes to `/other` is gone when its instance is replaced"]);
    image.config.volumes = words(&["/data"]);
    assert_eq!(judge(&image, &circumstances(Some(&spec))).warnings().count(), 0);
}

#[test]
fn the_worst_comes_first_and_becomes_the_refusal() {
    let mut image = fine();
    image.config.user.clear();
    image.config.volumes = words(&["/data"]);
    assert!(judge(&image, &circumstances(None)).refusal(&image.reference).is_none());
    let spec = ServiceSpec {
        command: Some(words(&["--port", "$PORT"])),
        ..ServiceSpec::image(image.reference.clone())
    };
    let verdict = judge(&image, &circumstances(Some(&spec)));
    assert_eq!((verdict.runs(), verdict.warnings().count()), (false, 2));
    assert_eq!(verdict.findings[0].severity, Severity::Problem);
    let error = verdict.refusal(&image.reference).unwrap();
    assert_eq!((error.code(), error.at_field()), (Code::InvalidRequest, Some("command")));
    assert_eq!(
        error.message(),
        "`acme/web:1` cannot run here: `$PORT` in the given command is not expanded: no shell reads it"
    );
    assert!(error.next_step().is_some());

    image.config.entrypoint = words(&["/web", "$PORT"]);
    let error = judge(&image, &circumstances(None)).refusal(&image.reference).unwrap();
    assert_eq!((error.code(), error.at_field()), (Code::StartFailed, None));
}

#[test]
fn the_path_of_a_health_command_is_proposed() {
    for (command, expected) in [
        (&["CMD-SHELL", "curl -f http://localhost:8080/up || exit 1"][..], Some("/up")),
        (&["CMD", "wget", "-q", "http://127.0.0.1/health/live?x=1"], Some("/health/live")),
        (&["CMD-SHELL", "curl -f http://localhost"], None),
        (&["CMD-SHELL", "curl -f http://example.com/up"], None),
        (&["CMD", "/check"], None),
    ] {
        let image = ImageConfig { health_command: words(command), ..ImageConfig::default() };
        assert_eq!(image.health_path().as_deref(), expected, "{command:?}");
    }
}

#[test]
fn codes_are_spelled_like_those_of_errors() {
    for code in FindingCode::ALL {
        let fine = |c: char| c.is_ascii_uppercase() || c == '_';
        assert!(code.as_str().chars().all(fine), "{}", code.as_str());
    }
}
