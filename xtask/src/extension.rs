//! Building `pgml.so` for one PostgreSQL and putting it, with its control file and scripts, into the installation.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::UNIX_EPOCH;

use crate::digest;
use crate::error::{Context, Error, Result};
use crate::installation::Installation;
use crate::places::{self, write_if_changed};
use crate::process::{run, run_silently};
use crate::step::step;
use crate::wheels;

/// What the library is made of. When none of it has changed since the last installation, there is nothing to do.
const INPUTS: &[&str] =
    &[".cargo", "Cargo.lock", "Cargo.toml", "pgml-core", "pgml-models", "pgml-pg", "pgml-store", "rust-toolchain.toml"];

/// Builds the extension for `installation` and installs it there. Running servers are not disturbed: sessions that
/// loaded the old library keep it.
///
/// # Errors
/// When the build fails or the installation cannot be written to.
pub fn install(installation: &Installation) -> Result<()> {
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
    install_scripts(&repository.join("pgml-pg"), &installation.extensions)?;
    write_if_changed(&stamp, now.as_bytes(), 0o644)?;
    step(format!("pgml is installed for PostgreSQL {}", installation.version));
    Ok(())
}

/// A digest of the installed scripts: a database made from others has an older interface.
///
/// # Errors
/// When they cannot be read.
pub fn scripts_digest(installation: &Installation) -> Result<String> {
    digest::of_files(&installation.extensions, &["pgml.control", INSTALL_SCRIPT])
}

const INSTALL_SCRIPT: &str = "pgml--3.0.0.sql";
const UPGRADE_SCRIPT: &str = "pgml--2.10.0--3.0.0.sql";

fn install_scripts(package: &Path, extensions: &Path) -> Result<()> {
    let read = |path: PathBuf| fs::read(&path).context(|| format!("reading {}", path.display()));
    write_if_changed(&extensions.join("pgml.control"), &read(package.join("pgml.control"))?, 0o644)?;
    let script = install_script(&package.join("sql"))?;
    write_if_changed(&extensions.join(INSTALL_SCRIPT), script.as_bytes(), 0o644)?;
    let upgrade = upgrade_script(&package.join("sql"))?;
    write_if_changed(&extensions.join(UPGRADE_SCRIPT), upgrade.as_bytes(), 0o644)?;
    Ok(())
}

/// The install script: the files that `order.txt` lists, one after the other.
///
/// # Errors
/// When a listed file is missing.
pub fn install_script(sql: &Path) -> Result<String> {
    let header = "\\echo Use \"CREATE EXTENSION pgml\" to load this file. \\quit\n";
    concatenate(sql, header, &listed(&sql.join("order.txt"))?)
}

/// The upgrade script from PostgresML 2.10.0, as `upgrade-2.10.0.txt` lists it: its own files, and in place of `*` every
/// file of the install script that it names nowhere else (`-` before a name leaves the file out). What is there already
/// keeps its identity, and with it whatever users built on it: functions are replaced, not created.
///
/// # Errors
/// When a listed file is missing.
pub fn upgrade_script(sql: &Path) -> Result<String> {
    let lines = listed(&sql.join("upgrade-2.10.0.txt"))?;
    let named = |file: &String| lines.iter().any(|line| line.trim_start_matches('-') == file);
    let rest: Vec<String> = listed(&sql.join("order.txt"))?.into_iter().filter(|file| !named(file)).collect();
    let mut files = Vec::new();
    for line in lines.iter().filter(|line| !line.starts_with('-')) {
        if line == "*" { files.extend_from_slice(&rest) } else { files.push(line.clone()) }
    }
    let header = "\\echo Use \"ALTER EXTENSION pgml UPDATE\" to load this file. \\quit\n";
    Ok(concatenate(sql, header, &files)?
        .replace("\nCREATE FUNCTION ", "\nCREATE OR REPLACE FUNCTION ")
        .replace("\nCREATE AGGREGATE ", "\nCREATE OR REPLACE AGGREGATE "))
}

fn listed(path: &Path) -> Result<Vec<String>> {
    let list = fs::read_to_string(path).context(|| format!("reading {}", path.display()))?;
    let lines = list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(str::to_owned).collect())
}

fn concatenate(sql: &Path, header: &str, files: &[String]) -> Result<String> {
    let mut script = header.to_owned();
    for name in files {
        let path = sql.join(name);
        let text = fs::read_to_string(&path).context(|| format!("reading {}", path.display()))?;
        script.push_str(&format!("\n-- {name}\n{text}"));
    }
    Ok(script)
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
    run(&mut cargo_build(installation, &target)?)?;
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

fn cargo_build(installation: &Installation, target: &Path) -> Result<Command> {
    let mut cargo = cargo(target);
    cargo.args(["build", "--release", "--package", "pgml-pg", "--features"]);
    cargo.arg(format!("pg{}", installation.version));
    bindgen_environment(installation, &mut cargo)?;
    Ok(cargo)
}

/// `cargo` in the repository, with the shared target folder.
pub fn cargo(target: &Path) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(places::repository()).env("CARGO_TARGET_DIR", target);
    cargo
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_install_script_follows_the_listed_order() {
        let folder = env::temp_dir().join(format!("pgml-sql-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("folder");
        fs::write(folder.join("order.txt"), "# comment\nb.sql\n\na.sql\n").expect("order");
        fs::write(folder.join("a.sql"), "SELECT 'a';\n").expect("a");
        fs::write(folder.join("b.sql"), "SELECT 'b';\n").expect("b");
        let script = install_script(&folder).expect("script");
        assert!(script.find("'b'").expect("b") < script.find("'a'").expect("a"));
        fs::remove_file(folder.join("a.sql")).expect("remove");
        let error = install_script(&folder).expect_err("a.sql is missing").to_string();
        assert!(error.contains("a.sql"), "{error}");
        fs::remove_dir_all(&folder).expect("clean up");
    }

    #[test]
    fn the_upgrade_script_replaces_functions_and_takes_what_it_does_not_name_from_the_install_script() {
        let folder = env::temp_dir().join(format!("pgml-upgrade-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("folder");
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).expect(name);
        write("order.txt", "types.sql\ntables.sql\nviews.sql\nfunctions.sql\n");
        write("upgrade-2.10.0.txt", "# comment\n-tables.sql\nbefore.sql\ntypes.sql\n*\nafter.sql\n");
        for name in ["types", "tables", "views", "before", "after"] {
            write(&format!("{name}.sql"), &format!("SELECT '{name}';\n"));
        }
        write("functions.sql", "CREATE FUNCTION f() RETURNS text\n");
        let script = upgrade_script(&folder).expect("script");
        let names: Vec<&str> = script.lines().filter_map(|line| line.strip_prefix("-- ")).collect();
        assert_eq!(names, ["before.sql", "types.sql", "views.sql", "functions.sql", "after.sql"]);
        assert!(script.contains("CREATE OR REPLACE FUNCTION f()"), "{script}");
        fs::remove_dir_all(&folder).expect("clean up");
    }
}
