//! Shows a SQL script being run: each statement under its comment, then its result.

use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::error::{Context, Error, Result};
use crate::statements::{Statement, split};

/// Runs `script` through `psql` (already pointed at a database) and prints it as it goes.
///
/// # Errors
/// When a statement fails; the server's message has been shown then.
pub fn show(psql: Command, script: &str) -> Result<()> {
    let style = if std::io::stdout().is_terminal() { COLOURS } else { PLAIN };
    let mut session = Psql::open(psql)?;
    for statement in split(script) {
        print_statement(&statement, &style);
        let began = Instant::now();
        session.run(&statement, &style)?;
        print_time(began.elapsed(), &style);
    }
    session.close()
}

/// Escape sequences around the parts of the output.
struct Style {
    comment: &'static str,
    sql: &'static str,
    faint: &'static str,
    off: &'static str,
}

const COLOURS: Style = Style { comment: "\x1b[1m", sql: "\x1b[36m", faint: "\x1b[2m", off: "\x1b[0m" };
const PLAIN: Style = Style { comment: "", sql: "", faint: "", off: "" };

fn print_statement(statement: &Statement, style: &Style) {
    println!();
    for line in statement.comment.lines() {
        println!("{}{line}{}", style.comment, style.off);
    }
    for line in format!("{};", statement.sql).lines() {
        println!("    {}{line}{}", style.sql, style.off);
    }
}

/// Times are shown where somebody waited.
fn print_time(elapsed: Duration, style: &Style) {
    if elapsed > Duration::from_millis(200) {
        println!("  {}({:.1} s){}", style.faint, elapsed.as_secs_f64(), style.off);
    }
}

/// One session for the whole script, so that transactions and prepared statements go on from one statement to the
/// next. psql draws the tables; warnings and errors go to the terminal as they come, but not what `pgml.train` tells about
/// each column: the tour is to be looked at.
struct Psql {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    messages: Option<JoinHandle<()>>,
}

/// The line that says a statement has ended; no result looks like it.
const END: &str = "\u{1}end of statement\u{1}";

impl Psql {
    fn open(mut psql: Command) -> Result<Self> {
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", "SHOW_CONTEXT=never", "-v", "VERBOSITY=default"]);
        for setting in ["border=2", "linestyle=unicode", "null=∅", "footer=off", "pager=off"] {
            psql.args(["-P", setting]);
        }
        psql.env("PGCLIENTENCODING", "UTF8").args(["-f", "-"]);
        let mut child = psql
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context(|| "starting psql".into())?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::new("psql was started without its pipes"));
        };
        let messages = child.stderr.take().map(|stderr| thread::spawn(move || show_messages(stderr)));
        Ok(Self { child, input, output: BufReader::new(output), messages })
    }

    fn run(&mut self, statement: &Statement, style: &Style) -> Result<()> {
        // A newline first: the statement may end with a comment.
        let sent = writeln!(self.input, "{}\n;\n\\echo '{END}'", statement.sql).and_then(|()| self.input.flush());
        sent.context(|| "writing to psql".into())?;
        let mut line = String::new();
        loop {
            line.clear();
            if self.output.read_line(&mut line).context(|| "reading from psql".into())? == 0 {
                // What stopped it is told first.
                self.messages.take().map(JoinHandle::join);
                return Err(Error::new(format!("the tour stopped at its line {}", statement.line)));
            }
            match line.trim_end() {
                END => return Ok(()),
                "" => {}
                text => println!("  {}", faint_frame(text, style)),
            }
        }
    }

    fn close(mut self) -> Result<()> {
        drop(self.input);
        let status = self.child.wait().context(|| "waiting for psql".into())?;
        if status.success() { Ok(()) } else { Err(Error::new(format!("psql ended with {status}"))) }
    }
}

fn show_messages(stderr: ChildStderr) {
    let mut shown = true;
    for line in BufReader::new(stderr).lines().map_while(std::result::Result::ok) {
        if let Some(text) = visible(&line, &mut shown) {
            eprintln!("  {text}");
        }
    }
}

/// The text of a message of psql, or of a further line of one, unless it is an INFO.
fn visible<'a>(line: &'a str, shown: &mut bool) -> Option<&'a str> {
    // `psql:<stdin>:8: INFO:  …`; what follows without it belongs to the message before.
    let message = line.strip_prefix("psql:").and_then(|rest| rest.split_once(": "));
    if let Some((_, text)) = message {
        *shown = !text.starts_with("INFO:");
    }
    shown.then(|| message.map_or(line, |(_, text)| text))
}

/// Draws the table's frame faintly, so that the values stand out.
fn faint_frame(line: &str, style: &Style) -> String {
    if style.faint.is_empty() {
        return line.to_owned();
    }
    let mut text = String::new();
    let mut in_frame = false;
    for c in line.chars() {
        let frame = ('\u{2500}'..='\u{257f}').contains(&c);
        if frame != in_frame {
            text.push_str(if frame { style.faint } else { style.off });
            in_frame = frame;
        }
        text.push(c);
    }
    if in_frame {
        text.push_str(style.off);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_frame_is_faint() {
        assert_eq!(faint_frame("│ 1 │", &COLOURS), "\x1b[2m│\x1b[0m 1 \x1b[2m│\x1b[0m");
        assert_eq!(faint_frame("│ 1 │", &PLAIN), "│ 1 │");
    }

    #[test]
    fn messages_are_shown_unless_they_inform_about_each_column() {
        let mut shown = true;
        let lines =
            ["psql:<stdin>:8: INFO:  Hyperparams: {", "  \"n\": 1", "psql:<stdin>:8: WARNING:  careful", "DETAIL:  x"];
        let seen: Vec<&str> = lines.iter().filter_map(|line| visible(line, &mut shown)).collect();
        assert_eq!(seen, ["WARNING:  careful", "DETAIL:  x"]);
    }

    /// Stands in for psql: `cat`-like, answers every `\echo 'x'` with `x` and everything else with nothing.
    fn echo(exit_at: &str) -> Command {
        let mut shell = Command::new("sh");
        let program = format!(
            "while IFS= read -r line; do case \"$line\" in '{exit_at}') exit 3;; \\\\echo*) \
             line=${{line#*\\'}}; printf '%s\\n' \"${{line%\\'*}}\";; esac; done"
        );
        shell.args(["-c", &program, "--"]);
        shell
    }

    #[test]
    fn every_statement_waits_for_its_end_and_a_stop_is_an_error_with_the_line() {
        show(echo("never"), "SELECT 1;\nSELECT 2;\n").expect("both end");
        let error = show(echo("SELECT 2"), "SELECT 1;\n\nSELECT 2;\n").expect_err("stops").to_string();
        assert!(error.contains("line 3"), "{error}");
    }
}
