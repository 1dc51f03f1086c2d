//! The token that may do everything.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use mirage_core::fault::point;
use mirage_core::port::Randomness;
use mirage_core::{Code, Error, Result};

use super::node::full_disk;
use mirage_cli::config::env;

/// The shortest token somebody may choose.
const MIN_LENGTH: usize = 16;

/// The chosen token, else that of the data folder, made at the first start (file mode 0600).
pub(crate) fn admin_token(data: &Path, random: &dyn Randomness) -> Result<String> {
    if let Some(token) = env::read(env::ADMIN_TOKEN) {
        if token.len() < MIN_LENGTH {
            return Err(Error::new(Code::InvalidRequest, format!("{} is too short", env::ADMIN_TOKEN)).hint(
                format!("use at least {MIN_LENGTH} characters, such as the output of `openssl rand -hex 24`"),
            ));
        }
        if token.trim() != token || !token.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            let what = format!("{} has characters that no header can carry", env::ADMIN_TOKEN);
            return Err(Error::new(Code::InvalidRequest, what).hint(
                "use letters, digits and signs of ASCII, such as the output of `openssl rand -hex 24`",
            ));
        }
        return Ok(token);
    }
    let path = data.join("admin.token");
    let failed = |error: std::io::Error| {
        if error.kind() == std::io::ErrorKind::StorageFull {
            return full_disk(&path);
        }
        Error::new(Code::TargetUnavailable, format!("`{}` cannot be used: {error}", path.display()))
            .hint(format!("check its owner and mode, or set {}", env::ADMIN_TOKEN))
    };
    match std::fs::read_to_string(&path) {
        Ok(text) if text.trim().len() >= MIN_LENGTH => Ok(text.trim().to_owned()),
        Ok(_) => Err(Error::new(Code::TargetUnavailable, format!("`{}` holds no token", path.display()))
            .hint("remove the file; the next start makes a new one")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let token: String = random.bytes32().iter().map(|byte| format!("{byte:02x}")).collect();
            // Complete before it has its name, so that a start that is killed leaves no empty file.
            let draft = data.join("admin.token.new");
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&draft)
                .map_err(failed)?;
            file.write_all(format!("{token}\n").as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
            point("token/name")?;
            // Somebody has read it when the power goes out, so it has to be the same then.
            std::fs::rename(&draft, &path).and_then(|()| File::open(data)?.sync_all()).map_err(failed)?;
            point("token/named")?;
            Ok(token)
        }
        Err(error) => Err(failed(error)),
    }
}
