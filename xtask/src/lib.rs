//! Everything behind `cargo xtask`: provisioning, building and private servers.
//!
//! It is a library so that the tests of `pgml-tests` start their servers with the same code that the commands use.
//! It depends on next to nothing, so that a fresh clone has its commands within seconds.

pub mod args;
pub mod arrows;
pub mod checkout;
pub mod cluster;
pub mod commands;
pub mod debian;
pub mod digest;
pub mod error;
pub mod extension;
pub mod identity;
pub mod installation;
pub mod licences;
pub mod metadata;
pub mod models;
pub mod places;
pub mod private_server;
pub mod process;
pub mod program;
pub mod reference;
pub mod scripts;
pub mod statements;
pub mod step;
pub mod throwaway;
pub mod tour;
pub mod vulkan;
pub mod wheels;
