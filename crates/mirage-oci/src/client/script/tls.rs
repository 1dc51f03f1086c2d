//! Keys and certificates for a test, made by `openssl`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A certificate for this machine, and its key.
pub(crate) struct Certified {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certified {
    /// For `127.0.0.1` and `localhost`, two days long, signed by an authority of its own, which is in
    /// `authority.pem` of the folder.
    pub(crate) fn make(folder: &Path) -> Self {
        let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
        let (authority, authority_key) = (folder.join("authority.pem"), folder.join("authority.key.pem"));
        let signed_by = [OsStr::new("-CA"), authority.as_ref(), "-CAkey".as_ref(), authority_key.as_ref()];
        request(
            &EC,
            "/CN=an authority of tests",
            &authority_key,
            &authority,
            &["basicConstraints=critical,CA:TRUE"],
            &[],
        );
        let extensions = ["subjectAltName=IP:127.0.0.1,DNS:localhost", "basicConstraints=critical,CA:FALSE"];
        request(&EC, "/CN=test", &key, &certificate, &extensions, &signed_by);
        Self { certificate, key }
    }

    /// With an RSA key, its own authority, for signatures other than those of TLS.
    pub(crate) fn make_rsa(folder: &Path) -> Self {
        let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
        request(&RSA, "/CN=test", &key, &certificate, &["basicConstraints=critical,CA:TRUE"], &[]);
        Self { certificate, key }
    }
}

const EC: [&str; 3] = ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
const RSA: [&str; 1] = ["rsa:2048"];

/// `openssl req -x509` with a fresh key.
fn request(
    kind: &[&str],
    subject: &str,
    key: &Path,
    certificate: &Path,
    extensions: &[&str],
    more: &[&OsStr],
) {
    let mut command = Command::new("/usr/bin/openssl");
    command.args(["req", "-x509", "-nodes", "-days", "2", "-subj", subject, "-newkey"]).args(kind);
    command.args(extensions.iter().flat_map(|extension| ["-addext", extension])).args(more);
    let done = command.arg("-keyout").arg(key).arg("-out").arg(certificate).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
