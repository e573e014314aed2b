//! What the SQL and process tests of pgml share: databases on a throw-away server, and the runners.
//!
//! `cargo xtask test` starts one throw-away server per PostgreSQL version and says in the environment how to reach it:
//! see [`server::Server::from_environment`].

pub mod docs;
pub mod outcome;
pub mod server;
pub mod session;
pub mod slt;
