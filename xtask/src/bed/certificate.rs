//! Certificates for loopback, made by `openssl`.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::process::run;

/// A certificate for `127.0.0.1` and `localhost`, and the authority that signed it.
pub(super) struct Certificate {
    /// Its file.
    pub(super) file: PathBuf,
    /// The file of its key.
    pub(super) key: PathBuf,
    /// The file of the authority's certificate.
    pub(super) authority: PathBuf,
}

impl Certificate {
    /// Makes one for two days, with all files in this folder.
    pub(super) fn make(folder: &Path) -> Result<Self> {
        let file = |name: &str| folder.join(name).display().to_string();
        let (authority, authority_key) = (file("authority.pem"), file("authority.key.pem"));
        let (certificate, key) = (file("certificate.pem"), file("certificate.key.pem"));
        request("/CN=an authority of tests", "CA:TRUE", &["-keyout", &authority_key, "-out", &authority])?;
        let names = "subjectAltName=IP:127.0.0.1,DNS:localhost";
        let signed = ["-CA", &authority, "-CAkey", &authority_key, "-addext", names];
        request("/CN=test", "CA:FALSE", &[&signed[..], &["-keyout", &key, "-out", &certificate]].concat())?;
        Ok(Self { file: certificate.into(), key: key.into(), authority: authority.into() })
    }
}

fn request(subject: &str, kind: &str, more: &[&str]) -> Result<()> {
    let constraints = format!("basicConstraints=critical,{kind}");
    let fixed = ["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
    let own = ["-days", "2", "-subj", subject, "-addext", &constraints];
    run("openssl", &[&fixed[..], &own, more].concat()).map(drop)
}
