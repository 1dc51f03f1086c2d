//! A certificate and a key that a user brings: whether they can serve a domain.

use mirage_core::{Code, Domain, Error, Result, Secret, Validity};
use rustls::client::verify_server_name;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;

use super::x509::parts;

/// The largest chain and key that are looked at, in bytes, and the longest chain.
const CHAIN_BYTES: usize = 64 * 1024;
const KEY_BYTES: usize = 16 * 1024;
const LONGEST: usize = 10;

/// When the chain is valid, if it and the key can serve this domain. Whether clients believe whoever signed it is
/// theirs to say.
pub(super) fn check(chain: &str, key: &Secret, domain: &Domain) -> Result<Validity> {
    let chain = read_chain(chain)?;
    let key = read_key(key)?;
    let leaf = ParsedCertificate::try_from(&chain[0])
        .map_err(|error| at_certificate(format!("the first certificate cannot be used: {error}")))?;
    let wanted = domain.as_str().replacen('*', "any", 1);
    let name =
        ServerName::try_from(wanted.as_str()).map_err(|error| Error::internal("compare a domain", error))?;
    verify_server_name(&leaf, &name).map_err(|_| {
        at_certificate(format!("the first certificate is not for `{domain}`"))
            .hint("its alternative names must have the domain; the chain begins with its own certificate")
    })?;
    let all: Option<Vec<_>> = chain.iter().map(|one| parts(one)).collect();
    let all = all.ok_or_else(|| at_certificate("a certificate of the chain cannot be read".into()))?;
    if let Some(at) = all.windows(2).position(|pair| pair[0].issuer != pair[1].subject) {
        let what = format!("certificate {} of the chain is not that of who signed the one before it", at + 2);
        return Err(
            at_certificate(what).hint("the order is: the domain's own, who signed it, who signed that")
        );
    }
    let validity = Validity { from: all[0].from, until: all[0].until };
    match CertifiedKey::from_der(chain, key, &default_provider()) {
        Ok(_) => Ok(validity),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(at_key("the private key does not belong to the certificate".into())
                .hint("give the key that the certificate was requested with"))
        }
        Err(error) => Err(at_key(format!("the private key cannot be used: {error}"))),
    }
}

fn read_chain(text: &str) -> Result<Vec<CertificateDer<'static>>> {
    if text.len() > CHAIN_BYTES {
        let what = format!("the certificate has {} bytes, at most {CHAIN_BYTES} are read", text.len());
        return Err(at_certificate(what));
    }
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).take(LONGEST + 1).collect();
    let chain = read.map_err(|error| at_certificate(format!("the certificate is not PEM: {error}")))?;
    match chain.len() {
        0 => Err(at_certificate("there is no certificate in it".into())
            .hint("it is text that begins with `-----BEGIN CERTIFICATE-----`")),
        1..=LONGEST => Ok(chain),
        _ => Err(at_certificate(format!("the chain has more than {LONGEST} certificates"))),
    }
}

fn read_key(key: &Secret) -> Result<PrivateKeyDer<'static>> {
    let text = key.reveal();
    if text.len() > KEY_BYTES {
        return Err(at_key(format!(
            "the private key has {} bytes, at most {KEY_BYTES} are read",
            text.len()
        )));
    }
    if text.contains("ENCRYPTED") {
        return Err(at_key("the private key is encrypted".into()).hint("`openssl pkey -in FILE` decrypts it"));
    }
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| {
        at_key("there is no private key in it".into())
            .hint("it is text that begins with `-----BEGIN PRIVATE KEY-----` or the like")
    })
}

fn at_certificate(what: String) -> Error {
    Error::new(Code::InvalidRequest, what).field("certificate")
}

fn at_key(what: String) -> Error {
    Error::new(Code::InvalidRequest, what).field("key")
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

    use super::*;

    struct Given {
        chain: String,
        key: Secret,
    }

    fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    fn signed(names: &[&str]) -> (Given, CertifiedIssuer<'static, KeyPair>) {
        let ca = authority("an authority");
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &ca).unwrap();
        (Given { chain: format!("{}{}", leaf.pem(), ca.pem()), key: key.serialize_pem().into() }, ca)
    }

    fn refused(chain: &str, key: &Secret, domain: &str) -> (String, String) {
        let error = check(chain, key, &domain.parse().unwrap()).unwrap_err();
        assert_eq!(error.code(), Code::InvalidRequest);
        (error.at_field().unwrap().to_owned(), error.message().to_owned())
    }

    #[test]
    fn a_chain_and_its_key_are_good_for_the_names_in_it() {
        let (given, _) = signed(&["shop.example.com", "*.example.org"]);
        for domain in ["shop.example.com", "*.example.org", "a.example.org"] {
            let validity = check(&given.chain, &given.key, &domain.parse().unwrap()).unwrap();
            assert!(validity.from < validity.until);
        }
        let (field, message) = refused(&given.chain, &given.key, "other.example.com");
        assert_eq!(
            (field.as_str(), message.as_str()),
            ("certificate", "the first certificate is not for `other.example.com`")
        );
        assert_eq!(refused(&given.chain, &given.key, "*.example.com").0, "certificate");
    }

    #[test]
    fn what_does_not_belong_together_is_refused_with_the_field_at_fault() {
        let (given, _) = signed(&["shop.example.com"]);
        let (other, stranger) = signed(&["shop.example.com"]);
        let domain = "shop.example.com";
        let at = |chain: &str, key: &Secret| refused(chain, key, domain);
        let (field, message) = at(&given.chain, &other.key);
        assert_eq!(
            (field.as_str(), message.as_str()),
            ("key", "the private key does not belong to the certificate")
        );
        let mut reversed: Vec<&str> = given.chain.split_inclusive("-----END CERTIFICATE-----\n").collect();
        reversed.reverse();
        let reversed = reversed.concat();
        assert!(at(&reversed, &given.key).1.contains("is not for"), "the authority's own stands first");
        let leaf = given.chain.split_inclusive("-----END CERTIFICATE-----\n").next().unwrap().to_owned();
        let strange = authority("somebody else");
        assert!(at(&format!("{leaf}{}", strange.pem()), &given.key).1.contains("certificate 2 of the chain"));
        drop(stranger);
        for (chain, key, field) in [
            ("", "x", "certificate"),
            ("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n", "x", "certificate"),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                given.key.reveal(),
                "certificate",
            ),
            (&leaf, "", "key"),
            (&leaf, &leaf, "key"),
            (
                &leaf,
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
                "key",
            ),
            (&leaf, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "key"),
            (&leaf.repeat(11), given.key.reveal(), "certificate"),
            (&"x".repeat(70_000), given.key.reveal(), "certificate"),
            (&leaf, &"x".repeat(20_000), "key"),
        ] {
            assert_eq!(at(chain, &Secret::from(key.to_owned())).0, field, "{:.60}", chain);
        }
    }
}
