//! The private server of `demo` and `up`: one per PostgreSQL version, kept between commands.

use std::fs::{self, File};
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::cluster::{Cluster, SUPERUSER};
use crate::error::{Context, Error, Result};
use crate::extension;
use crate::identity::ServerUser;
use crate::installation::{Installation, PgVersion};
use crate::places::{self, write_if_changed};
use crate::program::Feature;
use crate::scripts;
use crate::step::step;

/// The database that has the extension.
pub const DATABASE: &str = "pgml";

/// A private server: its cluster and the password of connections over the loopback.
pub struct PrivateServer {
    /// Its data folder and programs.
    pub cluster: Cluster,
    password: String,
}

impl PrivateServer {
    /// Provisions, builds, installs and starts the server of `version`. On `port` if given, else where it already
    /// runs, else on its preferred port, else on a free one. `feature` is the inference program's.
    ///
    /// # Errors
    /// When any of that fails, or `port` is taken.
    pub fn up(version: PgVersion, port: Option<u16>, feature: Option<Feature>) -> Result<Self> {
        let installation = version.provide()?;
        extension::install(&installation, feature)?;
        let mut server = Self::of(installation)?;
        let running = server.cluster.is_running();
        let current = running.then_some(server.cluster.port);
        server.cluster.port = choose_port(version, port, current)?;
        server.cluster.init(&server.password)?;
        let changed = server.cluster.configure(&[("listen_addresses", "127.0.0.1".into())])?;
        if running && changed {
            step("restarting the server with its new settings");
            server.cluster.stop("fast")?;
        }
        if !running || changed {
            step(format!("starting PostgreSQL {version} on port {}", server.cluster.port));
            server.cluster.start()?;
        }
        if running && !changed {
            // A running inference program of an older build is replaced.
            server.cluster.query("postgres", "SELECT pg_reload_conf()")?;
        }
        server.create_database()?;
        Ok(server)
    }

    /// The running server of `version`; without one, the running default version, else any that runs.
    ///
    /// # Errors
    /// When no such server runs.
    pub fn running(version: Option<PgVersion>) -> Result<Self> {
        let candidates = match version {
            Some(version) => vec![version],
            None => [&[PgVersion::DEFAULT], PgVersion::ALL.as_slice()].concat(),
        };
        for candidate in candidates {
            if data_folder(candidate)?.join("postmaster.pid").exists() {
                let server = Self::of(candidate.provide()?)?;
                if server.cluster.is_running() {
                    return Ok(server);
                }
            }
        }
        let which =
            version.map_or("private server".into(), |version| format!("private server of PostgreSQL {version}"));
        Err(Error::new(format!("no {which} is running; start one with `cargo xtask up`")))
    }

    /// The URL that any client connects with.
    pub fn url(&self) -> String {
        format!("postgresql://{SUPERUSER}:{}@127.0.0.1:{}/{DATABASE}", self.password, self.cluster.port)
    }

    fn of(installation: Installation) -> Result<Self> {
        let version = installation.version;
        let user = ServerUser::find()?;
        let data = data_folder(version)?;
        let port = recorded_port(&data).unwrap_or_else(|| version.preferred_port());
        let cluster = Cluster { installation, sockets: socket_folder()?, data, port, user };
        Ok(Self { cluster, password: password(version)? })
    }

    /// Makes the database with its extensions. A database whose extension was created from other scripts is set aside
    /// under another name, not dropped: it may hold somebody's models.
    fn create_database(&self) -> Result<()> {
        let wanted = scripts::digest(&self.cluster.installation)?;
        let record = self.cluster.data.with_extension("scripts");
        let exists = self.exists(DATABASE)?;
        if exists && fs::read_to_string(&record).is_ok_and(|made_from| made_from == wanted) {
            return Ok(());
        }
        if exists {
            self.set_aside()?;
        }
        step(format!("creating the database {DATABASE}"));
        create_database_with_extension(&self.cluster, DATABASE)?;
        write_if_changed(&record, wanted.as_bytes(), 0o644).map(drop)
    }

    fn exists(&self, database: &str) -> Result<bool> {
        let found =
            self.cluster.query("postgres", &format!("SELECT 1 FROM pg_database WHERE datname = '{database}'"))?;
        Ok(!found.is_empty())
    }

    fn set_aside(&self) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
        let name = format!("{DATABASE}_before_{now}");
        step(format!("the extension's SQL has changed since the database was made: it is now called {name}"));
        self.cluster
            .query("postgres", &format!("ALTER DATABASE {DATABASE} RENAME TO {name}"))
            .map(drop)
            .map_err(|error| Error::new(format!("{error}\nClose the sessions on it, or `cargo xtask down` first.")))
    }
}

/// Creates `database` with pgvector, where the installation has it, and pgml.
///
/// # Errors
/// When a statement fails.
pub fn create_database_with_extension(cluster: &Cluster, database: &str) -> Result<()> {
    cluster.query("postgres", &format!("CREATE DATABASE {database}"))?;
    let vector = if cluster.installation.has_pgvector() { "CREATE EXTENSION vector;\n" } else { "" };
    let made = cluster.query(database, &format!("{vector}CREATE EXTENSION pgml;"));
    if made.is_err() {
        // Half a database would be taken for somebody's work next time. The first error is the one to report.
        let _ = cluster.query("postgres", &format!("DROP DATABASE {database}"));
    }
    made.map(drop)
}

fn data_folder(version: PgVersion) -> Result<PathBuf> {
    Ok(places::cache()?.join(format!("server-{version}")))
}

/// The folder of the sockets: in the cache, or in the temporary folder where that path would be too long for a socket.
fn socket_folder() -> Result<PathBuf> {
    let preferred = places::cache()?.join("run");
    if preferred.as_os_str().len() < 80 {
        return Ok(preferred);
    }
    let name = crate::digest::of_text(&preferred.display().to_string());
    Ok(std::env::temp_dir().join(format!("pgml-{name}")))
}

/// The port of the last start: the third line after the data folder's own in `postmaster.pid`.
fn recorded_port(data: &std::path::Path) -> Option<u16> {
    fs::read_to_string(data.join("postmaster.pid")).ok()?.lines().nth(3)?.trim().parse().ok()
}

fn choose_port(version: PgVersion, wanted: Option<u16>, current: Option<u16>) -> Result<u16> {
    let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    match (wanted, current) {
        (Some(port), current) if current == Some(port) || is_free(port) => Ok(port),
        (Some(port), _) => Err(Error::new(format!("port {port} is taken; choose another with --port, or none"))),
        (None, Some(port)) => Ok(port),
        (None, None) if is_free(version.preferred_port()) => Ok(version.preferred_port()),
        (None, None) => {
            let any = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
            any.map(|address| address.port()).context(|| "finding a free port".into())
        }
    }
}

/// The password of the version's server, made up at its first start. Other users of the machine reach the loopback
/// too, so the superuser is not left open to them.
fn password(version: PgVersion) -> Result<String> {
    let path = data_folder(version)?.with_extension("password");
    if let Ok(known) = fs::read_to_string(&path) {
        return Ok(known);
    }
    let mut bytes = [0_u8; 16];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context(|| "reading /dev/urandom".into())?;
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    places::create_public(&places::cache()?)?;
    write_if_changed(&path, text.as_bytes(), 0o600)?;
    Ok(text)
}
