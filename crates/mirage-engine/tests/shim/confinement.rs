//! What a container cannot do.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use mirage_engine::cgroup::{Hierarchies, Version};
use mirage_engine::shim::{Request, ShimSpec};

use crate::Test;
use crate::fixture::Bench;

pub(crate) const TESTS: &[Test] = &[
    ("capabilities_are_dockers", capabilities_are_dockers),
    ("the_host_is_out_of_sight", the_host_is_out_of_sight),
    ("paths_are_masked_and_read_only", paths_are_masked_and_read_only),
    ("dangerous_calls_are_refused", dangerous_calls_are_refused),
    ("devices_of_the_host_stay_closed", devices_of_the_host_stay_closed),
    ("limits_cannot_be_lifted_from_inside", limits_cannot_be_lifted_from_inside),
    ("setuid_works_only_where_it_is_allowed", setuid_works_only_where_it_is_allowed),
    ("no_descriptor_leaks_in", no_descriptor_leaks_in),
    (
        "the_program_that_starts_the_container_cannot_be_executed_by_it",
        the_program_that_starts_the_container_cannot_be_executed_by_it,
    ),
    ("low_ports_and_signals_are_as_programs_expect", low_ports_and_signals_are_as_programs_expect),
];

/// CAP_AUDIT_WRITE, CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, MKNOD, NET_BIND_SERVICE, NET_RAW,
/// SETFCAP, SETGID, SETPCAP, SETUID, SYS_CHROOT: what `docker run` gives.
const DOCKER: &str = "00000000a80425fb";

fn status(bench: &Bench, change: impl FnOnce(&mut ShimSpec)) -> Vec<(String, String)> {
    let (log, _) = bench.output_with("grep -E '^(Cap|NoNewPrivs|Seccomp)' /proc/self/status", change);
    let pair = |line: &str| {
        let (key, value) = line.split_once(":\t").unwrap();
        (key.to_owned(), value.to_owned())
    };
    log.lines().map(pair).collect()
}

fn expect(status: &[(String, String)], expected: &[(&str, &str)]) {
    for (key, value) in expected {
        let found = status.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str());
        assert_eq!(found, Some(*value), "{key} in {status:?}");
    }
}

fn capabilities_are_dockers(bench: &Bench) {
    const NONE: &str = "0000000000000000";
    expect(
        &status(bench, |_| {}),
        &[
            ("CapInh", NONE),
            ("CapPrm", DOCKER),
            ("CapEff", DOCKER),
            ("CapBnd", DOCKER),
            ("CapAmb", NONE),
            ("NoNewPrivs", "1"),
            ("Seccomp", "2"),
        ],
    );
    expect(
        &status(bench, |spec| spec.process.user = "app".into()),
        &[("CapPrm", NONE), ("CapEff", NONE), ("CapBnd", DOCKER), ("Seccomp", "2")],
    );
    expect(
        &status(bench, |spec| spec.allow_new_privileges = true),
        &[("CapPrm", DOCKER), ("CapEff", DOCKER), ("CapBnd", DOCKER), ("NoNewPrivs", "0"), ("Seccomp", "2")],
    );
}

fn the_host_is_out_of_sight(bench: &Bench) {
    let script = "echo $$; ls /proc | grep -c '^[0-9]'; ls / ; cut -d: -f1 /proc/net/dev | tail -n +3; ipcs -m | wc -l";
    let (log, _) = bench.output(script);
    assert!(log.starts_with("1\n"), "{log}");
    assert!(log.contains("\nbin\ndev\netc\nhome\nproc\nsys\ntmp\n"), "{log}");
    let secret = bench.folder.path().join("secret");
    fs::write(&secret, "").unwrap();
    let (_, exit) = bench.output(&format!("test -e {}", secret.display()));
    assert_eq!(exit.code, Some(1));
}

fn paths_are_masked_and_read_only(bench: &Bench) {
    let script = "
        cat /proc/kcore | wc -c
        cat /proc/keys | wc -c
        ls /sys/firmware | wc -l
        echo 1 > /proc/sys/kernel/panic || echo no
        echo b > /proc/sysrq-trigger || echo no
        touch /sys/x || echo no
        touch /etc/hosts 2>/dev/null; echo x >> /etc/hosts || echo no
        grep -c overlay /proc/mounts
    ";
    let (log, _) = bench.output(&format!("({script}) 2>/dev/null"));
    assert_eq!(log, "0\n0\n0\nno\nno\nno\nno\n1\n");
}

fn dangerous_calls_are_refused(bench: &Bench) {
    let script = "
        mount -t tmpfs none /tmp || echo no
        unshare -m true || echo no
        unshare -U true || echo no
        chroot / true && echo yes
        insmod /bin/plain || echo no
        hostname other || echo no
        swapoff -a; reboot -f; echo alive
        nsenter -t 1 -n true || echo no
    ";
    let (log, _) = bench.output(&format!("({script}) 2>/dev/null"));
    assert_eq!(log, "no\nno\nno\nyes\nno\nno\nalive\nno\n");
}

fn devices_of_the_host_stay_closed(bench: &Bench) {
    let script = "
        ls /dev
        for device in null zero full random urandom tty; do test -c /dev/$device || echo missing $device; done
        mknod /tmp/disk b 8 0 && dd if=/tmp/disk of=/dev/null count=1 2>/dev/null || echo closed
        mknod /dev/disk b 254 0 && dd if=/dev/disk of=/dev/null count=1 2>/dev/null || echo closed
        mknod /dev/mem2 c 1 1 && dd if=/dev/mem2 of=/dev/null count=1 2>/dev/null || echo closed
        mknod /tmp/null2 c 1 3 && echo x > /tmp/null2 && echo open
        df -k /dev/shm | tail -n 1 | awk '{print $2}'
    ";
    let (log, _) = bench.output(script);
    assert!(!log.contains("missing"), "{log}");
    assert!(log.ends_with("closed\nclosed\nclosed\nopen\n65536\n"), "{log}");
}

fn limits_cannot_be_lifted_from_inside(bench: &Bench) {
    let version = Hierarchies::detect().unwrap().version();
    let file = if version == Version::V2 { "memory.max" } else { "memory/memory.limit_in_bytes" };
    let script = format!(
        "cat /sys/fs/cgroup/{file}; echo 1000000000 > /sys/fs/cgroup/{file} || echo no; mkdir /sys/fs/cgroup/memory/x || echo no"
    );
    let (log, _) = bench.output_with(&format!("({script}) 2>/dev/null"), |spec| {
        spec.resources.memory_bytes = Some(64 << 20);
        spec.resources.cpu_millis = Some(500);
    });
    assert_eq!(log, "67108864\nno\nno\n");
}

fn setuid_works_only_where_it_is_allowed(bench: &Bench) {
    let run = |allowed: bool| {
        let show = "id -u; grep -E '^(Seccomp|CapEff):' /proc/self/status; unshare -m true 2>&1 || echo no";
        let mut spec = bench.spec(&["/bin/busybox-setuid", "su", "root", "-c", show]);
        spec.process.user = "app".into();
        spec.allow_new_privileges = allowed;
        let mut instance = bench.start_spec(spec);
        (instance.exit().code, instance.log())
    };
    let (code, log) = run(true);
    assert_eq!(code, Some(0), "{log}");
    let shown = format!(
        "0\nCapEff:\t{DOCKER}\nSeccomp:\t2\nunshare: unshare(0x20000): Operation not permitted\nno\n"
    );
    assert_eq!(log, shown);
    let (code, log) = run(false);
    assert_eq!(code, Some(1));
    assert!(log.contains("must be suid to work properly"), "{log}");
}

fn no_descriptor_leaks_in(bench: &Bench) {
    let mut instance = bench.start("ls /proc/self/fd | tr '\\n' ' '; echo; while :; do sleep 1000; done");
    let pid = instance.running();
    instance.wait_for_line("0 1 2 3 ");
    let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    assert_eq!(open, 3);
    instance.ask(&Request::Kill {});
    instance.exit();
}

fn low_ports_and_signals_are_as_programs_expect(bench: &Bench) {
    let script = "
        cat /proc/sys/net/ipv4/ip_unprivileged_port_start
        grep SigBlk /proc/self/status
        grep SigIgn /proc/self/status | grep -c '[08]0000000$'
        ulimit -c
        umask
    ";
    let (log, _) = bench.output_with(script, |spec| spec.process.user = "app".into());
    assert_eq!(log, "0\nSigBlk:\t0000000000000000\n1\n0\n0022\n");
}

/// CVE-2019-5736: what starts a container is a program of the host, and must not be reachable.
fn the_program_that_starts_the_container_cannot_be_executed_by_it(bench: &Bench) {
    let decoy = bench.folder.path().join("decoy");
    fs::create_dir_all(decoy.join("proc/self")).unwrap();
    fs::create_dir_all(decoy.join("dev")).unwrap();
    fs::create_dir_all(decoy.join("app")).unwrap();
    symlink("/bin/busybox", decoy.join("proc/self/exe")).unwrap();
    symlink("/bin", decoy.join("dev/fd")).unwrap();
    symlink("/proc/self/exe", decoy.join("app/link")).unwrap();
    fs::write(decoy.join("app/script"), "#!/proc/self/exe\n").unwrap();
    fs::set_permissions(decoy.join("app/script"), fs::Permissions::from_mode(0o755)).unwrap();
    for program in ["/proc/self/exe", "/app/link", "/app/script", "/dev/fd/../busybox", "/dev/fd/busybox"] {
        let mut spec = bench.spec(&[program]);
        spec.layers.insert(0, decoy.clone());
        let exit = bench.start_spec(spec).exit();
        assert!(exit.start_error.is_some(), "{program}: {exit:?}");
    }
    let (_, exit) =
        bench.output_with("true", |spec| spec.process.working_directory = "/proc/self/fd/9".into());
    assert!(exit.start_error.is_some(), "{exit:?}");
}
