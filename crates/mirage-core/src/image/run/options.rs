//! Options of commands that run a container: which have a value, and where it stands.

use super::words::Word;

/// Options without a value.
const BARE: [&str; 24] = [
    "--all-tags",
    "--detach",
    "--disable-content-trust",
    "--env-host",
    "--help",
    "--http-proxy",
    "--init",
    "--interactive",
    "--no-healthcheck",
    "--no-hostname",
    "--no-hosts",
    "--oom-kill-disable",
    "--privileged",
    "--publish-all",
    "--quiet",
    "--read-only",
    "--read-only-tmpfs",
    "--replace",
    "--rm",
    "--rmi",
    "--sig-proxy",
    "--tls-verify",
    "--tty",
    "--use-api-socket",
];
/// Options that have one in any case.
const VALUED: [&str; 22] = [
    "--cpus",
    "--entrypoint",
    "--env",
    "--env-file",
    "--expose",
    "--health-cmd",
    "--hostname",
    "--label",
    "--memory",
    "--mount",
    "--name",
    "--net",
    "--network",
    "--pids-limit",
    "--platform",
    "--publish",
    "--pull",
    "--restart",
    "--stop-timeout",
    "--user",
    "--volume",
    "--workdir",
];
/// Letters of options: without a value, and with one.
const BARE_LETTERS: [(char, &str); 5] =
    [('d', "--detach"), ('i', "--interactive"), ('t', "--tty"), ('q', "--quiet"), ('P', "--publish-all")];
const LETTERS: [(char, &str); 10] = [
    ('a', "--attach"),
    ('c', "--cpu-shares"),
    ('e', "--env"),
    ('h', "--hostname"),
    ('l', "--label"),
    ('m', "--memory"),
    ('p', "--publish"),
    ('u', "--user"),
    ('v', "--volume"),
    ('w', "--workdir"),
];
/// Characters of the name of an option that nobody knows.
const NAME_MAX: usize = 40;

/// An option.
pub(super) struct Given {
    /// Its long name where it has one: `--env`.
    pub(super) name: String,
    /// What it says.
    pub(super) value: Option<Word>,
}

/// The options at the beginning of these words, and the words that follow.
pub(super) fn divided(words: &[Word]) -> (Vec<Given>, &[Word]) {
    let (mut given, mut rest) = (Vec::new(), words);
    while let [word, after @ ..] = rest {
        if word.text == "--" {
            return (given, after);
        }
        let Some(option) = word.text.strip_prefix('-').filter(|option| !option.is_empty()) else { break };
        rest = after;
        let mut next = |name: &str| {
            let value = rest.first().filter(|_| takes_next(name, rest))?;
            rest = &rest[1..];
            Some(value.clone())
        };
        match option.strip_prefix('-') {
            Some(long) => given.push(match long.split_once('=') {
                Some((name, value)) => Given { name: named(name), value: Some(part(word, value)) },
                None => {
                    let name = named(long);
                    Given { value: next(&name), name }
                }
            }),
            None => cluster(word, option, &mut next, &mut given),
        }
    }
    (given, rest)
}

/// Letters in one: the first with a value takes what is left of them for it.
fn cluster(word: &Word, letters: &str, next: &mut impl FnMut(&str) -> Option<Word>, given: &mut Vec<Given>) {
    for (at, letter) in letters.char_indices() {
        let known =
            |all: &[(char, &'static str)]| all.iter().find(|(it, _)| *it == letter).map(|(_, name)| *name);
        if let Some(name) = known(&BARE_LETTERS) {
            given.push(Given { name: name.to_owned(), value: None });
            continue;
        }
        let name = known(&LETTERS).map_or_else(|| format!("-{letter}"), str::to_owned);
        let left = &letters[at + letter.len_utf8()..];
        let value = match left.is_empty() {
            true => next(&name),
            false => Some(part(word, left.strip_prefix('=').unwrap_or(left))),
        };
        return given.push(Given { name, value });
    }
}

/// Whether the next word is the value of an option. One that nobody knows has the one that follows it, but not the last.
fn takes_next(name: &str, rest: &[Word]) -> bool {
    let is_known = VALUED.contains(&name) || LETTERS.iter().any(|(_, known)| *known == name);
    match rest {
        _ if BARE.contains(&name) => false,
        [] => false,
        _ if is_known => true,
        [next, _, ..] => !next.text.starts_with('-'),
        [_] => false,
    }
}

fn part(word: &Word, text: &str) -> Word {
    Word { text: text.to_owned(), expands: word.expands }
}

/// The name of an option, without what no option is called.
fn named(long: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    format!("--{}", long.chars().take_while(plain).take(NAME_MAX).collect::<String>())
}
