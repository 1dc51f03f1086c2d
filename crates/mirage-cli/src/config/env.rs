//! Every environment variable Mirage reads, once. `docs/ENV.md` is made from this list.

/// Where the API is, for the command line.
pub const URL: &str = "MIRAGE_URL";
/// The token of whoever asks.
pub const TOKEN: &str = "MIRAGE_TOKEN";
/// The folder in which the platform keeps everything.
pub const DATA_DIR: &str = "MIRAGE_DATA_DIR";
/// Address of API, pages and registry.
pub const LISTEN: &str = "MIRAGE_LISTEN";
/// Address at which services answer.
pub const PROXY_LISTEN: &str = "MIRAGE_PROXY_LISTEN";
/// Address at which services answer over TLS.
pub const PROXY_TLS_LISTEN: &str = "MIRAGE_PROXY_TLS_LISTEN";
/// Directory of the certificate authority.
pub const ACME_DIRECTORY: &str = "MIRAGE_ACME_DIRECTORY";
/// Where the certificate authority may write to.
pub const ACME_EMAIL: &str = "MIRAGE_ACME_EMAIL";
/// What the directory's own address is checked against.
pub const ACME_CA: &str = "MIRAGE_ACME_CA";
/// Services answer below this domain.
pub const BASE_DOMAIN: &str = "MIRAGE_BASE_DOMAIN";
/// Addresses of services.
pub const NETWORK: &str = "MIRAGE_NETWORK";
/// An OCI runtime to use instead of the built-in one.
pub const RUNTIME: &str = "MIRAGE_RUNTIME";
/// The admin token, instead of the one in the data folder.
pub const ADMIN_TOKEN: &str = "MIRAGE_ADMIN_TOKEN";
/// The keys of the vault, instead of the file in the data folder.
pub const VAULT_KEY: &str = "MIRAGE_VAULT_KEY";
/// Registries that are asked over plain HTTP.
pub const INSECURE_REGISTRIES: &str = "MIRAGE_INSECURE_REGISTRIES";
/// Names under which the built-in registry is reached.
pub const REGISTRY_NAMES: &str = "MIRAGE_REGISTRY_NAMES";
/// Registries that are asked before others.
pub const REGISTRY_MIRRORS: &str = "MIRAGE_REGISTRY_MIRRORS";
/// Certificates of registries with an own authority.
pub const REGISTRY_CA: &str = "MIRAGE_REGISTRY_CA";
/// Where passwords for Amazon ECR are made.
pub const ECR_ENDPOINT: &str = "MIRAGE_ECR_ENDPOINT";
/// Where traces of deployments go.
pub const OTLP_ENDPOINT: &str = "MIRAGE_OTLP_ENDPOINT";
/// Proxies that are believed for whom they ask.
pub const TRUSTED_PROXIES: &str = "MIRAGE_TRUSTED_PROXIES";
/// The folder of docker's settings.
pub const DOCKER_CONFIG: &str = "DOCKER_CONFIG";
/// Where large files without a name are.
pub const TEMPORARY: &str = "TMPDIR";
/// How many sockets were opened for a process before it was started.
pub const LISTEN_FDS: &str = "LISTEN_FDS";
/// For which process they were.
pub const LISTEN_PID: &str = "LISTEN_PID";
/// Their names.
pub const LISTEN_FDNAMES: &str = "LISTEN_FDNAMES";
/// Where the service manager listens.
pub const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";
/// How often it wants to hear that all is well.
pub const WATCHDOG_USEC: &str = "WATCHDOG_USEC";
/// From which process.
pub const WATCHDOG_PID: &str = "WATCHDOG_PID";
/// What is logged.
pub const LOG: &str = "MIRAGE_LOG";

/// The folder from which a binary that was built with fail points takes what to do at one. Not in the list below:
/// what is shipped does not know it.
pub const FAIL_POINTS: &str = "MIRAGE_FAIL_POINTS";

/// Name, default, meaning.
pub const ALL: &[(&str, &str, &str)] = &[
    (URL, "`http://127.0.0.1:7070`", "Where the command line finds the API"),
    (TOKEN, "the readable `admin.token`", "The token the command line shows to the API"),
    (
        DATA_DIR,
        "`/var/lib/mirage` as root, else the XDG data folder",
        "The folder in which the platform keeps everything",
    ),
    (LISTEN, "`127.0.0.1:7070`", "Address of API and registry"),
    (PROXY_LISTEN, "`127.0.0.1:8080`", "Address at which services answer"),
    (
        PROXY_TLS_LISTEN,
        "none",
        "Address at which services answer over TLS, for domains that have a certificate",
    ),
    (
        ACME_DIRECTORY,
        "Let's Encrypt",
        "Directory of the certificate authority that is asked by ACME; by using one you agree to its terms",
    ),
    (ACME_EMAIL, "none", "Where that authority may write to about certificates"),
    (
        ACME_CA,
        "the system's",
        "PEM file with the authorities that the directory's own address is checked against",
    ),
    (BASE_DOMAIN, "`localhost`", "Services answer at `<service>-<environment>.` and this"),
    (NETWORK, "a free block, chosen once", "Addresses of services, such as `10.210.0.0/16`"),
    (
        RUNTIME,
        "the built-in runtime",
        "Path of an OCI runtime (`runc`, `crun`, `runsc`) to run containers with",
    ),
    (ADMIN_TOKEN, "made at the first start", "The token that may do everything"),
    (
        VAULT_KEY,
        "`vault.key` in the data folder, made at the first start",
        "The key that secrets are sealed with: 64 hexadecimal digits; several, the newest first, separated by commas",
    ),
    (
        INSECURE_REGISTRIES,
        "none",
        "Registries asked over plain HTTP, separated by commas; loopback ones always are",
    ),
    (
        REGISTRY_NAMES,
        "the address it listens on",
        "More names under which others reach the built-in registry, separated by commas",
    ),
    (
        REGISTRY_MIRRORS,
        "none",
        "Registries asked before others, in order, as `HOST=MIRROR[/PATH]`, separated by commas: `docker.io=mirror.example`",
    ),
    (
        REGISTRY_CA,
        "none",
        "PEM files with the authorities of registries, separated by commas; `HOST=FILE` for one registry",
    ),
    (ECR_ENDPOINT, "that of AWS", "Where passwords for Amazon ECR are made: a VPC endpoint, for example"),
    (
        OTLP_ENDPOINT,
        "none",
        "Collector to send traces of deployments to by OTLP over HTTP, such as `http://127.0.0.1:4318`",
    ),
    (
        TRUSTED_PROXIES,
        "none",
        "Addresses or networks of proxies in front of the pages whose `X-Forwarded-For` says from where somebody logs in, separated by commas",
    ),
    (DOCKER_CONFIG, "`~/.docker`", "The folder of docker's `config.json`, for `mirage credential import`"),
    (
        TEMPORARY,
        "`/var/tmp`",
        "Folder for archives of images that come or go through a pipe, or are compressed; nothing is left there",
    ),
    (LISTEN_FDS, "none", "Set by systemd: how many sockets it opened for `mirage serve`"),
    (LISTEN_PID, "none", "Set by systemd: for which process"),
    (LISTEN_FDNAMES, "`api`, then `proxy`", "Set by systemd: what each of them is for"),
    (NOTIFY_SOCKET, "none", "Set by systemd: where it hears that `mirage serve` is ready, and that it ends"),
    (WATCHDOG_USEC, "none", "Set by systemd: within how many microseconds it wants to hear that all is well"),
    (WATCHDOG_PID, "none", "Set by systemd: from which process"),
    (LOG, "`info`", "What is logged, as `level` or `module=level,…`"),
];

/// A variable that no command line option stands for.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn read(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
