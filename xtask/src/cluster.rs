//! A PostgreSQL data folder of ours and the server that runs on it.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Context, Error, Result};
use crate::identity::ServerUser;
use crate::installation::Installation;
use crate::models;
use crate::places::{create_private, write_if_changed};
use crate::process::{capture, run_silently};
use crate::wheels;

/// The superuser of every cluster we make.
pub const SUPERUSER: &str = "postgres";

/// A data folder, the folder of its Unix socket, and the user that its server runs as.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// The PostgreSQL that made it.
    pub installation: Installation,
    /// The data folder.
    pub data: PathBuf,
    /// The folder of the Unix socket. Short: a socket's path is limited to 107 bytes.
    pub sockets: PathBuf,
    /// The port number, which is also in the socket's name.
    pub port: u16,
    /// The user that the server runs as.
    pub user: ServerUser,
}

impl Cluster {
    /// Makes the data folder unless it is there. Local connections are trusted (the socket's folder is private);
    /// connections over the loopback need `password`.
    ///
    /// # Errors
    /// When `initdb` fails.
    pub fn init(&self, password: &str) -> Result<()> {
        if self.data.join("PG_VERSION").exists() {
            return Ok(());
        }
        create_private(&self.data, self.user)?;
        // Beside the data folder, not in it: initdb wants an empty folder.
        let password_file = self.data.with_extension("initial-password");
        write_if_changed(&password_file, password.as_bytes(), 0o600)?;
        self.user.own(&password_file)?;
        let mut initdb = self.program("initdb");
        initdb.arg("--pgdata").arg(&self.data).arg("--pwfile").arg(&password_file);
        initdb.args(["--username", SUPERUSER, "--auth-local=trust", "--auth-host=scram-sha-256"]);
        // The same sort order on every machine, whatever locales it has.
        initdb.args(["--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions", "--no-sync"]);
        let made = run_silently(&mut initdb);
        let _ = fs::remove_file(&password_file);
        made?;
        self.append("postgresql.conf", "\n# Written anew by every start:\ninclude 'pgml.conf'\n")
    }

    /// Writes the settings that every server of ours has, and `more`. True when they differ from before.
    ///
    /// # Errors
    /// When the file cannot be written, or a library that a setting names cannot be provided.
    pub fn configure(&self, more: &[(&str, String)]) -> Result<bool> {
        let mut settings = vec![
            ("port", self.port.to_string()),
            ("unix_socket_directories", self.sockets.display().to_string()),
            ("unix_socket_permissions", "0700".into()),
            ("pgml.xgboost_library", wheels::xgboost_library()?.display().to_string()),
            ("pgml.lightgbm_library", wheels::lightgbm_library()?.display().to_string()),
            ("pgml.model_cache", models::cache(self.user)?.display().to_string()),
        ];
        settings.extend_from_slice(more);
        let mut text = String::new();
        for (name, value) in settings {
            let _ = writeln!(text, "{name} = '{}'", value.replace('\'', "''"));
        }
        let path = self.data.join("pgml.conf");
        let changed = write_if_changed(&path, text.as_bytes(), 0o600)?;
        self.user.own(&path)?;
        Ok(changed)
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Errors
    /// When it does not start; the message holds the end of its log.
    pub fn start(&self) -> Result<()> {
        create_private(&self.sockets, self.user)?;
        let log = self.log();
        let mut start = self.pg_ctl("start");
        start.args(["--wait", "--timeout=60", "--silent", "--log"]).arg(&log);
        // pg_ctl's child keeps our standard output open: reading it to its end would wait for the server's end.
        start.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let status = start.status().context(|| "starting pg_ctl".into())?;
        if status.success() { Ok(()) } else { Err(self.not_started(&log)) }
    }

    fn not_started(&self, log: &Path) -> Error {
        let text = fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let end = lines[lines.len().saturating_sub(15)..].join("\n");
        Error::new(format!(
            "PostgreSQL {} did not start; the end of {}:\n{end}",
            self.installation.version,
            log.display()
        ))
    }

    /// The server's log file.
    pub fn log(&self) -> PathBuf {
        self.data.join("server.log")
    }

    /// Stops the server by its own pid: `fast` ends sessions, `immediate` does not even clean up.
    ///
    /// # Errors
    /// When it does not stop within a minute.
    pub fn stop(&self, mode: &str) -> Result<()> {
        run_silently(self.pg_ctl("stop").args(["--wait", "--timeout=60", "--silent", "--mode", mode])).map(drop)
    }

    /// True when a server runs on the data folder.
    pub fn is_running(&self) -> bool {
        self.data.join("postmaster.pid").exists()
            && capture(&mut self.pg_ctl("status")).is_ok_and(|output| output.status.success())
    }

    /// `psql` on `database` as the superuser, through the Unix socket.
    pub fn psql(&self, database: &str) -> Command {
        let mut psql = self.installation.program("psql");
        psql.arg("-h").arg(&self.sockets).args(["-p", &self.port.to_string(), "-U", SUPERUSER, "-d", database]);
        psql
    }

    /// Runs `sql` on `database` and returns the rows, unaligned, without header.
    ///
    /// # Errors
    /// When a statement fails.
    pub fn query(&self, database: &str, sql: &str) -> Result<String> {
        let mut psql = self.psql(database);
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"]);
        let mut child = psql
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context(|| "starting psql".into())?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(sql.as_bytes()).context(|| "writing to psql".into())?;
        }
        let output = child.wait_with_output().context(|| "waiting for psql".into())?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim_end().into());
        }
        Err(Error::new(format!("{}\nin: {sql}", String::from_utf8_lossy(&output.stderr).trim_end())))
    }

    fn pg_ctl(&self, action: &str) -> Command {
        let mut pg_ctl = self.program("pg_ctl");
        pg_ctl.arg(action).arg("--pgdata").arg(&self.data);
        pg_ctl
    }

    /// A program of the installation, run as the server's user in a clean environment.
    pub fn program(&self, name: &str) -> Command {
        let mut command = self.installation.program(name);
        self.user.apply(&mut command);
        // The server's user may not be allowed into the folder we were called in.
        command.current_dir("/");
        // A backtrace would go to clients in the DETAIL of errors; PG… would redirect the programs.
        command.env_remove("RUST_BACKTRACE").env("LC_ALL", "C.UTF-8");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        command
    }

    /// Appends `text` to one of the configuration files in the data folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(&self, file: &str, text: &str) -> Result<()> {
        let path = self.data.join(file);
        let doing = || format!("writing {}", path.display());
        let mut file = fs::OpenOptions::new().append(true).open(&path).context(doing)?;
        file.write_all(text.as_bytes()).context(doing)
    }
}
