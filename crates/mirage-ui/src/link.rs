//! Addresses of pages.

use mirage_control::{ServicePath, ServiceView};
use mirage_core::{CredentialId, DeploymentId, Repository};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// The longest address that a log-in leads back to, in bytes.
const NEXT_MAX: usize = 600;
/// The pages that a log-in leads back to.
const BACK: [&str; 9] = [
    "/projects",
    "/deployments",
    "/events",
    "/images",
    "/credentials",
    "/settings",
    "/new",
    "/jump",
    "/keys",
];

/// The log-in, which leads back to `wanted` where that is a page.
pub(crate) fn log_in(wanted: &str) -> String {
    match next(wanted) {
        "/" => "/login".to_owned(),
        next => format!("/login?next={}", utf8_percent_encode(next, NON_ALPHANUMERIC)),
    }
}

/// The same for somebody who sent a form, which was not read.
pub(crate) fn log_in_again(wanted: &str) -> String {
    match log_in(wanted) {
        // Nothing to come back to was behind it, such as a log-out.
        path if !path.contains('?') => path,
        path => format!("{path}&unsent=yes"),
    }
}

/// Where a log-in leads to: `wanted`, if that is a page of this platform and cannot be read as anything else.
pub(crate) fn next(wanted: &str) -> &str {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/?=&%:".contains(&byte);
    let known = BACK.iter().any(|page| {
        wanted.strip_prefix(page).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
    });
    let is_safe = known && wanted.len() <= NEXT_MAX && wanted.bytes().all(plain) && !wanted.contains("//");
    if is_safe { wanted } else { "/" }
}

/// An environment.
pub(crate) fn environment(project: &str, environment: &str) -> String {
    format!("/projects/{project}/{environment}")
}

/// A service.
pub(crate) fn service(view: &ServiceView) -> String {
    format!(
        "{}/{}",
        environment(view.project.name.as_str(), view.environment.name.as_str()),
        view.service.name
    )
}

/// The same from its path.
pub(crate) fn at(path: &ServicePath) -> String {
    format!("{}/{}", environment(path.project.as_str(), path.environment.as_str()), path.name)
}

/// A deployment.
pub(crate) fn deployment(id: DeploymentId) -> String {
    format!("/deployments/{id}")
}

/// A login for a registry.
pub(crate) fn credential(id: CredentialId) -> String {
    format!("/credentials/{id}")
}

/// A repository of the built-in registry.
pub(crate) fn repository(repository: &Repository) -> String {
    format!("/images/repository?name={}", quoted(repository.as_str()))
}

/// Where a tag or a repository of the built-in registry is removed.
pub(crate) fn removal(name: &str) -> String {
    format!("/images/remove?name={}", quoted(name))
}

/// Text as it stands behind the `?` of an address.
pub(crate) fn quoted(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// How the command line names a service.
pub(crate) fn spoken(view: &ServiceView) -> String {
    format!("{}/{}/{}", view.project.name, view.environment.name, view.service.name)
}
