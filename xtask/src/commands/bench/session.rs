//! One session on the server: `psql`, kept open, with the times that it measures.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use crate::cluster::Cluster;
use crate::error::{Context, Error, Result};

/// An open session. Statements run in one backend, whose memory can be read.
pub struct Session {
    psql: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// What the server says besides answers: progress, and why it fails.
    messages: PathBuf,
}

/// What a statement gave.
#[derive(Debug, PartialEq)]
pub struct Answer {
    /// Rows, unaligned.
    pub rows: String,
    /// Seconds until the last row was there, of the last statement.
    pub seconds: f64,
}

/// Printed after each answer.
const END: &str = "-- end of answer --";

impl Session {
    /// Opens a session in which nothing runs in parallel; what the server says goes to the file `messages`.
    ///
    /// # Errors
    /// When there is no connection.
    pub fn open(cluster: &Cluster, database: &str, messages: PathBuf) -> Result<Self> {
        let said = File::create(&messages).context(|| format!("creating {}", messages.display()))?;
        let mut psql = cluster.psql(database);
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
        psql.stderr(said);
        let mut psql = psql.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context(|| "starting psql".into())?;
        let (input, output) = (psql.stdin.take(), psql.stdout.take());
        let output = output.ok_or_else(|| Error::new("psql has no output"))?;
        let mut session = Self { psql, input, output: BufReader::new(output), messages };
        session.run("\\timing on\nSET client_min_messages = warning;\nSET max_parallel_workers_per_gather = 0;")?;
        Ok(session)
    }

    /// Runs `sql`: statements that end with a semicolon.
    ///
    /// # Errors
    /// When one fails; the message says why.
    pub fn run(&mut self, sql: &str) -> Result<Answer> {
        let doing = || format!("running {}", sql.chars().take(200).collect::<String>());
        let input = self.input.as_mut().ok_or_else(|| Error::new("the session is closed"))?;
        input.write_all(format!("{sql}\n\\echo {END}\n").as_bytes()).context(doing)?;
        input.flush().context(doing)?;
        let mut text = String::new();
        loop {
            let before = text.len();
            if self.output.read_line(&mut text).context(doing)? == 0 {
                let said = fs::read_to_string(&self.messages).unwrap_or_default();
                return Err(Error::new(format!("{}: psql ended, and said:\n{said}", doing())));
            }
            if text[before..].trim_end() == END {
                return Ok(answer(&text[..before]));
            }
        }
    }

    /// Seconds that the statement takes.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn time(&mut self, sql: &str) -> Result<f64> {
        Ok(self.run(sql)?.seconds)
    }

    /// The process that serves the session.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn backend(&mut self) -> Result<Backend> {
        let pid = self.run("SELECT pg_backend_pid();")?.rows;
        Ok(Backend { folder: format!("/proc/{pid}") })
    }

    /// The inference program, which must be running.
    ///
    /// # Errors
    /// As [`Session::run`]; when there is none.
    pub fn inference_program(&mut self) -> Result<Backend> {
        let supervisor = self.run("SELECT pid FROM pg_stat_activity WHERE backend_type = 'pgml supervisor';")?.rows;
        let path = format!("/proc/{supervisor}/task/{supervisor}/children");
        let children = fs::read_to_string(&path).context(|| format!("reading {path}"))?;
        let child =
            children.split_whitespace().next().ok_or_else(|| Error::new("the inference program does not run"))?;
        Ok(Backend { folder: format!("/proc/{child}") })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The end of its input ends psql.
        self.input = None;
        let _ = self.psql.wait();
    }
}

fn answer(text: &str) -> Answer {
    let mut answer = Answer { rows: String::new(), seconds: f64::NAN };
    for line in text.lines() {
        match line.strip_prefix("Time: ").and_then(|rest| rest.split_once(" ms")) {
            Some((milliseconds, _)) => answer.seconds = milliseconds.parse().map_or(f64::NAN, |ms: f64| ms / 1e3),
            None => answer.rows.push_str(&format!("{line}\n")),
        }
    }
    answer.rows.truncate(answer.rows.trim_end().len());
    answer
}

/// The memory of a server process, as the kernel counts it.
pub struct Backend {
    folder: String,
}

impl Backend {
    /// Bytes that are in memory now; the peak is counted from here on.
    ///
    /// # Errors
    /// When `/proc` does not allow it.
    pub fn begin_peak(&self) -> Result<f64> {
        let path = format!("{}/clear_refs", self.folder);
        // 5 resets the peak: proc_pid_clear_refs(5).
        fs::write(&path, "5").context(|| format!("writing {path}"))?;
        self.bytes("VmRSS:")
    }

    /// The most bytes that were in memory since.
    ///
    /// # Errors
    /// When `/proc` does not allow it.
    pub fn peak(&self) -> Result<f64> {
        self.bytes("VmHWM:")
    }

    fn bytes(&self, field: &str) -> Result<f64> {
        let path = format!("{}/status", self.folder);
        let status = fs::read_to_string(&path).context(|| format!("reading {path}"))?;
        let kib = status.lines().find_map(|line| line.strip_prefix(field)?.trim().strip_suffix(" kB")?.parse().ok());
        kib.map(|kib: f64| 1024.0 * kib).ok_or_else(|| Error::new(format!("{path} has no {field}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_from_rows() {
        let both = answer("Time: 2.000 ms\n1|two\n3|four\nTime: 1234.500 ms (00:01.235)\n");
        assert_eq!(both, Answer { rows: "1|two\n3|four".into(), seconds: 1.2345 });
    }

    #[test]
    fn a_process_has_a_peak_of_at_least_what_it_has_now() {
        let me = Backend { folder: "/proc/self".into() };
        let now = me.begin_peak().expect("one's own memory");
        assert!(now > 0.0 && me.peak().expect("one's own memory") > 0.0);
    }
}
