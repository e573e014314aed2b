//! `test --device`: the transformers on a graphics card, or on Vulkan in software. Not part of `test`: it builds burn's
//! back end for cards, which takes minutes, and wants a driver.

use std::process::Command;

use crate::commands::test::{Tally, cargo_with_libraries};
use crate::error::Result;
use crate::process::run;
use crate::program::Feature;
use crate::step::step;
use crate::{vulkan, wheels};

/// Lints of what everyday builds leave out; then the reference's numbers, and requests to the inference program, on `device`.
pub fn test(device: &str) -> Result<()> {
    if device == "wgpu:software" {
        vulkan::provide_software()?;
    }
    wheels::MINILM.provide()?;
    step("lints with graphics cards (cargo clippy)");
    run(with_feature("clippy")?.args(["--all-targets", "--", "-D", "warnings"]))?;
    let mut tests = with_feature("test")?;
    tests.args([
        "--no-fail-fast",
        "--test",
        "device",
        "--test",
        "lost_device",
        "--test",
        "architectures",
        "--test",
        "rerankers",
    ]);
    // How far the reference is away is printed for each architecture.
    tests.args(["--", "--nocapture"]).env("PGML_TEST_DEVICE", device);
    let mut tally = Tally::default();
    tally.run(&format!("transformers on {device}"), &mut tests)?;
    tally.report()
}

/// Of the same packages as everyday builds: what does not depend on the feature is built once.
fn with_feature(command: &str) -> Result<Command> {
    let mut cargo = cargo_with_libraries()?;
    cargo.args([command, "--release", "--features", Feature::Wgpu.of_cargo()]);
    Ok(cargo)
}
