//! A session's server process, watched from the outside.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use pgml_tests::server::Failure;
use postgres::Client;

/// The process behind a session.
#[derive(Clone, Copy, Debug)]
pub struct Backend {
    /// Its process id.
    pub pid: i32,
}

impl Backend {
    /// The one that serves `client`.
    pub fn of(client: &mut Client) -> Result<Self, Failure> {
        Ok(Self { pid: client.query_one("SELECT pg_backend_pid()", &[])?.get(0) })
    }

    fn proc(self) -> PathBuf {
        PathBuf::from(format!("/proc/{}", self.pid))
    }

    /// Whether it still runs; one that has ended but is not yet reaped does not.
    pub fn is_alive(self) -> bool {
        let stat = fs::read_to_string(self.proc().join("stat")).unwrap_or_default();
        // The state follows the name, which is in parentheses.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
    }

    /// How many threads it has.
    pub fn threads(self) -> Result<usize, Failure> {
        Ok(fs::read_dir(self.proc().join("task"))?.count())
    }

    /// Its own memory in MiB: resident pages that are not shared with other processes by mapping.
    pub fn anonymous_mib(self) -> Result<f64, Failure> {
        let status = fs::read_to_string(self.proc().join("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).ok_or("no RssAnon")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib / 1024.0)
    }

    /// What the kernel says about its memory under this name (`Pss`, `Private_Dirty`, …), in MiB.
    pub fn memory_mib(self, name: &str) -> Result<f64, Failure> {
        let rollup = fs::read_to_string(self.proc().join("smaps_rollup"))?;
        let line = rollup.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).ok_or("no such line")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib / 1024.0)
    }

    /// Ends it as a crash would.
    pub fn kill(self) -> Result<(), Failure> {
        self.signal("KILL")
    }

    /// Sends it the signal of this name.
    pub fn signal(self, name: &str) -> Result<(), Failure> {
        // The shell's own `kill`: the program is in a package that a small system lacks.
        let status = std::process::Command::new("sh").args(["-c", &format!("kill -{name} {}", self.pid)]).status()?;
        if status.success() { Ok(()) } else { Err(format!("no process {}", self.pid).into()) }
    }
}

/// Asks again and again until `condition` holds; how long that took.
pub fn wait_until(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> Result<bool, Failure>,
) -> Result<Duration, Failure> {
    let start = Instant::now();
    while !condition()? {
        if start.elapsed() > limit {
            return Err(format!("after {} s still not: {what}", limit.as_secs_f32()).into());
        }
        thread::sleep(Duration::from_millis(2));
    }
    Ok(start.elapsed())
}
