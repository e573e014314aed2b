//! Where it is measured: a throw-away server with the tables, the peers' Python, and a folder for files.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::peer::{self, Peer};
use super::session::Session;
use crate::commands::steps;
use crate::error::{Context, Result};
use crate::extension;
use crate::installation::PgVersion;
use crate::private_server::create_database_with_extension;
use crate::process::run_silently;
use crate::step::step;
use crate::throwaway::Throwaway;

const DATABASE: &str = "bench";

/// Unlike servers for tests, this one is as durable as PostgreSQL comes, and has room for the tables.
const SETTINGS: &[(&str, &str)] = &[
    ("fsync", "on"),
    ("full_page_writes", "on"),
    ("wal_level", "replica"),
    ("shared_buffers", "1GB"),
    ("max_wal_size", "4GB"),
    ("work_mem", "64MB"),
    // Its work would fall into somebody's measurement.
    ("autovacuum", "off"),
];

/// Everything that a measurement needs.
pub struct Place {
    pub server: Throwaway,
    /// Rows of the large tables.
    pub rows: usize,
    python: PathBuf,
    files: PathBuf,
    /// How many have been opened.
    sessions: AtomicUsize,
}

impl Place {
    /// Builds and starts the server, makes the tables and the peers' environment.
    ///
    /// # Errors
    /// When any of that fails.
    pub fn prepare(rows: usize) -> Result<Self> {
        steps::libraries()?;
        let python = peer::python(&peer::TABLES)?;
        let installation = PgVersion::DEFAULT.provide()?;
        extension::install(&installation, None)?;
        step(format!("starting a throw-away PostgreSQL {}", installation.version));
        let server = Throwaway::start(installation, SETTINGS)?;
        create_database_with_extension(&server.cluster, DATABASE)?;
        let files = std::env::temp_dir().join(format!("pgml-bench-{}", std::process::id()));
        fs::create_dir_all(&files).context(|| format!("creating {}", files.display()))?;
        let place = Self { server, rows, python, files, sessions: AtomicUsize::new(0) };
        step(format!("making the tables, the large ones of {rows} rows"));
        let mut psql = place.server.cluster.psql(DATABASE);
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", &format!("rows={rows}"), "-f"]);
        run_silently(psql.arg(peer::folder().join("data.sql")))?;
        Ok(place)
    }

    /// A new session on the tables.
    ///
    /// # Errors
    /// When there is no connection.
    pub fn session(&self) -> Result<Session> {
        let number = self.sessions.fetch_add(1, Ordering::Relaxed);
        Session::open(&self.server.cluster, DATABASE, self.file(&format!("session-{number}.log")))
    }

    /// Starts a peer; its first argument is the connection.
    ///
    /// # Errors
    /// When it does not get ready.
    pub fn peer(&self, script: &str, arguments: &[&OsStr]) -> Result<Peer> {
        let connection = format!("{} dbname={DATABASE}", self.server.connection());
        let arguments = [&[OsStr::new(&connection)], arguments].concat();
        Peer::start(&self.python, script, &arguments)
    }

    /// `pgbench` on the tables.
    pub fn pgbench(&self) -> std::process::Command {
        let cluster = &self.server.cluster;
        let mut pgbench = cluster.installation.program("pgbench");
        pgbench.arg("-h").arg(&cluster.sockets).args([
            "-p",
            &cluster.port.to_string(),
            "-U",
            crate::cluster::SUPERUSER,
        ]);
        pgbench.arg(DATABASE);
        pgbench
    }

    /// A file of this run.
    pub fn file(&self, name: &str) -> PathBuf {
        self.files.join(name)
    }

    /// The folder of this run's files.
    pub fn files(&self) -> &Path {
        &self.files
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Best effort: nothing here can be reported from a drop.
        let _ = fs::remove_dir_all(&self.files);
    }
}
