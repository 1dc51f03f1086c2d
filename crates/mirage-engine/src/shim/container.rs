//! Putting a container together, in the launcher.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use mirage_core::fault::point_io;
use nix::mount::MsFlags;
use nix::sched::CloneFlags;
use nix::sys::resource::{Resource, getrlimit};

use super::launch::Job;
use super::spec::{Process, ShimSpec};
use super::volumes;
use crate::rootfs::{self, ContainerUser, Inside, Layers};
use crate::runtime::{self, Output, Ready};

/// Where programs are looked for when the image does not say.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The most open files of a container's process, where our own limit allows it.
const OPEN_FILES: u64 = 1 << 20;

/// Folder in the instance's folder that the launcher mounts its scratch space over.
const SCRATCH: &str = "b";

/// Starts the container and answers with its first process.
pub(super) fn start(job: &Job<'_>, output: Output) -> Result<i32, String> {
    let spec = job.spec;
    let scratch =
        private_scratch(job.dir).map_err(|error| could_not("make room for the container", &error))?;
    point_io("shim/scratch").map_err(|error| could_not("make room for the container", &error))?;
    let root = scratch.join("root");
    let layers = Layers { lower: &spec.layers, writable: &spec.writable };
    rootfs::mount(&layers, &scratch.join("l"), &root)
        .map_err(|error| could_not("stack the image's layers", &error))?;
    point_io("shim/root").map_err(|error| could_not("stack the image's layers", &error))?;
    let inside = Inside::open(&root).map_err(|error| could_not("look into the image", &error))?;

    let user = rootfs::resolve_user(&inside, &spec.process.user)?;
    let environment = environment(spec, &user)?;
    let working_directory = rootfs::clean(Path::new(&spec.process.working_directory));
    let (program, volumes) = {
        let _veil =
            inside.veil(&["proc", "dev"]).map_err(|error| could_not("prepare /proc and /dev", &error))?;
        let volumes = volumes::prepare(&inside, spec, &user, &working_directory)?;
        prepare(&inside, spec, &working_directory)?;
        (find_program(&inside, &spec.process, &environment, &working_directory)?, volumes)
    };
    let open_files = open_files();
    runtime::choose(spec).start(Ready {
        spec,
        scratch: &scratch,
        root: &root,
        user: &user,
        program: &program,
        working_directory: &working_directory,
        volumes: &volumes,
        environment: &environment,
        group: job.group,
        version: job.version,
        open_files,
        masked: &heat_folders(Path::new("/sys/devices/system/cpu")),
        output,
    })
}

/// The most open files that a process of a container gets.
pub(crate) fn open_files() -> u64 {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(_, hard)| hard.min(OPEN_FILES))
}

/// Where processors tell how often they were too hot: what neighbours do can be read from it, so
/// Docker masks it too.
fn heat_folders(processors: &Path) -> Vec<String> {
    let entries = fs::read_dir(processors).into_iter().flatten().flatten();
    let folders = entries.map(|processor| processor.path().join("thermal_throttle"));
    folders.filter(|folder| folder.is_dir()).filter_map(|folder| folder.to_str().map(str::to_owned)).collect()
}

fn could_not(what: &str, error: &io::Error) -> String {
    format!("Mirage could not {what}: {error}")
}

/// A mount namespace that ends with this process, and in it an empty folder. What the container
/// gets to see it takes into its own namespace, so the end of both is the end of every mount.
fn private_scratch(dir: &Path) -> io::Result<PathBuf> {
    nix::sched::unshare(CloneFlags::CLONE_NEWNS)?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    nix::mount::mount(None::<&str>, "/", None::<&str>, private, None::<&str>)?;
    let scratch = dir.join(SCRATCH);
    fs::DirBuilder::new().mode(0o700).create(&scratch)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    nix::mount::mount(Some("tmpfs"), &scratch, Some("tmpfs"), flags, Some("mode=0700,size=16m"))?;
    for folder in ["l", "root"] {
        fs::create_dir(scratch.join(folder))?;
    }
    Ok(scratch)
}

/// `NAME=value` for every variable, the last of a name, with what every container has.
pub(crate) fn environment(spec: &ShimSpec, user: &ContainerUser) -> Result<Vec<String>, String> {
    let mut variables: Vec<(&str, &str)> =
        vec![("PATH", DEFAULT_PATH), ("HOSTNAME", &spec.hostname), ("HOME", &user.home)];
    for (name, value) in &spec.process.variables {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(format!("`{}` cannot be an environment variable", name.escape_debug()));
        }
        match variables.iter_mut().find(|(known, _)| known == name) {
            Some(known) => known.1 = value,
            None => variables.push((name, value)),
        }
    }
    Ok(variables.into_iter().map(|(name, value)| format!("{name}={value}")).collect())
}

/// Makes what the image lacks.
fn prepare(inside: &Inside, spec: &ShimSpec, working_directory: &Path) -> Result<(), String> {
    // What is there is mounted later, so it either has the directory or it will be missed.
    if !["/proc", "/dev"].iter().any(|mounted| working_directory.starts_with(mounted)) {
        let name = working_directory.display();
        inside
            .make_directories(working_directory)
            .map_err(|error| format!("the working directory `{name}` cannot be made: {error}"))?;
    }
    for file in &spec.files {
        let name = file.target.display();
        inside.make_file(&file.target).map_err(|error| format!("no file can be put at `{name}`: {error}"))?;
    }
    Ok(())
}

fn find_program(
    inside: &Inside,
    process: &Process,
    environment: &[String],
    directory: &Path,
) -> Result<PathBuf, String> {
    let name = process.arguments.first().map(String::as_str).unwrap_or_default();
    let path = environment.iter().find_map(|variable| variable.strip_prefix("PATH=")).unwrap_or_default();
    rootfs::check_program(inside, name, path, directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(variables: &[(&str, &str)]) -> ShimSpec {
        let id = "00000000-0000-4000-8000-000000000000";
        let mut spec: ShimSpec = serde_json::from_value(serde_json::json!({
            "instance": id, "service": id, "deployment": id, "layers": ["/l"], "writable": "/w",
            "process": {
                "arguments": ["web"], "user": "", "working_directory": "", "stop_signal": null,
            },
            "network_namespace": "/n", "hostname": "web-1", "files": [], "resources": {},
            "allow_new_privileges": false, "log": { "directory": "/l", "max_bytes": 1 },
            "cgroup": "/m/1", "start_seconds": 1, "grace_millis": 1,
        }))
        .unwrap();
        let pairs = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        spec.process.variables = pairs.collect();
        spec
    }

    fn environment_of(variables: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let user = ContainerUser { uid: 0, gid: 0, groups: vec![0], home: "/root".into() };
        environment(&spec(variables), &user)
    }

    #[test]
    fn what_every_container_has_is_added_where_it_is_absent() {
        let path = format!("PATH={DEFAULT_PATH}");
        assert_eq!(environment_of(&[]).unwrap(), [path.as_str(), "HOSTNAME=web-1", "HOME=/root"]);
        let own = environment_of(&[("HOME", "/app"), ("A", "1"), ("PATH", "/bin"), ("A", "2=3")]).unwrap();
        assert_eq!(own, ["PATH=/bin", "HOSTNAME=web-1", "HOME=/app", "A=2=3"]);
    }

    #[test]
    fn the_heat_of_each_processor_is_found_where_the_machine_tells_it() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["cpu0/thermal_throttle", "cpu1/cache", "cpufreq"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let heat = folder.path().join("cpu0/thermal_throttle").to_str().unwrap().to_owned();
        assert_eq!(heat_folders(folder.path()), [heat]);
        assert_eq!(heat_folders(Path::new("/nowhere")), Vec::<String>::new());
    }

    #[test]
    fn what_no_process_can_have_is_refused() {
        for (name, value) in [("", "x"), ("A=B", "x"), ("A\0", "x"), ("A", "x\0")] {
            assert!(
                environment_of(&[(name, value)]).unwrap_err().contains("cannot be an environment variable")
            );
        }
    }
}
