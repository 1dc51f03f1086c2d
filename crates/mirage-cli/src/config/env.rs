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
/// Services answer below this domain.
pub const BASE_DOMAIN: &str = "MIRAGE_BASE_DOMAIN";
/// Addresses of services.
pub const NETWORK: &str = "MIRAGE_NETWORK";
/// An OCI runtime to use instead of the built-in one.
pub const RUNTIME: &str = "MIRAGE_RUNTIME";
/// The admin token, instead of the one in the data folder.
pub const ADMIN_TOKEN: &str = "MIRAGE_ADMIN_TOKEN";
/// Registries that are asked over plain HTTP.
pub const INSECURE_REGISTRIES: &str = "MIRAGE_INSECURE_REGISTRIES";
/// Certificates of registries with an own authority.
pub const REGISTRY_CA: &str = "MIRAGE_REGISTRY_CA";
/// Where large files without a name are.
pub const TEMPORARY: &str = "TMPDIR";
/// What is logged.
pub const LOG: &str = "MIRAGE_LOG";

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
    (BASE_DOMAIN, "`localhost`", "Services answer at `<service>-<environment>.` and this"),
    (NETWORK, "a free block, chosen once", "Addresses of services, such as `10.210.0.0/16`"),
    (
        RUNTIME,
        "the built-in runtime",
        "Path of an OCI runtime (`runc`, `crun`, `runsc`) to run containers with",
    ),
    (ADMIN_TOKEN, "made at the first start", "The token that may do everything"),
    (
        INSECURE_REGISTRIES,
        "none",
        "Registries asked over plain HTTP, separated by commas; loopback ones always are",
    ),
    (REGISTRY_CA, "none", "PEM files with the authorities of registries, separated by commas"),
    (
        TEMPORARY,
        "`/var/tmp`",
        "Folder for archives of images that come or go through a pipe, or are compressed; nothing is left there",
    ),
    (LOG, "`info`", "What is logged, as `level` or `module=level,…`"),
];

/// A variable that no command line option stands for.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn read(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
