//! The extension's SQL: the install and upgrade scripts are put together from the files of `pgml-pg/sql`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Context, Result};
use crate::installation::Installation;
use crate::places::write_if_changed;

const INSTALL_SCRIPT: &str = "pgml--3.0.0.sql";
const UPGRADE_SCRIPT: &str = "pgml--2.10.0--3.0.0.sql";

/// A digest of the installed scripts: a database made from others has an older interface.
///
/// # Errors
/// When they cannot be read.
pub fn digest(installation: &Installation) -> Result<String> {
    crate::digest::of_files(&installation.extensions, &["pgml.control", INSTALL_SCRIPT])
}

/// Writes the control file and the scripts of `package` into the folder of extensions.
///
/// # Errors
/// When a script is missing or the folder cannot be written to.
pub fn install(package: &Path, extensions: &Path) -> Result<()> {
    let read = |path: PathBuf| fs::read(&path).context(|| format!("reading {}", path.display()));
    write_if_changed(&extensions.join("pgml.control"), &read(package.join("pgml.control"))?, 0o644)?;
    let script = install_script(&package.join("sql"))?;
    write_if_changed(&extensions.join(INSTALL_SCRIPT), script.as_bytes(), 0o644)?;
    let upgrade = upgrade_script(&package.join("sql"))?;
    write_if_changed(&extensions.join(UPGRADE_SCRIPT), upgrade.as_bytes(), 0o644).map(drop)
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
        // Also within the strings that a DO block executes.
        .replace("CREATE FUNCTION pgml.", "CREATE OR REPLACE FUNCTION pgml.")
        .replace("CREATE AGGREGATE pgml.", "CREATE OR REPLACE AGGREGATE pgml."))
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

#[cfg(test)]
mod tests {
    use std::env;

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
        write("functions.sql", "CREATE FUNCTION pgml.f() RETURNS text\nEXECUTE 'CREATE FUNCTION pgml.g()'\n");
        let script = upgrade_script(&folder).expect("script");
        let names: Vec<&str> = script.lines().filter_map(|line| line.strip_prefix("-- ")).collect();
        assert_eq!(names, ["before.sql", "types.sql", "views.sql", "functions.sql", "after.sql"]);
        assert!(!script.contains("CREATE FUNCTION"), "{script}");
        fs::remove_dir_all(&folder).expect("clean up");
    }
}
