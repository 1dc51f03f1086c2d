//! What a shim needs on disk before it starts.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use mirage_core::fault::{point, point_io};
use mirage_core::{InstanceSpec, MountedVolume, Result};
use zeroize::Zeroizing;

use super::place::private;
use super::{Inner, fault};
use crate::network::Attachment;
use crate::shim::{BoundFile, BoundVolume, LogPlace, Process, ShimSpec};
use crate::volume::Place;

/// Seconds after which a start that has not led to a running process is given up.
const START_SECONDS: u32 = 30;
/// The same where the image's content is first copied into a volume.
const FIRST_START_SECONDS: u32 = 100;
/// Milliseconds between stop signal and kill where a shim ends its container by itself.
const GRACE_MILLIS: u64 = 10_000;

/// How many seconds the start of this instance may take.
pub(super) fn start_seconds(inner: &Inner, spec: &InstanceSpec) -> u32 {
    let is_new = |id| !Place::new(&inner.places.volume(id)).data().exists();
    match spec.volumes.iter().any(|volume| is_new(volume.id)) {
        true => FIRST_START_SECONDS,
        false => START_SECONDS,
    }
}

/// Gives an instance its place in the network and writes everything its shim will read. Blocks.
/// Done again where it was done before.
pub(super) fn write(inner: &Inner, spec: &InstanceSpec, layers: Vec<PathBuf>) -> Result<PathBuf> {
    let attachment = inner.network.attach(spec.id, spec.network)?;
    point("instance/attached")?;
    let folder = inner.places.instance(spec.id);
    fill(inner, spec, layers, &attachment, &folder)
        .map_err(|error| fault("write down what an instance needs", error))?;
    point("instance/named")?;
    Ok(folder)
}

fn fill(
    inner: &Inner,
    spec: &InstanceSpec,
    layers: Vec<PathBuf>,
    attachment: &Attachment,
    folder: &Path,
) -> io::Result<()> {
    let unfinished = inner.places.unfinished(spec.id);
    super::sweep::remove(&unfinished)?;
    private(&unfinished)?;
    private(&inner.places.writable(spec.id))?;
    let hostname = format!("{}-{}", spec.service_name, spec.id.short());
    let texts = [
        ("resolv.conf", format!("nameserver {}\noptions ndots:0\n", attachment.gateway)),
        ("hosts", hosts(attachment, &hostname)),
        ("hostname", format!("{hostname}\n")),
    ];
    for (name, text) in &texts {
        // Processes of any user read them.
        create(&unfinished.join(name), 0o644, text.as_bytes())?;
    }
    for volume in &spec.volumes {
        point_io("volume/make")?;
        Place::new(&inner.places.volume(volume.id)).make()?;
    }
    let bound = |(name, _): &(&str, String)| BoundFile {
        source: folder.join(name),
        target: Path::new("/etc").join(name),
    };
    let files = texts.iter().map(bound).collect();
    let shim = shim_spec(inner, spec, layers, attachment, hostname, files);
    create(&ShimSpec::path(&unfinished), 0o600, &serde_json::to_vec(&shim)?)?;
    point_io("instance/name")?;
    fs::rename(unfinished, folder)
}

fn shim_spec(
    inner: &Inner,
    spec: &InstanceSpec,
    layers: Vec<PathBuf>,
    attachment: &Attachment,
    hostname: String,
    files: Vec<BoundFile>,
) -> ShimSpec {
    let image = &spec.image.config;
    ShimSpec {
        instance: spec.id,
        service: spec.service,
        deployment: spec.deployment,
        process: Process {
            arguments: spec.arguments.clone(),
            variables: Vec::new(),
            user: image.user.clone(),
            working_directory: image.working_directory.clone(),
            stop_signal: image.stop_signal.clone(),
        },
        layers,
        writable: inner.places.writable(spec.id),
        network_namespace: attachment.namespace.clone(),
        hostname,
        files,
        volumes: spec.volumes.iter().map(|volume| bound_volume(inner, volume)).collect(),
        resources: spec.resources.clone(),
        allow_new_privileges: spec.allow_new_privileges,
        log: LogPlace {
            directory: inner.logs.of(spec.service, spec.deployment, spec.id),
            max_bytes: spec.log.max_bytes,
        },
        cgroup: inner.cgroup(spec.id),
        runtime: inner.runtime.clone(),
        start_seconds: start_seconds(inner, spec),
        grace_millis: GRACE_MILLIS,
    }
}

fn bound_volume(inner: &Inner, volume: &MountedVolume) -> BoundVolume {
    let target = PathBuf::from(volume.path.as_str());
    BoundVolume { id: volume.id, folder: inner.places.volume(volume.id), target }
}

fn hosts(attachment: &Attachment, hostname: &str) -> String {
    format!(
        "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n{} {hostname}\n",
        attachment.address
    )
}

fn create(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(content)?;
    // The mask of the process has no say.
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))
}

/// The variables in the clear, as the shim reads them from its standard input. They often are secret, so
/// they never lie on a disk.
pub(super) fn variables(spec: &InstanceSpec) -> io::Result<Zeroizing<Vec<u8>>> {
    let all: Vec<(&str, &str)> =
        spec.variables.iter().map(|(name, value)| (name.as_str(), value.reveal())).collect();
    Ok(Zeroizing::new(serde_json::to_vec(&all)?))
}
