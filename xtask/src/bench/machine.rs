//! Which machine this is, and what day.

use std::fs::read_to_string;

/// The time.
#[expect(clippy::disallowed_methods, reason = "the one clock of xtask")]
pub(crate) fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// Today, as `2026-11-21`.
pub(crate) fn today() -> String {
    now().strftime("%Y-%m-%d").to_string()
}

/// Processor, memory, kernel and distribution in one line.
pub(crate) fn describe() -> String {
    let cpu = read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = field(&cpu, "model name", ':').unwrap_or("unknown processor");
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let memory = read_to_string("/proc/meminfo").unwrap_or_default();
    let kib: u64 = field(&memory, "MemTotal", ':')
        .and_then(|text| text.split(' ').next())
        .and_then(|number| number.parse().ok())
        .unwrap_or_default();
    let kernel = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = read_to_string("/etc/os-release").unwrap_or_default();
    let system = field(&release, "PRETTY_NAME", '=').unwrap_or("Linux").trim_matches('"');
    format!("{cores} × {model}, {} GiB, {system}, kernel {}", kib >> 20, kernel.trim())
}

fn field<'a>(text: &'a str, name: &str, separator: char) -> Option<&'a str> {
    let (_, value) = text.lines().find(|line| line.starts_with(name))?.split_once(separator)?;
    Some(value.trim())
}
