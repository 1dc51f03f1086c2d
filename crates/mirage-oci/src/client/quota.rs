//! What registries say about how much may still be pulled: `ratelimit-limit: 100;w=21600`.
//!
//! Docker Hub sends this with every manifest, to `HEAD` too; others use the same names.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use mirage_core::{Quota, RegistryHost};
use reqwest::header::HeaderMap;

use super::answer::printable;

const MAX_REGISTRIES: usize = 64;
const MAX_SOURCE_CHARS: usize = 64;

/// What each registry said last.
#[derive(Default)]
pub(crate) struct Quotas(Mutex<HashMap<RegistryHost, Quota>>);

impl Quotas {
    /// Keeps what the headers of an answer say. Nothing there changes nothing.
    pub(crate) fn note(&self, host: &RegistryHost, headers: &HeaderMap) {
        let Some(quota) = read(headers) else { return };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_REGISTRIES && !all.contains_key(host) {
            all.clear();
        }
        all.insert(host.clone(), quota);
    }

    /// What a registry said last.
    pub(crate) fn of(&self, host: &RegistryHost) -> Option<Quota> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(host).cloned()
    }
}

fn read(headers: &HeaderMap) -> Option<Quota> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let (remaining, window) = count(text("ratelimit-remaining")?)?;
    let limit = text("ratelimit-limit").and_then(count);
    let source = text("docker-ratelimit-source").map(|source| printable(source, MAX_SOURCE_CHARS));
    Some(Quota {
        limit: limit.map(|(limit, _)| limit),
        remaining,
        window_seconds: limit.and_then(|(_, window)| window).or(window),
        source: source.filter(|source| !source.is_empty()),
    })
}

/// `100;w=21600`: a number, and the seconds for which it counts where they are named.
fn count(text: &str) -> Option<(u64, Option<u64>)> {
    let mut parts = text.split(';').map(str::trim);
    let number = parts.next()?.parse().ok()?;
    let window = parts.find_map(|part| part.strip_prefix("w=")?.trim().parse().ok());
    Some((number, window))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn docker_hubs_headers_are_understood_and_nonsense_is_not() {
        let hub = [
            ("ratelimit-limit", "100;w=21600"),
            ("ratelimit-remaining", "76;w=21600"),
            ("docker-ratelimit-source", "192.0.2.7"),
        ];
        let source = Some("192.0.2.7".to_owned());
        let expected = Quota { limit: Some(100), remaining: 76, window_seconds: Some(21_600), source };
        assert_eq!(read(&headers(&hub)), Some(expected));
        let plain = read(&headers(&[("ratelimit-remaining", " 5 ")])).unwrap();
        assert_eq!((plain.limit, plain.remaining, plain.window_seconds), (None, 5, None));
        for nonsense in ["", "many", "-1", "1.5;w=60", "99999999999999999999"] {
            assert_eq!(read(&headers(&[("ratelimit-remaining", nonsense)])), None, "{nonsense}");
        }
        assert_eq!(read(&headers(&[("ratelimit-limit", "100")])), None, "what is left is the point");
        let odd = read(&headers(&[("ratelimit-remaining", "3;w=soon"), ("ratelimit-limit", "x")])).unwrap();
        assert_eq!((odd.limit, odd.window_seconds), (None, None));
    }

    #[test]
    fn the_last_word_counts_and_silence_is_no_word() {
        let (quotas, host) = (Quotas::default(), "docker.io".parse().unwrap());
        quotas.note(&host, &HeaderMap::new());
        assert_eq!(quotas.of(&host), None);
        quotas.note(&host, &headers(&[("ratelimit-remaining", "7")]));
        quotas.note(&host, &headers(&[("ratelimit-remaining", "6")]));
        quotas.note(&host, &HeaderMap::new());
        assert_eq!(quotas.of(&host).map(|quota| quota.remaining), Some(6));
        for number in 0..200 {
            let other = format!("r{number}.example.com").parse().unwrap();
            quotas.note(&other, &headers(&[("ratelimit-remaining", "1")]));
        }
        assert!(quotas.0.lock().unwrap().len() <= MAX_REGISTRIES);
    }
}
