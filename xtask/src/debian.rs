//! PostgreSQL 15 from Debian: its packages, and a private copy that the extension may be written into.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::error::{Context, Error, Result};
use crate::identity::is_root;
use crate::installation::{Installation, PgVersion, copies};
use crate::places;
use crate::process::{run, run_silently};
use crate::step::step;

const PROGRAMS: &str = "/usr/lib/postgresql/15";
const SHARED: &str = "/usr/share/postgresql/15";
const HEADERS: &str = "/usr/include/postgresql/15/server/postgres.h";
const INSTALL: &str = "apt-get install -y --no-install-recommends postgresql-15 postgresql-server-dev-15";
const CLUSTER_SETTINGS: &str = "/etc/postgresql-common/createcluster.conf";

/// Debian's PostgreSQL 15, as a copy under the cache folder: the system's own folders are never written to.
///
/// # Errors
/// When the packages are missing and we are not root (the message has the command), or apt fails.
pub fn provide_postgres_15() -> Result<Installation> {
    if !packages_are_there() {
        install_packages()?;
    }
    let prefix = copies()?.join("15");
    if !is_current(&prefix) {
        copy_system_installation(&prefix)?;
    }
    Ok(Installation {
        version: PgVersion::V15,
        bin: prefix.join("lib/postgresql/15/bin"),
        libdir: prefix.join("lib/postgresql/15/lib"),
        extensions: prefix.join("share/postgresql/15/extension"),
        pg_config: Path::new(PROGRAMS).join("bin/pg_config"),
    })
}

fn packages_are_there() -> bool {
    Path::new(PROGRAMS).join("bin/postgres").exists() && Path::new(HEADERS).exists()
}

fn install_packages() -> Result<()> {
    if !is_root() {
        return Err(Error::new(format!(
            "PostgreSQL 15 and its headers come from Debian packages, which only root can install. Type:\n  \
             sudo apt-get update && sudo {INSTALL}\n(PostgreSQL 16 and 18 need no root: `--pg 18`.)"
        )));
    }
    step("installing PostgreSQL 15 and its headers from Debian");
    apt("update")?;
    // postgresql-common first: its settings decide whether postgresql-15 starts a server of its own.
    apt("install -y --no-install-recommends postgresql-common")?;
    let before = fs::read_to_string(CLUSTER_SETTINGS).context(|| format!("reading {CLUSTER_SETTINGS}"))?;
    let write = |text: &str| fs::write(CLUSTER_SETTINGS, text).context(|| format!("writing {CLUSTER_SETTINGS}"));
    write(&format!("{before}\ncreate_main_cluster = false\n"))?;
    let installed = apt(INSTALL.trim_start_matches("apt-get "));
    write(&before)?;
    installed
}

/// Runs apt-get without questions.
///
/// # Errors
/// When it fails.
pub(crate) fn apt(arguments: &str) -> Result<()> {
    run(Command::new("apt-get").arg("-q").args(arguments.split(' ')).env("DEBIAN_FRONTEND", "noninteractive"))
}

/// PostgreSQL finds its files relative to its own program, so a copy with the same layout works anywhere.
fn copy_system_installation(prefix: &Path) -> Result<()> {
    step(format!("copying Debian's PostgreSQL 15 to {}", prefix.display()));
    if prefix.exists() {
        fs::remove_dir_all(prefix).context(|| format!("removing {}", prefix.display()))?;
    }
    let partial = prefix.with_extension(format!("partial{}", std::process::id()));
    for (from, below) in [(PROGRAMS, "lib/postgresql"), (SHARED, "share/postgresql")] {
        let below = partial.join(below);
        places::create_public(&below)?;
        run_silently(Command::new("cp").args(["-rP", "--preserve=mode,timestamps", from]).arg(&below))?;
    }
    fs::rename(&partial, prefix).context(|| format!("moving {} into place", prefix.display()))
}

/// False after a Debian update: the copy's server is then older than the headers we build against.
fn is_current(prefix: &Path) -> bool {
    let written = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    let ours = written(&prefix.join("lib/postgresql/15/bin/postgres"));
    ours.is_some() && ours == written(&Path::new(PROGRAMS).join("bin/postgres"))
}
