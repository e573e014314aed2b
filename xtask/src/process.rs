//! Running other programs: their failure becomes a sentence with the command line in it.

use std::process::{Command, Output, Stdio};

use crate::error::{Context, Error, Result};

/// Runs `command` with the terminal's own output, and fails if it fails.
///
/// # Errors
/// When it cannot be started or exits with an error.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().context(|| format!("starting `{}`", line(command)))?;
    if status.success() { Ok(()) } else { Err(Error::new(format!("`{}` failed: {status}", line(command)))) }
}

/// Runs `command` silently; on failure the error carries what it printed.
///
/// # Errors
/// When it cannot be started or exits with an error.
pub fn run_silently(command: &mut Command) -> Result<String> {
    let output = capture(command)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(Error::new(format!(
        "`{}` failed ({}) and said:\n{}",
        line(command),
        output.status,
        String::from_utf8_lossy(&said).trim_end()
    )))
}

/// Runs `command` and returns its exit status with everything it printed.
///
/// # Errors
/// When it cannot be started.
pub fn capture(command: &mut Command) -> Result<Output> {
    command.stdin(Stdio::null()).output().context(|| format!("starting `{}`", line(command)))
}

/// The command as a person would type it.
pub fn line(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| quoted(&word.to_string_lossy())));
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_and_what_it_said() {
        let error = run_silently(Command::new("sh").args(["-c", "echo broken >&2; exit 3"])).expect_err("exit 3");
        let text = error.to_string();
        assert!(
            text.contains("sh -c 'echo broken >&2; exit 3'") && text.contains("broken\n") || text.ends_with("broken")
        );
    }
}
