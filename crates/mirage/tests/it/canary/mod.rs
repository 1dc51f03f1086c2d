//! A password and a sealed variable go through everything, and are nowhere afterwards.

mod impostor;
mod search;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use xtask::bed::{CANARY_USER, Canary, Cli, PlatformOptions, Process, eventually, free_port, http};

use crate::sample::{pushed_with_login, script, web};
use crate::stage::Stage;
use impostor::Impostor;
use search::Search;

/// The value of one that is not sealed.
const PLAIN: &str = "plainBw4Yd8Kf1Vh6Sr3";
const LOGIN: [&str; 3] = ["--registry-username", CANARY_USER, "--registry-password-stdin"];

/// The password of [`CANARY_USER`].
fn password() -> &'static str {
    &Canary::password().unwrap().text
}

/// The value of a sealed variable.
fn variable() -> &'static str {
    &Canary::variable().unwrap().text
}

/// The stage, and what must be nowhere on it.
struct Cage {
    stage: Stage,
    secrets: [Search; 2],
}

impl Cage {
    fn set(test: &str) -> Option<Self> {
        let variables = vec![("MIRAGE_LOG".to_owned(), "trace".to_owned())];
        let stage = Stage::set_closed(test, PlatformOptions { variables, ..PlatformOptions::default() })?;
        Some(Self {
            stage,
            secrets: [Canary::password(), Canary::variable()]
                .map(|canary| Search::new(&canary.unwrap().telltale)),
        })
    }

    /// Looks through something that came out.
    fn clean(&self, what: &str, bytes: &[u8]) {
        for secret in &self.secrets {
            let found = secret.find(bytes);
            assert_eq!(found, None, "in {what}: {}", String::from_utf8_lossy(bytes));
        }
    }

    /// A verb that ends with this exit code.
    fn verb(&self, code: i32, words: &[&str], input: &str) -> Cli {
        let cli = self.stage.platform.cli_told(words, input).unwrap();
        let line = words.join(" ");
        assert_eq!(cli.code, code, "`mirage {line}`: {}{}", cli.stdout, cli.stderr);
        for (what, text) in [("the data", &cli.stdout), ("the narration", &cli.stderr)] {
            self.clean(&format!("{what} of `mirage {line}`"), text.as_bytes());
        }
        cli
    }

    /// A request with any body at all.
    fn raw(&self, method: &str, path: &str, body: &[u8]) -> http::Response {
        let bearer = format!("Bearer {}", self.stage.platform.token());
        let answer = http::Request {
            method,
            address: ([127, 0, 0, 1], self.stage.platform.api_port()).into(),
            host: "127.0.0.1",
            path,
            headers: &[("authorization", &bearer), ("content-type", "application/json")],
            body,
            patience: Duration::from_secs(60),
        };
        let answer = answer.send().unwrap();
        self.clean(&format!("the answer to {method} {path}"), format!("{answer:?}").as_bytes());
        self.clean(&format!("the body of the answer to {method} {path}"), &answer.body);
        answer
    }

    /// A request that is answered with this status.
    fn asks(&self, status: u16, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.raw(method, path, body.to_string().as_bytes());
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        answer.json().unwrap()
    }

    /// Looks at what everybody may see of the platform's processes.
    fn looks_at_processes(&self, least: usize) {
        let processes = self.stage.platform.processes();
        assert!(processes.len() >= least, "{processes:?}");
        for (id, line) in processes {
            self.clean("a command line", line.as_bytes());
            for file in ["cmdline", "environ", "comm", "status"] {
                if let Ok(bytes) = fs::read(format!("/proc/{id}/{file}")) {
                    self.clean(&format!("/proc/{id}/{file} of `{line}`"), &bytes);
                }
            }
        }
    }

    /// Everything that lies in the folder of the platform, with the log of `mirage serve` beside it.
    fn looks_at_files(&self) {
        let folder = self.stage.platform.data();
        for secret in &self.secrets {
            let (found, seen) = secret.find_below(folder.parent().unwrap());
            assert!(found.is_empty() && seen > 20, "of {seen} files: {found:#?}");
        }
    }

    /// Every event since the beginning, up to the newest of this name.
    fn looks_at_events(&self, last: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.stage.platform.api_port())).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let token = self.stage.platform.token();
        write!(
            stream,
            "GET /api/events?after=0 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n"
        )
        .unwrap();
        let found = BufReader::new(stream).lines().map(Result::unwrap).any(|line| {
            self.clean("an event", line.as_bytes());
            line == format!("event: {last}")
        });
        assert!(found, "no event `{last}`");
    }
}

/// The environment of the first process of a service's first instance.
fn environment(stage: &Stage, service: &str) -> Vec<u8> {
    let shown = stage.platform.api("GET", &format!("/api/services/{service}"), None).unwrap().json().unwrap();
    fs::read(format!("/proc/{}/environ", shown["instances"][0]["pid"])).unwrap()
}

#[test]
fn a_password_and_a_sealed_variable_are_nowhere_to_be_found() {
    let Some(mut cage) = Cage::set("a password and a sealed variable are nowhere to be found") else {
        return;
    };
    let password = password();
    let registry = cage.stage.registry.address();
    let one = pushed_with_login(&cage.stage.registry, "acme/web:1", &web("one"));
    let two = pushed_with_login(&cage.stage.registry, "acme/web:2", &web("two"));
    let elsewhere = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = elsewhere.path().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let sealed = file("sealed.env", &format!("TOKEN={}\n", variable()));

    // What is not sealed is found, so that finding nothing means something.
    let with_files = ["--sealed-env-file", &sealed, "--env"];
    let plain = format!("PLAIN={PLAIN}");
    let deploy = [&["deploy", &one, "--name", "web"], &LOGIN[..], &with_files, &[&plain]].concat();
    cage.verb(0, &deploy, password);
    let (found, _) = Search::new(PLAIN).find_below(&cage.stage.platform.data());
    assert!(found.iter().any(|file| file.contains("mirage.db")), "{found:?}");
    let planted = cage.stage.platform.data().join("content/planted");
    fs::write(&planted, serde_json::to_vec(password).unwrap()).unwrap();
    assert_eq!(cage.secrets[0].find_below(&cage.stage.platform.data()).0.len(), 1);
    fs::remove_file(planted).unwrap();
    assert_eq!(cage.secrets[1].find(&environment(&cage.stage, "web")), Some("clear"), "the service has it");
    cage.looks_at_processes(3);

    by_the_command_line(&cage, [&one, &two], &registry, file);
    by_the_api(&cage, [&one, &two], &registry);
    by_bodies_that_are_wrong(&cage, &one);
    at_registries_that_fail(&cage);
    with_containers_that_fail(&mut cage);
    assert!(cage.stage.narration().contains("TRACE"), "the log is as talkative as can be");
    cage.verb(0, &["vault", "rotate"], "");
    cage.looks_at_events("vaultRotated");
    cage.looks_at_processes(3);
    cage.looks_at_files();
}

fn by_the_command_line(
    cage: &Cage,
    [one, two]: [&str; 2],
    registry: &str,
    file: impl Fn(&str, &str) -> String,
) {
    let (user, password) = (CANARY_USER, password());
    let wrong = format!("{password}!");
    let with_login = |words: &[&'static str], image: &str, input: &str, code| {
        let words: Vec<&str> = words.iter().map(|word| if *word == "REF" { image } else { *word }).collect();
        cage.verb(code, &[&words, &LOGIN[..]].concat(), input)
    };
    for json in [&[][..], &["--json"]] {
        with_login(&[&["inspect", "REF"], json].concat(), one, password, 0);
        with_login(&[&["deploy", "REF", "--name", "web", "--plan"], json].concat(), two, password, 0);
        with_login(&[&["deploy", "REF", "--name", "web"], json].concat(), two, &wrong, 1);
        with_login(&[&["deploy", "REF", "--name", "web"], json].concat(), two, password, 0);
        with_login(&[&["rollback", "web", "1"], json].concat(), "", password, 0);
        for show in
            [&["services"][..], &["status", "web"], &["deployments", "web"], &["doctor"], &["logs", "web"]]
        {
            cage.verb(0, &[show, json].concat(), "");
        }
    }
    with_login(&["inspect", "REF"], one, &wrong, 1);
    with_login(&["rollback", "web", "1"], "", &wrong, 1);
    with_login(&["deploy", "REF", "--name", "web"], two, &password.repeat(3000), 1);

    let acme = format!("{registry}/acme");
    cage.verb(0, &["credential", "set", &acme, "--username", user, "--json"], password);
    cage.verb(0, &["credential", "test", &acme, "--image", one], "");
    cage.verb(0, &["credential", "test", &acme, "--json"], "");
    cage.verb(0, &["inspect", one], "");
    cage.verb(0, &["credential", "set", &acme, "--username", user], &wrong);
    cage.verb(1, &["credential", "test", &acme], "");
    cage.verb(1, &["credential", "test", &acme, "--image", one], "");
    cage.verb(0, &["credential", "list"], "");
    cage.verb(0, &["credential", "remove", &acme], "");
    let logins = json!({ "auths": { registry: { "username": user, "password": password } } });
    let config = file("config.json", &logins.to_string());
    cage.verb(0, &["credential", "import", "--config", &config], "");
    cage.verb(0, &["credential", "list", "--json"], "");
    let broken = file("broken.json", &logins.to_string().replace("}}}", "}"));
    cage.verb(1, &["credential", "import", "--config", &broken], "");

    let sealed = file("more.env", &format!("export ONE={0}\nTWO=\"{0}\"\n", variable()));
    for owner in [&["-s", "web"][..], &["--shared"]] {
        cage.verb(0, &[&["variables", "set"], owner, &["--sealed-stdin", "TOKEN"]].concat(), variable());
        cage.verb(0, &[&["variables", "set"], owner, &["--sealed-file", &sealed]].concat(), "");
        // What was sealed stays so.
        cage.verb(0, &[&["variables", "set"], owner, &["--file", &sealed]].concat(), "");
        cage.verb(0, &[&["variables", "list", "--json"], owner].concat(), "");
        cage.verb(0, &[&["variables", "unset", "TWO"], owner].concat(), "");
    }
    // A key of several lines does not fit into such a file; its lines are not shown.
    let lines =
        file("lines.env", &format!("KEY=-----BEGIN\n{}\n-----END\n", Canary::variable().unwrap().telltale));
    cage.verb(1, &["variables", "set", "-s", "web", "--sealed-file", &lines], "");
    cage.verb(1, &["deploy", one, "--name", "web", "--sealed-env-file", &lines], "");
    cage.verb(0, &["vault", "rotate", "--json"], "");
}

fn by_the_api(cage: &Cage, [one, two]: [&str; 2], registry: &str) {
    let (username, password) = (CANARY_USER, password());
    let login = json!({ "username": username, "password": password });
    let wrong = json!({ "username": username, "password": format!("{password}!") });
    let sealed = json!({ "TOKEN": variable(), "OTHER": variable() });
    let with = |image: &str, login: &Value| json!({ "image": image, "registryCredentials": login, "sealedVariables": sealed });
    let new = |login: &Value| {
        let mut new = with(one, login);
        new["name"] = "api".into();
        new
    };
    cage.asks(422, "POST", "/api/services/from-image", &new(&wrong));
    cage.asks(202, "POST", "/api/services/from-image", &new(&login));
    cage.stage.at_rest("api");
    cage.asks(409, "POST", "/api/services/from-image", &new(&login));
    for (login, [changed, begun, rolled, looked]) in [(&wrong, [422; 4]), (&login, [200, 202, 202, 200])] {
        cage.asks(changed, "PATCH", "/api/services/api", &with(one, login));
        cage.asks(begun, "POST", "/api/services/api/deploy", &with(two, login));
        cage.stage.at_rest("api");
        let back = json!({ "revision": 1, "registryCredentials": login });
        cage.asks(rolled, "POST", "/api/services/api/rollback", &back);
        let look = json!({ "image": one, "registryCredentials": login });
        cage.asks(looked, "POST", "/api/images/inspect", &look);
    }
    let shared = json!({ "registry": registry, "username": username, "password": password });
    let kept = cage.asks(200, "POST", "/api/credentials", &shared);
    let kept = format!("/api/credentials/{}", kept["id"].as_str().unwrap());
    cage.asks(200, "POST", &format!("{kept}/test"), &json!({ "image": one }));
    cage.asks(200, "DELETE", &kept, &json!({}));
    let variables = "/api/projects/default/environments/production/variables";
    cage.asks(200, "PATCH", variables, &json!({ "sealedVariables": sealed }));
    for path in [
        "/api/services",
        "/api/services/api",
        "/api/services/api/image-config",
        "/api/services/api/deployments",
        "/api/services/api/logs",
        "/api/credentials",
        variables,
        "/api/openapi.json",
        "/api/doctor",
    ] {
        let answer = cage.raw("GET", path, b"");
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
}

fn by_bodies_that_are_wrong(cage: &Cage, image: &str) {
    let login =
        |password: Value| json!({ "registryCredentials": { "username": "canary", "password": password } });
    for secret in [password(), variable()] {
        let mut bodies: Vec<Value> = vec![
            json!(secret),
            json!([secret]),
            json!({ "password": secret }),
            json!({ "username": "canary", "password": [secret], "registry": "ghcr.io" }),
            json!({ "replicas": secret, "ports": [secret], "resources": secret }),
            json!({ "ports": [secret] }),
            json!({ "restartPolicy": secret }),
            json!({ "registryCredentials": secret }),
            json!({ "registryCredentials": [secret, secret] }),
            json!({ "registryCredentials": { "username": "canary", "passwd": secret } }),
            json!({ "registryCredentials": { "username": { "name": secret } } }),
            json!({ "registryCredentials": { "password": secret } }),
            login(json!([secret])),
            login(json!({ "password": secret })),
            login(json!(secret.repeat(2000))),
            login(json!(format!("{secret}\0"))),
        ];
        for field in ["sealedVariables", "environmentVariables", "variables"] {
            bodies.extend([
                json!({ field: secret }),
                json!({ field: [secret] }),
                json!({ field: { "A": [secret] } }),
                json!({ field: { "A": { "value": secret } } }),
                json!({ field: { "A B": secret } }),
                json!({ field: { "A": format!("{secret}\0") } }),
                json!({ field: { "A": secret }, "nonsense": 1 }),
            ]);
        }
        let mut texts: Vec<Vec<u8>> = Vec::new();
        for mut body in bodies {
            texts.push(body.to_string().into_bytes());
            if let Some(body) = body.as_object_mut() {
                body.insert("image".into(), image.into());
                texts.push(serde_json::to_vec(body).unwrap());
            }
        }
        let whole = login(json!(secret)).to_string();
        texts.extend([
            whole[..whole.len() - 3].into(),
            whole[..whole.len() - 1].into(),
            format!("{whole} {secret}").into(),
            format!("{{\"registryCredentials\": {{\"password\": \"{secret}\"}}}}").into(),
            format!("{{\"{secret}").into(),
            format!("password={secret}").into(),
            whole.replace("é", "\\q").into(),
            login(json!(secret.repeat(40_000))).to_string().into(),
        ]);
        for (method, path) in [
            ("POST", "/api/services/from-image"),
            ("PATCH", "/api/services/web"),
            ("POST", "/api/services/web/deploy"),
            ("POST", "/api/services/web/rollback"),
            ("POST", "/api/images/inspect"),
            ("POST", "/api/credentials"),
            ("PATCH", "/api/projects/default/environments/production/variables"),
        ] {
            for text in &texts {
                let answer = cage.raw(method, path, text);
                let told = String::from_utf8_lossy(text);
                assert!(!matches!(answer.status, 404 | 500), "{method} {path} {told}: {}", answer.text());
            }
        }
    }
}

fn at_registries_that_fail(cage: &Cage) {
    let password = password();
    let realm = || "www-authenticate: Bearer realm=\"http://localhost:1/token\",service=\"x\"\r\n".to_owned();
    let foreign = Impostor::start(move |_| (401, realm(), String::new()));
    let basic = || "www-authenticate: Basic realm=\"x\"\r\n".to_owned();
    let refuses = Impostor::start(move |_| (401, basic(), String::new()));
    let repeats = |status| {
        Impostor::start(move |shown| match shown {
            None => (401, basic(), String::new()),
            Some(shown) => {
                let message = format!("{shown} is {password}");
                let body = json!({ "errors": [{ "code": shown, "message": message, "detail": message }] });
                (status, "content-type: application/json\r\n".to_owned(), body.to_string())
            }
        })
    };
    let odd = [400, 403, 500].map(repeats);
    let nobody = format!("127.0.0.1:{}/acme/web:1", free_port().unwrap());
    let references = odd.iter().chain([&foreign, &refuses]).map(Impostor::reference);
    for reference in references.chain([nobody]) {
        cage.verb(1, &[&["deploy", &reference, "--name", "bad"], &LOGIN[..]].concat(), password);
        let (registry, _) = reference.split_once('/').unwrap();
        cage.verb(0, &["credential", "set", registry, "--username", "canary"], password);
        cage.verb(1, &["credential", "test", registry], "");
        cage.verb(1, &["inspect", &reference, "--json"], "");
    }
}

fn with_containers_that_fail(cage: &mut Cage) {
    let registry = &cage.stage.registry;
    let exits = pushed_with_login(registry, "acme/exits:1", &script("exit 7"));
    let slow = pushed_with_login(registry, "acme/slow:1", &web("slow"));
    let silent = pushed_with_login(registry, "acme/silent:1", &script("exec sleep 1000"));
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), format!("TOKEN={}\n", variable())).unwrap();
    let sealed = file.path().display().to_string();
    for (name, image) in [("exits", &exits), ("silent", &silent)] {
        let words = ["deploy", image, "--name", name, "--health-timeout", "1", "--sealed-env-file", &sealed];
        cage.verb(1, &[&words, &LOGIN[..]].concat(), password());
        cage.verb(0, &["deployments", name, "--json"], "");
    }

    let running = cage.stage.at_rest("web")[0]["instances"][0]["pid"].as_i64().unwrap();
    kill(Pid::from_raw(i32::try_from(running).unwrap()), Signal::SIGKILL).unwrap();
    let another = || {
        let shown = cage.stage.platform.api("GET", "/api/services/web", None).ok()?.json().ok()?;
        shown["instances"][0]["pid"].as_i64().filter(|pid| *pid != running)
    };
    eventually("another process", Duration::from_secs(30), another).unwrap();

    let words = ["deploy", &slow, "--name", "slow", "--detach", "--sealed-env-file", &sealed];
    cage.verb(0, &[&words, &LOGIN[..]].concat(), password());
    cage.stage.platform.kill_control();
    cage.looks_at_processes(2);
    cage.looks_at_files();
    cage.stage.platform.serve().unwrap();
    assert_eq!(cage.stage.served("slow"), "slow");
    cage.stage.at_rest("slow");
    assert_eq!(cage.secrets[1].find(&environment(&cage.stage, "slow")), Some("clear"));
}

/// `nogroup` of every Linux.
const NOGROUP: u32 = 65534;

#[test]
fn what_the_platform_knows_is_in_no_core_dump_and_for_no_other_process() {
    let test = "what the platform knows is in no core dump and for no other process";
    // Files below /proc are root's where others may not look, and the process' own group's otherwise.
    let options = PlatformOptions { group: Some(NOGROUP), ..PlatformOptions::default() };
    let (soft, hard) = getrlimit(Resource::RLIMIT_CORE).unwrap();
    setrlimit(Resource::RLIMIT_CORE, hard, hard).unwrap();
    let Some(mut stage) = Stage::set_closed(test, options) else { return };
    let group = |id: u32| fs::metadata(format!("/proc/{id}/environ")).unwrap().gid();
    let limit = |id: u32| {
        let limits = fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        line.split_whitespace().skip(4).take(2).collect::<Vec<_>>().join(" ")
    };
    let folder = tempfile::tempdir().unwrap();
    let anybody = Process::start(Command::new("sleep").arg("60").gid(NOGROUP), folder.path(), "it").unwrap();
    assert_eq!(group(anybody.id()), NOGROUP);

    let image = pushed_with_login(&stage.registry, "acme/web:1", &web("it runs"));
    let deploy = [&["deploy", &image, "--name", "web"], &LOGIN[..]].concat();
    stage.done_told(&deploy, password());
    let processes = stage.platform.processes();
    assert!(processes.len() >= 3, "control, proxy and shim: {processes:?}");
    for (id, line) in &processes {
        assert_eq!((group(*id), limit(*id).as_str()), (0, "0 0"), "{line}");
    }
    let ended = stage.platform.crash_control().unwrap();
    assert_eq!((ended.signal(), ended.core_dumped()), (Some(Signal::SIGABRT as i32), false));
    setrlimit(Resource::RLIMIT_CORE, soft, hard).unwrap();
    let data = stage.platform.data();
    for folder in [Path::new("."), &data] {
        assert!(!folder.join("core").exists(), "{}", folder.display());
    }
    stage.platform.serve().unwrap();
    assert_eq!(stage.served("web"), "it runs");
}
