//! The folder of what backends share besides tables: in the data directory, under a name that base backups skip.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;

/// Relative to the data directory, which is every backend's working directory.
pub const FOLDER: &str = "pgsql_tmp_pgml";

/// Makes the folder, for the server's user alone, unless it is there.
///
/// # Errors
/// When it cannot be made.
pub fn ensure() -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(FOLDER) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
