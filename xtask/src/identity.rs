//! Who runs the command, and who may run a PostgreSQL server.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::error::{Context, Error, Result};

/// The user that servers run as: PostgreSQL refuses to run as root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerUser {
    /// The user who typed the command.
    Myself,
    /// Root typed it: servers run as this user.
    Other {
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
    },
}

/// True when the command runs as root.
pub fn is_root() -> bool {
    // The owner of /proc/self is the effective user; std has no geteuid.
    fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

impl ServerUser {
    /// The user for servers: oneself, or for root `postgres` where it exists, else `nobody`.
    ///
    /// # Errors
    /// When root's machine has neither user.
    pub fn find() -> Result<Self> {
        if !is_root() {
            return Ok(Self::Myself);
        }
        let passwd = fs::read_to_string("/etc/passwd").context(|| "reading /etc/passwd".into())?;
        ["postgres", "nobody"].iter().find_map(|name| entry(&passwd, name)).ok_or_else(|| {
            Error::new("PostgreSQL refuses to run as root, and this machine has neither a user `postgres` nor `nobody`")
        })
    }

    /// Makes `command` run as this user.
    pub fn apply(self, command: &mut Command) {
        if let Self::Other { uid, gid } = self {
            // std drops root's supplementary groups together with its id.
            command.uid(uid).gid(gid);
        }
    }

    /// True when `path` is a folder (not a link to one) that belongs to this user.
    pub fn owns(self, path: &Path) -> bool {
        let me = || fs::metadata("/proc/self").map(|me| me.uid());
        let owner = match self {
            Self::Myself => me().ok(),
            Self::Other { uid, .. } => Some(uid),
        };
        fs::symlink_metadata(path).is_ok_and(|folder| folder.is_dir() && Some(folder.uid()) == owner)
    }

    /// Gives one file or folder to this user.
    ///
    /// # Errors
    /// When the owner cannot be changed.
    pub fn own(self, path: &Path) -> Result<()> {
        match self {
            Self::Myself => Ok(()),
            Self::Other { uid, gid } => {
                chown(path, Some(uid), Some(gid)).context(|| format!("giving {} to the server's user", path.display()))
            }
        }
    }
}

fn entry(passwd: &str, name: &str) -> Option<ServerUser> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut ids = line.split(':').skip(2);
    Some(ServerUser::Other { uid: ids.next()?.parse().ok()?, gid: ids.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let passwd = "postgresql:x:7:8::/:/bin/sh\npostgres:x:101:104::/:/bin/bash\n";
        assert_eq!(entry(passwd, "postgres"), Some(ServerUser::Other { uid: 101, gid: 104 }));
        assert_eq!(entry(passwd, "nobody"), None);
    }
}
