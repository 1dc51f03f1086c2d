//! Words with `$NAME` in a command that is executed without a shell: nobody puts the value there.

use std::collections::HashSet;

/// The most characters of a word that are quoted.
const MAX_QUOTED: usize = 60;

/// Programs that put in values themselves when they are given a script to run.
const SHELLS: &[&str] = &["sh", "bash", "ash", "dash", "zsh", "ksh", "mksh", "fish"];

/// What an instance would execute.
pub(super) struct Words<'a> {
    /// The image's entrypoint.
    pub(super) entrypoint: &'a [String],
    /// The image's command, or the one that was given in its place.
    pub(super) command: &'a [String],
    /// Whether the command was given.
    pub(super) given: bool,
    /// Names of variables that the process has.
    pub(super) known: HashSet<&'a str>,
}

/// A variable that is written where nobody reads it as one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unexpanded {
    /// As it is written: `$PORT`, `${PORT}`.
    pub(super) written: String,
    /// The word it is in, fit for a sentence.
    pub(super) word: String,
    /// Whose word that is.
    pub(super) origin: Origin,
    /// Whether the program cannot but get it as it is written. Otherwise the program, or a script of
    /// the image in front of it, may do it by itself.
    pub(super) certain: bool,
}

/// Whose word it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The image's `ENTRYPOINT`.
    Entrypoint,
    /// The image's `CMD`.
    Command,
    /// The command that was asked for.
    Given,
}

impl Words<'_> {
    /// The first variable that is certainly not expanded, else the first that may not be.
    pub(super) fn unexpanded(&self) -> Option<Unexpanded> {
        let all: Vec<&str> = self.entrypoint.iter().chain(self.command).map(String::as_str).collect();
        let end = expanded_from(&all).unwrap_or(all.len());
        let mut doubtful = None;
        for (at, word) in all[..end].iter().enumerate() {
            for variable in variables(word) {
                let known = self.known.contains(variable.name);
                if !known && !looks_like_a_variable(variable.name) {
                    continue;
                }
                let certain = known && !self.may_expand(&all, at, &variable);
                let (written, word) = (variable.written.to_owned(), quoted(word));
                let found = Unexpanded { written, word, origin: self.origin(at), certain };
                if certain {
                    return Some(found);
                }
                doubtful.get_or_insert(found);
            }
        }
        doubtful
    }

    /// The given command through a shell, where that can be written down and pasted.
    pub(super) fn through_a_shell(&self) -> Option<String> {
        let plain = |word: &String| {
            !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_=./:,@%+${}".contains(c))
        };
        let words = self.entrypoint.is_empty() && self.command.iter().all(plain);
        words.then(|| format!("-- sh -c 'exec {}'", self.command.join(" ")))
    }

    fn origin(&self, at: usize) -> Origin {
        match at < self.entrypoint.len() {
            true => Origin::Entrypoint,
            false if self.given => Origin::Given,
            false => Origin::Command,
        }
    }

    /// Programs that are known to read `${NAME}` themselves, words that are a whole command line for
    /// somebody else, and scripts by which the author of an image may mean what they wrote.
    fn may_expand(&self, all: &[&str], at: usize, variable: &Variable<'_>) -> bool {
        let launcher = all.first().is_some_and(|first| first.starts_with("/cnb/"));
        let java = variable.braces && all[..at].iter().any(|word| base(word) == "java");
        let a_line = at > 0 && all[at].contains(char::is_whitespace);
        let own = self.origin(at) != Origin::Given;
        let a_script = own && all[..at].iter().any(|word| is_script(word));
        launcher || java || a_line || a_script
    }
}

struct Variable<'a> {
    name: &'a str,
    written: &'a str,
    braces: bool,
}

/// Every `$NAME` and `${NAME…}` of a word; `$$` and `\$` are none.
fn variables(word: &str) -> Vec<Variable<'_>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(dollar) = word[from..].find('$').map(|at| from + at) {
        let rest = &word[dollar + 1..];
        from = dollar + 1;
        if rest.starts_with('$') {
            from += 1;
            continue;
        }
        if word[..dollar].ends_with('\\') {
            continue;
        }
        let braces = rest.starts_with('{');
        let inner = &rest[usize::from(braces)..];
        let length = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len());
        let (name, after) = inner.split_at(length);
        let ends = match braces {
            true if after.starts_with('}') => length + 3,
            true if after.starts_with([':', '-', '+', '=', '?']) => match after.find('}') {
                Some(at) => length + 3 + at,
                None => continue,
            },
            true => continue,
            false => length + 1,
        };
        if name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            found.push(Variable { name, written: &word[dollar..dollar + ends], braces });
        }
    }
    found
}

/// `DATABASE_URL`, but not `host` or `NF`, which mean something to a program.
fn looks_like_a_variable(name: &str) -> bool {
    name.len() > 2 && !name.contains(|c: char| c.is_ascii_lowercase())
}

/// Where the words begin that a shell or `env -S` reads, if one is called.
fn expanded_from(words: &[&str]) -> Option<usize> {
    words.iter().enumerate().find_map(|(at, word)| match base(word) {
        "env" => {
            let option = words[at + 1..].iter().position(|word| !word.starts_with('-') || splits(word))?;
            splits(words[at + 1 + option]).then_some(at + 1 + option)
        }
        name if SHELLS.contains(&name) => script_of(&words[at + 1..]).map(|script| at + 1 + script),
        _ => None,
    })
}

/// `-S` of `env`, with which it reads a whole line, `${NAME}` included.
fn splits(word: &str) -> bool {
    word.starts_with("-S") || word.starts_with("-vS") || word.starts_with("--split-string")
}

/// The place of the script among the arguments of a shell: `-c`, `-lc`, `-o pipefail -ec`.
fn script_of(arguments: &[&str]) -> Option<usize> {
    let mut at = 0;
    loop {
        let word = *arguments.get(at)?;
        let short = word.starts_with(['-', '+']) && !word.starts_with("--");
        match short {
            true if word.starts_with('-') && word.contains('c') => return Some(at + 1),
            true if word.ends_with('o') => at += 2,
            false if !word.starts_with("--") => return None,
            _ => at += 1,
        }
    }
}

/// Whether this is a script by its name, or a shell that is given one.
fn is_script(word: &str) -> bool {
    let name = base(word);
    SHELLS.contains(&name) || name.ends_with(".sh") || name.ends_with(".bash") || name.contains("entrypoint")
}

fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// A word of somebody else, short and fit for backticks.
pub(super) fn quoted(word: &str) -> String {
    let mut shown: String = word.chars().take(MAX_QUOTED).map(|c| if c == '`' { '\'' } else { c }).collect();
    if word.chars().nth(MAX_QUOTED).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &[&str]) -> Vec<String> {
        text.iter().map(|word| (*word).to_owned()).collect()
    }

    /// `PORT` and `HOST` are set. `!` is certain, `?` is not, `-` is nothing.
    fn seen(entrypoint: &[&str], command: &[&str], given: bool) -> String {
        let (entrypoint, command) = (words(entrypoint), words(command));
        let known = ["PORT", "HOST", "port"].into();
        let words = Words { entrypoint: &entrypoint, command: &command, given, known };
        match words.unexpanded() {
            None => "-".to_owned(),
            Some(found) => format!("{}{}", if found.certain { "!" } else { "?" }, found.written),
        }
    }

    #[test]
    fn a_variable_that_no_shell_reads_is_found() {
        for (command, expected) in [
            (&["serve", "-l", "$PORT"][..], "!$PORT"),
            (&["serve", "--bind=0.0.0.0:${PORT}"], "!${PORT}"),
            (&["serve", "${PORT:-8080}"], "!${PORT:-8080}"),
            (&["serve", "$FOO", "$HOST"], "!$HOST"),
            (&["serve", "-l", "$port"], "!$port"),
            (&["gunicorn --bind 0.0.0.0:$PORT app"], "!$PORT"),
            (&["sh", "-e", "/start", "$PORT"], "?$PORT"),
            (&["serve", "$DATABASE_URL"], "?$DATABASE_URL"),
            (&["java", "-Dserver.port=${PORT}", "-jar", "app.jar"], "?${PORT}"),
            (&["java", "-Dserver.port=$PORT", "-jar", "app.jar"], "!$PORT"),
            (&["concurrently", "serve -l $PORT", "worker"], "?$PORT"),
            (&["/cnb/lifecycle/launcher", "serve", "$PORT"], "?$PORT"),
        ] {
            assert_eq!(seen(&[], command, false), expected, "{command:?}");
        }
    }

    #[test]
    fn what_a_shell_reads_and_what_is_no_variable_is_left_alone() {
        for command in [
            &["sh", "-c", "serve -l $PORT"][..],
            &["/bin/bash", "-lc", "serve -l $PORT"],
            &["bash", "-o", "pipefail", "-ec", "serve $PORT"],
            &["bash", "--login", "-eo", "pipefail", "-c", "serve $PORT"],
            &["tini", "--", "sh", "-c", "exec serve $PORT"],
            &["busybox", "sh", "-c", "serve $PORT"],
            &["env", "-S", "serve ${PORT}"],
            &["awk", "{print $1, $NF}"],
            &["nginx", "-g", "log_format x $remote_addr;"],
            &["serve", "$$PORT", "\\$PORT", "$(PORT)", "%PORT%", "$", "${", "${PORT", "$1", "${env:PORT}"],
            &["serve"],
            &[],
        ] {
            assert_eq!(seen(&[], command, false), "-", "{command:?}");
        }
        assert_eq!(seen(&["/bin/bash", "-l", "-c"], &["serve $PORT"], false), "-", "as nixpacks makes it");
    }

    #[test]
    fn a_script_of_the_image_may_be_meant_for_the_images_words_and_not_for_the_users() {
        let entrypoint = ["docker-entrypoint.sh"];
        assert_eq!(seen(&entrypoint, &["serve", "$PORT"], false), "?$PORT");
        assert_eq!(seen(&entrypoint, &["serve", "$PORT"], true), "!$PORT");
        assert_eq!(seen(&["serve", "$PORT"], &[], true), "!$PORT");
    }

    #[test]
    fn a_plain_command_is_written_through_a_shell() {
        let command = words(&["gunicorn", "--bind", "0.0.0.0:$PORT", "app"]);
        let entrypoint = [];
        let mut words =
            Words { entrypoint: &entrypoint, command: &command, given: true, known: HashSet::new() };
        assert_eq!(
            words.through_a_shell().as_deref(),
            Some("-- sh -c 'exec gunicorn --bind 0.0.0.0:$PORT app'")
        );
        words.entrypoint = &command;
        assert_eq!(words.through_a_shell(), None, "the shell would be an argument of the entrypoint");
    }

    #[test]
    fn a_word_is_quoted_short() {
        assert_eq!(quoted("a`b"), "a'b");
        assert_eq!(quoted(&"x".repeat(70)).chars().count(), 61);
    }
}
