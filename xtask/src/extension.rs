//! Building `pgml.so` for one PostgreSQL and putting it, with its control file, its scripts and the inference program, into
//! the installation.

use std::env;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::UNIX_EPOCH;

use crate::checkout;
use crate::digest;
use crate::error::{Context, Error, Result};
use crate::installation::Installation;
use crate::places::{self, write_if_changed};
use crate::process::{run, run_silently};
use crate::program::{self, Feature};
use crate::scripts;
use crate::step::step;
use crate::wheels;

/// What the library is made of. When none of it has changed since the last installation, there is nothing to do.
const INPUTS: &[&str] =
    &[".cargo", "Cargo.lock", "Cargo.toml", "pgml-core", "pgml-models", "pgml-pg", "pgml-store", "rust-toolchain.toml"];

/// Builds the extension for `installation` and installs it there. Running servers are not disturbed: sessions that
/// loaded the old library keep it. The inference program is built with `feature`.
///
/// # Errors
/// When the build fails or the installation cannot be written to.
pub fn install(installation: &Installation, feature: Option<Feature>) -> Result<()> {
    program::install(installation, feature)?;
    let repository = places::repository();
    let stamp = installation.libdir.join("pgml.stamp");
    let now = format!("{} {}\n", digest::of_files(&repository, INPUTS)?, env::var("RUSTFLAGS").unwrap_or_default());
    if fs::read_to_string(&stamp).is_ok_and(|before| before == now) {
        return Ok(());
    }
    // Gone while the files may be of two builds.
    let _ = fs::remove_file(&stamp);
    let library = build(installation)?;
    write_if_changed(&installation.libdir.join("pgml.so"), &library, 0o755)?;
    scripts::install(&repository.join("pgml-pg"), &installation.extensions)?;
    write_if_changed(&stamp, now.as_bytes(), 0o644)?;
    step(format!("pgml is installed for PostgreSQL {}", installation.version));
    Ok(())
}

/// Compiles the library for `installation` and returns its bytes.
fn build(installation: &Installation) -> Result<Vec<u8>> {
    let target = places::target()?;
    let release = target.join("release");
    fs::create_dir_all(&release).context(|| format!("creating {}", release.display()))?;
    // Every version's library, and every clone's, has the same file name: one build at a time until it is copied.
    let lock = File::create(release.join(".pgml-build-lock")).context(|| "creating the build lock".into())?;
    lock.lock().context(|| "taking the build lock".into())?;
    step(format!("building pgml for PostgreSQL {}", installation.version));
    let library = release.join("libpgml.so");
    let identity = format!("{}\n{}", places::repository().display(), installation.pg_config.display());
    let owner = release.join(".pgml-library-owner");
    forget_foreign_library(&release, &owner, &identity);
    run(&mut cargo_build(installation)?)?;
    let bytes = fs::read(&library).context(|| format!("reading {}", library.display()))?;
    let built = file_identity(&release).ok_or_else(|| Error::new("cargo built no libpgml.so"))?;
    fs::write(&owner, format!("{identity}\n{built}")).context(|| format!("writing {}", owner.display()))?;
    Ok(bytes)
}

/// Cargo takes `deps/libpgml.so` for its own when the file is newer than the sources, even if another clone or another
/// PostgreSQL version left it there. Removing what is not known to be ours makes cargo link again.
fn forget_foreign_library(release: &Path, owner: &Path, identity: &str) {
    let ours = file_identity(release).map(|built| format!("{identity}\n{built}"));
    if ours.is_none() || fs::read_to_string(owner).ok() != ours {
        let _ = fs::remove_file(release.join("deps/libpgml.so"));
        let _ = fs::remove_file(release.join("libpgml.so"));
    }
}

fn file_identity(release: &Path) -> Option<String> {
    let file = fs::metadata(release.join("deps/libpgml.so")).ok()?;
    let written = file.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(format!("{} {}", file.len(), written.as_nanos()))
}

fn cargo_build(installation: &Installation) -> Result<Command> {
    let mut cargo = cargo()?;
    cargo.args(["build", "--release", "--package", "pgml-pg", "--features"]);
    cargo.arg(format!("pg{}", installation.version));
    bindgen_environment(installation, &mut cargo)?;
    Ok(cargo)
}

/// `cargo` in the repository, with the shared target folder.
///
/// # Errors
/// When the target folder cannot be named or written.
pub fn cargo() -> Result<Command> {
    let target = places::target()?;
    checkout::claim(&target)?;
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(places::repository()).env("CARGO_TARGET_DIR", target);
    Ok(cargo)
}

/// What pgrx's build script needs to read the server's headers.
///
/// # Errors
/// When libclang cannot be provided or there is no gcc.
pub fn bindgen_environment(installation: &Installation, cargo: &mut Command) -> Result<()> {
    // PyPI's libclang lacks the compiler's own headers (stddef.h and the like); gcc's serve.
    let headers = run_silently(Command::new("gcc").arg("-print-file-name=include"))?;
    cargo.env("PGRX_PG_CONFIG_PATH", &installation.pg_config);
    cargo.env("LIBCLANG_PATH", wheels::libclang_folder()?);
    cargo.env("BINDGEN_EXTRA_CLANG_ARGS", format!("-I{}", headers.trim_end()));
    Ok(())
}
