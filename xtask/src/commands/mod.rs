//! The commands: a table of names, one help line each, and what they do.

mod bench;
mod check;
mod demo;
mod server;
mod steps;
mod test;
mod test_device;

use crate::args::Args;
use crate::error::{Error, Result};

/// One command.
pub struct Command {
    /// As it is typed.
    pub name: &'static str,
    /// Its arguments, as shown in the help.
    pub arguments: &'static str,
    /// What it does, in one line.
    pub help: &'static str,
    run: fn(&mut Args) -> Result<()>,
}

/// Every command, in the order of the help.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "demo",
        arguments: "[--pg N]",
        help: "fetch what is missing, build, start the private server and run the tour on real data",
        run: demo::demo,
    },
    Command {
        name: "test",
        arguments: "[--pg N] [FILTER] | --device wgpu[:N|:software]",
        help: "run every test on PostgreSQL 15, 16 and 18; or the SQL and process tests of one, or those named like FILTER; \
               or transformers on a graphics card",
        run: test::test,
    },
    Command {
        name: "up",
        arguments: "[--pg 15|16|18] [--port N] [--features wgpu]",
        help: "start the private server (PostgreSQL 18 unless told otherwise) with the extension; for graphics cards too",
        run: server::up,
    },
    Command { name: "down", arguments: "[--pg N]", help: "stop the private servers", run: server::down },
    Command {
        name: "url",
        arguments: "[--pg N]",
        help: "print the connection URL of the running private server",
        run: server::url,
    },
    Command {
        name: "psql",
        arguments: "[--pg N] [ARGUMENT…]",
        help: "open psql on the running private server",
        run: server::psql,
    },
    Command {
        name: "check",
        arguments: "",
        help: "check formatting, lints, crate arrows, licences and that generated pages are current",
        run: check::check,
    },
    Command { name: "docs", arguments: "", help: "write the generated pages of docs/reference", run: check::docs },
    Command {
        name: "bench",
        arguments: "[FILTER] | peers [WORK…] [--rows N] [--out FILE]",
        help: "run the benchmarks of pgml-bench; or compare with XGBoost, scikit-learn and psycopg in Python",
        run: bench::bench,
    },
    Command {
        name: "provision",
        arguments: "[--pg N]",
        help: "fetch what is missing: PostgreSQL, XGBoost, LightGBM, libclang, a transformer",
        run: steps::provision,
    },
    Command {
        name: "install",
        arguments: "--pg N [--features wgpu]",
        help: "build the extension and its inference program and install them into the private PostgreSQL",
        run: steps::install,
    },
];

/// Runs the command that `words` name.
///
/// # Errors
/// When the command is unknown, its arguments are wrong, or it fails.
pub fn run(words: impl IntoIterator<Item = String>) -> Result<()> {
    let mut words = words.into_iter();
    let Some(name) = words.next().filter(|name| !matches!(name.as_str(), "help" | "--help" | "-h")) else {
        print!("{}", help());
        return Ok(());
    };
    let found = COMMANDS.iter().find(|command| command.name == name).ok_or_else(|| unknown(&name))?;
    let mut args = Args::new(words);
    if args.flag("--help") {
        println!("cargo xtask {} {}\n    {}", found.name, found.arguments, found.help);
        return Ok(());
    }
    (found.run)(&mut args)
}

fn help() -> String {
    let mut text = String::from("Usage: cargo xtask <command> [arguments]\n\n");
    let usages: Vec<String> =
        COMMANDS.iter().map(|command| format!("{} {}", command.name, command.arguments)).collect();
    let width = usages.iter().map(|usage| usage.chars().count()).max().unwrap_or(0);
    for (usage, command) in usages.iter().zip(COMMANDS) {
        text.push_str(&format!("  {usage:<width$}  {}\n", command.help));
    }
    text
}

fn unknown(name: &str) -> Error {
    let known: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
    Error::new(format!("unknown command `{name}`; the commands are: {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_command_is_answered_with_the_known_ones() {
        let error = run(["dmeo".to_owned()]).expect_err("unknown").to_string();
        assert!(error.contains("`dmeo`") && COMMANDS.iter().all(|command| error.contains(command.name)), "{error}");
    }

    #[test]
    fn the_help_has_one_line_per_command() {
        assert_eq!(help().lines().skip(2).count(), COMMANDS.len());
    }
}
