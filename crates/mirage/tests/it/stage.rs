//! A registry and a platform for one test.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use xtask::bed::{
    Cli, Platform, PlatformOptions, Registry, eventually, is_installed, may_run_as_root, skipped,
};

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_mirage");

/// What a story plays on.
pub(crate) struct Stage {
    /// A registry of somebody else, empty.
    pub(crate) registry: Registry,
    /// The platform, fresh.
    pub(crate) platform: Platform,
}

impl Stage {
    /// Sets the stage for this test, unless it has to be skipped.
    pub(crate) fn set(test: &str) -> Option<Self> {
        Self::with(test, PlatformOptions::default())
    }

    /// The same with the platform's data on a disk of so many MiB.
    pub(crate) fn set_on_small_disk(test: &str, mib: u64) -> Option<Self> {
        Self::with(test, PlatformOptions { disk_mib: Some(mib), ..PlatformOptions::default() })
    }

    /// The same with more words after `mirage serve`.
    pub(crate) fn set_with(test: &str, arguments: &[&str]) -> Option<Self> {
        let arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
        Self::with(test, PlatformOptions { arguments, ..PlatformOptions::default() })
    }

    /// The same with a registry that wants a login and speaks TLS, by a certificate that the platform trusts
    /// by these options.
    pub(crate) fn set_closed(test: &str, mut options: PlatformOptions) -> Option<Self> {
        if !may_run_as_root(test) {
            return None;
        }
        if !is_installed("openssl") {
            skipped(test, "needs `openssl`");
            return None;
        }
        let registry = Registry::start_with_login_and_tls().unwrap();
        let authority = format!("{}={}", registry.address(), registry.authority().unwrap().display());
        options.arguments.extend(["--registry-ca".to_owned(), authority]);
        let platform = Platform::start(Path::new(BINARY), options).unwrap();
        Some(Self { registry, platform })
    }

    /// The same with these options.
    pub(crate) fn with(test: &str, options: PlatformOptions) -> Option<Self> {
        if !may_run_as_root(test) {
            return None;
        }
        let registry = Registry::start().unwrap();
        let platform = Platform::start(Path::new(BINARY), options).unwrap();
        Some(Self { registry, platform })
    }

    /// A verb that must succeed.
    pub(crate) fn done(&self, words: &[&str]) -> Cli {
        self.succeeded(words, self.platform.cli(words).unwrap())
    }

    /// The same with something on standard input.
    pub(crate) fn done_told(&self, words: &[&str], input: &str) -> Cli {
        self.succeeded(words, self.platform.cli_told(words, input).unwrap())
    }

    fn succeeded(&self, words: &[&str], cli: Cli) -> Cli {
        assert_eq!(
            cli.code,
            0,
            "`mirage {}`: {}{}\n{}",
            words.join(" "),
            cli.stdout,
            cli.stderr,
            self.narration()
        );
        cli
    }

    /// A verb that cannot be fulfilled: exit 1, this code, a hint.
    pub(crate) fn refused(&self, words: &[&str], code: &str) -> Cli {
        self.failed(words, self.platform.cli(words).unwrap(), code)
    }

    /// The same with something on standard input.
    pub(crate) fn refused_told(&self, words: &[&str], input: &str, code: &str) -> Cli {
        self.failed(words, self.platform.cli_told(words, input).unwrap(), code)
    }

    fn failed(&self, words: &[&str], cli: Cli, code: &str) -> Cli {
        let told = &cli.stderr;
        assert_eq!(cli.code, 1, "`mirage {}`: {}{told}\n{}", words.join(" "), cli.stdout, self.narration());
        assert!(told.contains(code), "no `{code}` in: {told}");
        assert!(told.contains("hint: "), "no hint in: {told}");
        cli
    }

    /// The answer of a service of environment `production`, which must be 200.
    pub(crate) fn served(&self, name: &str) -> String {
        self.platform.until_served(&format!("{name}-production")).unwrap();
        let answer = self.platform.visit(&format!("{name}-production")).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    }

    /// Everything that can be seen of a service, its deployments and the logins: what a refused request must
    /// not have changed. Waits until nothing of it is on its way.
    pub(crate) fn at_rest(&self, service: &str) -> Vec<Value> {
        let shown = |path: &str| self.platform.api("GET", path, None).unwrap().json().unwrap();
        let service = format!("/api/services/{service}");
        let paths =
            [service.as_str(), &format!("{service}/deployments"), "/api/services", "/api/credentials"];
        let all = || {
            let all: Vec<Value> = paths.iter().map(|path| shown(path)).collect();
            let on_its_way = all[..2].iter().any(|one| one.to_string().contains("\"finishedAt\":null"));
            (!on_its_way).then_some(all)
        };
        // Requests that are open on an old instance have half a minute to end.
        eventually("rest", Duration::from_secs(60), all).unwrap()
    }

    /// What `mirage serve` said, for the message of a test that fails.
    pub(crate) fn narration(&self) -> String {
        self.platform.narration()
    }
}
