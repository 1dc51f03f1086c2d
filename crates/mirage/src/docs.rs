//! `mirage completion` and the hidden `mirage docs`: texts that are made from the code.

use std::process::ExitCode;

use clap::{Args, CommandFactory, ValueEnum};
use mirage_core::Result;

use mirage_cli::Printer;

use crate::verbs::Cli;
use mirage_cli::config::env;

/// Print a shell completion script
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mirage completion bash > /etc/bash_completion.d/mirage\n  mirage completion zsh > ~/.zfunc/_mirage"
)]
pub(crate) struct CompletionArgs {
    /// The shell
    shell: clap_complete::Shell,
}

/// Print generated documentation
#[derive(Debug, Args)]
pub(crate) struct DocsArgs {
    /// Which document
    what: Document,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Document {
    /// The command line, as Markdown
    Cli,
    /// The environment variables, as Markdown
    Env,
    /// The REST face, as an OpenAPI document
    Openapi,
}

pub(crate) fn completion(args: CompletionArgs) -> Result<ExitCode> {
    clap_complete::generate(args.shell, &mut Cli::command(), "mirage", &mut std::io::stdout());
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn run(args: DocsArgs, printer: &Printer) -> Result<ExitCode> {
    let text = match args.what {
        Document::Cli => cli(),
        Document::Env => environment(),
        Document::Openapi => mirage_api::openapi(),
    };
    printer.data(text.trim_end());
    Ok(ExitCode::SUCCESS)
}

fn cli() -> String {
    let mut text = String::from("# The command line\n\nMade by `cargo xtask docs` from `mirage --help`.\n");
    let mut command = Cli::command().term_width(100);
    text += &section("mirage", &command.render_long_help().to_string());
    for verb in command.get_subcommands() {
        text += &of_verb("mirage", verb);
    }
    text
}

/// A verb, then what it is divided into.
fn of_verb(above: &str, verb: &clap::Command) -> String {
    if verb.is_hide_set() || verb.get_name() == "help" {
        return String::new();
    }
    let name = format!("{above} {}", verb.get_name());
    let mut whole = verb.clone().bin_name(name.clone()).term_width(100);
    let mut text = section(&name, &whole.render_long_help().to_string());
    for below in verb.get_subcommands() {
        text += &of_verb(&name, below);
    }
    text
}

fn section(name: &str, help: &str) -> String {
    let help: Vec<_> = help.trim_end().lines().map(str::trim_end).collect();
    format!("\n## {name}\n\n```text\n{}\n```\n", help.join("\n"))
}

fn environment() -> String {
    let mut text = String::from(
        "# Environment variables\n\nMade by `cargo xtask docs` from `crates/mirage-cli/src/config/env.rs`. \
         An option of the command line goes before its variable.\n\n| variable | default | meaning |\n| --- | --- | --- |\n",
    );
    for (name, default, meaning) in env::ALL {
        text += &format!("| `{name}` | {default} | {meaning} |\n");
    }
    text
}
