//! The names of Amazon's registries.

use mirage_core::RegistryHost;

/// Domains of registries: what stands before the region, what after it, and the same for where passwords
/// are minted (AWS General Reference, "Amazon ECR endpoints and quotas"; those of China and of the
/// European Sovereign Cloud as in the endpoint rules of the SDKs).
const DOMAINS: &[[&str; 4]] = &[
    ["dkr.ecr.", ".amazonaws.com", "api.ecr.", ".amazonaws.com"],
    ["dkr.ecr-fips.", ".amazonaws.com", "ecr-fips.", ".amazonaws.com"],
    ["dkr.ecr.", ".amazonaws.com.cn", "api.ecr.", ".amazonaws.com.cn"],
    ["dkr.ecr.", ".amazonaws.eu", "api.ecr.", ".amazonaws.eu"],
    // With IPv6.
    ["dkr-ecr.", ".on.aws", "ecr.", ".api.aws"],
    ["dkr-ecr-fips.", ".on.aws", "ecr-fips.", ".api.aws"],
    ["dkr-ecr.", ".on.amazonwebservices.com.cn", "ecr.", ".api.amazonwebservices.com.cn"],
];

/// Digits of the number of an account.
const ACCOUNT_DIGITS: usize = 12;

/// A private registry of Amazon ECR: `123456789012.dkr.ecr.eu-west-1.amazonaws.com`. The public one,
/// `public.ecr.aws`, is like any other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EcrRegistry {
    /// The registry.
    pub(crate) host: RegistryHost,
    /// `eu-west-1`.
    pub(crate) region: String,
    /// The host where passwords for it are minted: `api.ecr.eu-west-1.amazonaws.com`.
    pub(crate) api: String,
}

impl EcrRegistry {
    /// The registry with this name, where it is one of Amazon's.
    pub(crate) fn of(host: &RegistryHost) -> Option<Self> {
        let name = host.as_str().to_ascii_lowercase();
        let (account, rest) = name.split_once('.')?;
        if account.len() != ACCOUNT_DIGITS || !account.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        DOMAINS.iter().find_map(|[before, after, api_before, api_after]| {
            let region = rest.strip_prefix(before)?.strip_suffix(after)?;
            let plain = !region.is_empty() && !region.contains(['.', ':']);
            plain.then(|| Self {
                host: host.clone(),
                region: region.to_owned(),
                api: format!("{api_before}{region}{api_after}"),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_of_amazon_is_known_by_its_name() {
        for (host, region, api) in [
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "eu-west-1", "api.ecr.eu-west-1.amazonaws.com"),
            (
                "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
                "us-gov-west-1",
                "ecr-fips.us-gov-west-1.amazonaws.com",
            ),
            (
                "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
                "cn-north-1",
                "api.ecr.cn-north-1.amazonaws.com.cn",
            ),
            (
                "123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu",
                "eusc-de-east-1",
                "api.ecr.eusc-de-east-1.amazonaws.eu",
            ),
            ("123456789012.dkr-ecr.us-west-2.on.aws", "us-west-2", "ecr.us-west-2.api.aws"),
            ("123456789012.dkr-ecr-fips.us-east-2.on.aws", "us-east-2", "ecr-fips.us-east-2.api.aws"),
            (
                "123456789012.dkr-ecr.cn-northwest-1.on.amazonwebservices.com.cn",
                "cn-northwest-1",
                "ecr.cn-northwest-1.api.amazonwebservices.com.cn",
            ),
            ("123456789012.DKR.ECR.EU-West-1.AmazonAWS.com", "eu-west-1", "api.ecr.eu-west-1.amazonaws.com"),
        ] {
            let registry = EcrRegistry::of(&host.parse().unwrap()).unwrap();
            assert_eq!((registry.region.as_str(), registry.api.as_str()), (region, api), "{host}");
        }
    }

    #[test]
    fn what_only_looks_like_one_is_none() {
        for host in [
            "ghcr.io",
            "public.ecr.aws",
            "12345.dkr.ecr.eu-west-1.amazonaws.com",
            "acme.dkr.ecr.eu-west-1.amazonaws.com",
            "123456789012.dkr.ecr.amazonaws.com",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example",
            "123456789012.dkr.ecr.evil.example.eu-west-1.amazonaws.com",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com:5000",
            "x.123456789012.dkr.ecr.eu-west-1.amazonaws.com",
            "123456789012.dkr-ecr.eu-west-1.amazonaws.com",
            "localhost:5000",
        ] {
            assert_eq!(EcrRegistry::of(&host.parse().unwrap()), None, "{host}");
        }
    }
}
