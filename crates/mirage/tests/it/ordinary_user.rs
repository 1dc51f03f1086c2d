//! What works without root, and what the rest says.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use xtask::bed::{Cli, may_run_as_root};

use crate::sample::{pushed, web};
use crate::stage::{BINARY, Stage};

/// `nobody` of every Linux.
const NOBODY: u32 = 65534;

/// A copy of the binary in a folder that everybody can enter, and a home for `nobody`.
struct Elsewhere {
    folder: TempDir,
}

impl Elsewhere {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("mirage-nobody-").tempdir().unwrap();
        let open =
            |path: &Path| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        open(folder.path());
        std::fs::copy(BINARY, folder.path().join("mirage")).unwrap();
        open(&folder.path().join("mirage"));
        std::fs::create_dir(folder.path().join("home")).unwrap();
        std::os::unix::fs::chown(folder.path().join("home"), Some(NOBODY), Some(NOBODY)).unwrap();
        Self { folder }
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// A verb, run as `nobody`.
    fn run(&self, words: &[&str], environment: &[(&str, String)]) -> Cli {
        let output = Command::new(self.folder.path().join("mirage"))
            .args(words)
            .env_clear()
            .env("HOME", self.home())
            .envs(environment.iter().map(|(name, value)| (*name, value)))
            .current_dir(self.home())
            .stdin(Stdio::null())
            .uid(NOBODY)
            .gid(NOBODY)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Cli {
            code: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

#[test]
fn serve_and_demo_say_in_one_sentence_what_is_missing() {
    if !may_run_as_root("serve and demo say in one sentence what is missing") {
        return;
    }
    let elsewhere = Elsewhere::new();
    for verb in ["serve", "demo"] {
        let told = elsewhere.run(&[verb], &[]);
        assert_eq!(told.code, 1, "{}{}", told.stdout, told.stderr);
        assert!(told.stderr.contains("root") && told.stderr.contains("hint: "), "{}", told.stderr);
        assert!(told.stderr.lines().count() <= 3, "{}", told.stderr);
    }
    let left: Vec<_> = std::fs::read_dir(elsewhere.home()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn an_ordinary_user_inspects_images_and_drives_a_platform_that_runs() {
    let Some(stage) = Stage::set("an ordinary user inspects images and drives a platform that runs") else {
        return;
    };
    let reference = pushed(&stage.registry, "acme/web:1", &web("hello"));
    let elsewhere = Elsewhere::new();
    let alone = elsewhere.run(&["inspect", &reference], &[]);
    assert_eq!(alone.code, 0, "{}", alone.stderr);
    assert!(alone.stdout.contains("sha256:"), "{}", alone.stdout);

    let remote = [
        ("MIRAGE_URL", format!("http://127.0.0.1:{}", stage.platform.api_port())),
        ("MIRAGE_TOKEN", stage.platform.token()),
    ];
    let deployed = elsewhere.run(&["deploy", &reference, "--name", "web"], &remote);
    assert_eq!(deployed.code, 0, "{}", deployed.stderr);
    assert_eq!(stage.served("web"), "hello");
    let refused = elsewhere.run(&["services"], &[remote[0].clone(), ("MIRAGE_TOKEN", "wrong".into())]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("UNAUTHENTICATED"), "{}", refused.stderr);
}
