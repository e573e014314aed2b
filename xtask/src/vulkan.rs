//! Vulkan in software, which stands in for a graphics card in tests.

use std::fs;
use std::process::Command;

use crate::debian::apt;
use crate::error::{Error, Result};
use crate::identity::is_root;
use crate::step::step;

/// Where the Vulkan loader looks for drivers.
const DRIVERS: [&str; 2] = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"];
const INSTALL: &str = "install -y --no-install-recommends mesa-vulkan-drivers";

/// Installs Debian's software driver (lavapipe) unless there is one.
///
/// # Errors
/// When it is missing and we are not root (the message has the command), or apt fails.
pub fn provide_software() -> Result<()> {
    if is_there() {
        return Ok(());
    }
    if !is_root() || Command::new("apt-get").arg("--version").output().is_err() {
        return Err(Error::new(format!(
            "Vulkan in software comes from a package, which only root can install. On Debian and Ubuntu type:\n  \
             sudo apt-get update && sudo apt-get {INSTALL}"
        )));
    }
    step("installing Vulkan in software from Debian");
    apt("update")?;
    apt(INSTALL)
}

fn is_there() -> bool {
    let entries = DRIVERS.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("lvp_icd"))
}
