//! Building `pgml-worker`, the inference program, and putting it beside the extension's library. It is the same for
//! every PostgreSQL version.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use crate::digest;
use crate::error::{Context, Error, Result};
use crate::extension::cargo;
use crate::installation::Installation;
use crate::places::{self, write_if_changed};
use crate::process::{run, run_silently};
use crate::step::step;

/// What the program is made of.
const INPUTS: &[&str] =
    &[".cargo", "Cargo.lock", "Cargo.toml", "pgml-core", "pgml-models", "pgml-worker", "rust-toolchain.toml"];

/// The program's name.
pub const NAME: &str = "pgml-worker";

/// What the program can be built with besides the CPU. Everyday builds do without: it takes minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Graphics cards through Vulkan.
    Wgpu,
}

impl Feature {
    /// As cargo names it among the workspace's packages.
    pub fn of_cargo(self) -> &'static str {
        match self {
            Self::Wgpu => "pgml-worker/wgpu",
        }
    }
}

impl FromStr for Feature {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "wgpu" => Ok(Self::Wgpu),
            _ => Err(Error::new("the inference program has one feature, `wgpu`: graphics cards through Vulkan")),
        }
    }
}

/// Builds the program unless it is current, and installs it into `installation`. A program that runs goes on running until
/// its server reloads its settings.
///
/// # Errors
/// When the build fails or the installation cannot be written to.
pub fn install(installation: &Installation, feature: Option<Feature>) -> Result<()> {
    let stamp = installation.libdir.join("pgml-worker.stamp");
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    let feature_name = feature.map_or("", Feature::of_cargo);
    let now = format!("{} {flags}{feature_name}\n", digest::of_files(&places::repository(), INPUTS)?);
    if fs::read_to_string(&stamp).is_ok_and(|before| before == now) {
        return Ok(());
    }
    let program = build(feature)?;
    let bytes = without_debug_information(&program)?;
    write_if_changed(&installation.libdir.join(NAME), &bytes, 0o755)?;
    write_if_changed(&stamp, now.as_bytes(), 0o644)?;
    Ok(())
}

/// The program's bytes. Its dependencies' line numbers are four fifths of the file, and each version has a copy.
fn without_debug_information(program: &Path) -> Result<Vec<u8>> {
    let stripped = program.with_extension("stripped");
    run_silently(Command::new("strip").arg("--strip-debug").arg("-o").arg(&stripped).arg(program))?;
    fs::read(&stripped).context(|| format!("reading {}", stripped.display()))
}

/// Compiles the program; where it is.
fn build(feature: Option<Feature>) -> Result<PathBuf> {
    let release = places::target()?.join("release");
    fs::create_dir_all(&release).context(|| format!("creating {}", release.display()))?;
    // Clones that share a target folder build one at a time, until their program is copied.
    let lock = File::create(release.join(".pgml-build-lock")).context(|| "creating the build lock".into())?;
    lock.lock().context(|| "taking the build lock".into())?;
    step("building pgml-worker, the inference program");
    // With an example among the targets, cargo chooses the dependencies' features as it does for tests: burn is built once.
    let mut cargo = cargo()?;
    cargo.args(["build", "--release", "--bin", NAME, "--example", "reference"]);
    run(cargo.args(feature.map(|feature| format!("--features={}", feature.of_cargo()))))?;
    Ok(release.join(NAME))
}
