//! Signals by the names that images use.

/// The highest signal number of Linux.
const LAST: i32 = 64;

const NAMES: [(&str, i32); 31] = [
    ("HUP", libc::SIGHUP),
    ("INT", libc::SIGINT),
    ("QUIT", libc::SIGQUIT),
    ("ILL", libc::SIGILL),
    ("TRAP", libc::SIGTRAP),
    ("ABRT", libc::SIGABRT),
    ("BUS", libc::SIGBUS),
    ("FPE", libc::SIGFPE),
    ("KILL", libc::SIGKILL),
    ("USR1", libc::SIGUSR1),
    ("SEGV", libc::SIGSEGV),
    ("USR2", libc::SIGUSR2),
    ("PIPE", libc::SIGPIPE),
    ("ALRM", libc::SIGALRM),
    ("TERM", libc::SIGTERM),
    ("STKFLT", libc::SIGSTKFLT),
    ("CHLD", libc::SIGCHLD),
    ("CONT", libc::SIGCONT),
    ("STOP", libc::SIGSTOP),
    ("TSTP", libc::SIGTSTP),
    ("TTIN", libc::SIGTTIN),
    ("TTOU", libc::SIGTTOU),
    ("URG", libc::SIGURG),
    ("XCPU", libc::SIGXCPU),
    ("XFSZ", libc::SIGXFSZ),
    ("VTALRM", libc::SIGVTALRM),
    ("PROF", libc::SIGPROF),
    ("WINCH", libc::SIGWINCH),
    ("IO", libc::SIGIO),
    ("PWR", libc::SIGPWR),
    ("SYS", libc::SIGSYS),
];

/// The number of a signal written as `SIGTERM`, `term`, `15` or `SIGRTMIN+3`; `None` where it is no
/// signal of Linux. `RTMIN` is 34, as container engines count, whatever the C library keeps back.
pub fn parse(text: &str) -> Option<i32> {
    const RTMIN: i32 = 34;
    let upper = text.trim().to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let number = if let Some(rest) = name.strip_prefix("RTMIN") {
        RTMIN + offset(rest, '+')?
    } else if let Some(rest) = name.strip_prefix("RTMAX") {
        LAST - offset(rest, '-')?
    } else if let Some((_, number)) = NAMES.iter().find(|(known, _)| *known == name) {
        *number
    } else {
        name.parse().ok()?
    };
    (1..=LAST).contains(&number).then_some(number)
}

fn offset(text: &str, sign: char) -> Option<i32> {
    if text.is_empty() {
        return Some(0);
    }
    text.strip_prefix(sign)?.parse().ok().filter(|n| (0..=LAST - 34).contains(n))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn signals_are_known_by_every_spelling_that_images_use() {
        let known = ["SIGTERM", "term", "15", "SIGQUIT", "SIGWINCH", "SIGRTMIN+3", "RTMAX-1"].map(parse);
        assert_eq!(known, [Some(15), Some(15), Some(15), Some(3), Some(28), Some(37), Some(63)]);
    }

    #[test]
    fn what_is_no_signal_is_refused() {
        for text in ["", "0", "65", "-9", "SIGNOTHING", "RTMIN+31", "RTMIN-1", "RTMIN+-1", "99999999999"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
