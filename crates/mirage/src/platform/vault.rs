//! Where the vault's key is.

use std::path::Path;

use mirage_cli::config::env;
use mirage_store::KeySource;

/// The key that was given, else that of the data folder, made at the first start (file mode 0600).
pub(crate) fn vault_keys(data: &Path) -> KeySource {
    match env::read(env::VAULT_KEY) {
        Some(keys) => KeySource::Given { variable: env::VAULT_KEY, keys: keys.into() },
        None => KeySource::File(data.join("vault.key")),
    }
}
