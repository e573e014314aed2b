//! Throw-away servers for tests: fast instead of durable, reached through their Unix socket alone, gone when dropped.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::cluster::{Cluster, SUPERUSER};
use crate::error::Result;
use crate::identity::ServerUser;
use crate::installation::Installation;
use crate::places::create_private;

/// A server in a temporary folder. Dropping it stops the server and removes the folder.
pub struct Throwaway {
    /// Its cluster.
    pub cluster: Cluster,
    folder: PathBuf,
}

/// Settings of every throw-away server: nothing on it outlives the test, so nothing waits for the disk.
const SETTINGS: &[(&str, &str)] = &[
    ("listen_addresses", ""),
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("shared_buffers", "64MB"),
    ("max_connections", "60"),
    // For the tests of logical replication and of standbys.
    ("wal_level", "logical"),
    ("log_min_messages", "warning"),
];

impl Throwaway {
    /// Makes a cluster and starts it. `more` settings override the standing ones.
    ///
    /// # Errors
    /// When the cluster cannot be made or does not start.
    pub fn start(installation: Installation, more: &[(&str, &str)]) -> Result<Self> {
        let server = Self::prepare(installation)?;
        server.cluster.init("unused: it listens on no address")?;
        server.configure(more)?;
        server.cluster.start()?;
        Ok(server)
    }

    /// The folder and the description of a cluster that is not made yet: for a standby, that a base backup fills.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn prepare(installation: Installation) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let user = ServerUser::find()?;
        let root = root();
        remove_orphans(&root, &installation, user);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = root.join(format!("{PREFIX}{}-{number}", std::process::id()));
        create_private(&folder, user)?;
        let cluster = Cluster { installation, data: folder.join("data"), sockets: folder.join("s"), port: 5432, user };
        Ok(Self { cluster, folder })
    }

    /// Writes the settings of throw-away servers and `more`; they count from the next start.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn configure(&self, more: &[(&str, &str)]) -> Result<()> {
        let settings: Vec<(&str, String)> =
            SETTINGS.iter().chain(more).map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.cluster.configure(&settings).map(drop)
    }

    /// Parameters for a client, without the database.
    pub fn connection(&self) -> String {
        format!("host={} port={} user={SUPERUSER}", self.cluster.sockets.display(), self.cluster.port)
    }
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        remove(&self.cluster, &self.folder);
    }
}

const PREFIX: &str = "pgml-test-";

/// The temporary folder, unless its name would make the socket's path too long.
fn root() -> PathBuf {
    let chosen = std::env::temp_dir();
    if chosen.as_os_str().len() < 60 { chosen } else { "/tmp".into() }
}

fn remove(cluster: &Cluster, folder: &Path) {
    // Best effort: nothing here can be reported from a drop.
    if cluster.data.join("postmaster.pid").exists() {
        let _ = cluster.stop("immediate");
    }
    let _ = fs::remove_dir_all(folder);
}

/// Removes what tests left behind that were killed: their servers run on, because PostgreSQL detaches itself.
fn remove_orphans(root: &Path, installation: &Installation, user: ServerUser) {
    let Ok(entries) = fs::read_dir(root) else { return };
    for folder in entries.flatten().map(|entry| entry.path()) {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Some(pid) = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()) else { continue };
        if user.owns(&folder) && !Path::new("/proc").join(pid).exists() {
            let (data, sockets) = (folder.join("data"), folder.join("s"));
            let cluster = Cluster { installation: installation.clone(), data, sockets, port: 5432, user };
            remove(&cluster, &folder);
        }
    }
}
