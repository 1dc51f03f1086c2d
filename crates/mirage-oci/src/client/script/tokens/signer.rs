//! Tokens as `docker-registry` 2.8 takes them: JSON Web Tokens signed with RS256, with the certificate of
//! the key in `x5c`.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde_json::json;
use tempfile::TempDir;

use super::super::tls::Certified;
use super::TokenService;
use super::grant::Grant;

/// `docker-registry` takes a token a minute longer than the token says.
const LEEWAY: u64 = 60;
const IDENTITY: &str = "identity-of-";

/// The key of a token service with its certificate.
pub(super) struct Signer {
    folder: TempDir,
    key: RsaKeyPair,
    certificate: String,
}

impl Signer {
    pub(super) fn make() -> Self {
        let folder = TempDir::new().unwrap();
        let made = Certified::make_rsa(folder.path());
        let key = PrivatePkcs8KeyDer::from_pem_file(made.key).unwrap();
        let key = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap();
        let certificate = CertificateDer::from_pem_file(made.certificate).unwrap();
        let certificate = BASE64_STANDARD.encode(certificate);
        Self { folder, key, certificate }
    }

    pub(super) fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// A token for these rights that the registry takes for `life` seconds.
    pub(super) fn token(&self, user: Option<&str>, grants: &[Grant], life: u64) -> String {
        let header = json!({ "typ": "JWT", "alg": "RS256", "x5c": [self.certificate] });
        let now = now();
        let claims = json!({
            "iss": TokenService::ISSUER, "aud": TokenService::SERVICE, "sub": user.unwrap_or_default(),
            "iat": now, "nbf": now, "exp": now + life - LEEWAY, "jti": "1", "access": grants,
        });
        let part = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(header), part(claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
        format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    /// What stands for the password of a user from now on.
    pub(super) fn identity_token(&self, user: &str) -> String {
        format!("{IDENTITY}{user}")
    }

    pub(super) fn owner_of(&self, identity_token: &str) -> Option<String> {
        identity_token.strip_prefix(IDENTITY).map(str::to_owned)
    }
}

#[expect(clippy::disallowed_methods, reason = "the registry looks at the clock of the machine")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
