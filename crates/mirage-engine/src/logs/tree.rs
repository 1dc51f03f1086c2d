//! Where the logs of a service are: `<root>/<service>/<deployment>/<instance>/`.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use mirage_core::{DeploymentId, InstanceId, ServiceId};

/// One instance that has, or had, a log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LoggedInstance {
    pub(crate) deployment: DeploymentId,
    pub(crate) instance: InstanceId,
    pub(crate) dir: PathBuf,
}

/// The folder of a service.
pub(crate) fn service_dir(root: &Path, service: ServiceId) -> PathBuf {
    root.join(service.to_string())
}

/// The folders of a service's deployments; none where there is nothing.
pub(crate) fn deployments(service_dir: &Path) -> io::Result<Vec<(DeploymentId, PathBuf)>> {
    children(service_dir)
}

/// The instances of one deployment.
pub(crate) fn instances_of(deployment: DeploymentId, dir: &Path) -> io::Result<Vec<LoggedInstance>> {
    let instances = children(dir)?.into_iter();
    Ok(instances.map(|(instance, dir)| LoggedInstance { deployment, instance, dir }).collect())
}

/// The instances of a service, or of one deployment of it.
pub(crate) fn instances(service_dir: &Path, only: Option<DeploymentId>) -> io::Result<Vec<LoggedInstance>> {
    let mut found = Vec::new();
    for (deployment, dir) in deployments(service_dir)? {
        if only.is_none_or(|only| only == deployment) {
            found.extend(instances_of(deployment, &dir)?);
        }
    }
    Ok(found)
}

/// Entries whose names are ids; others are not ours.
fn children<Id: FromStr>(dir: &Path) -> io::Result<Vec<(Id, PathBuf)>> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if let Some(id) = parse(&entry.file_name())
            && entry.file_type()?.is_dir()
        {
            found.push((id, entry.path()));
        }
    }
    Ok(found)
}

fn parse<Id: FromStr>(name: &OsStr) -> Option<Id> {
    name.to_str()?.parse().ok()
}
