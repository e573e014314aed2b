//! `demo`: from nothing to predictions in SQL.

use std::fs;

use crate::args::Args;
use crate::commands::steps;
use crate::error::{Context, Result};
use crate::installation::PgVersion;
use crate::models;
use crate::places;
use crate::private_server::{DATABASE, PrivateServer};
use crate::step::step;
use crate::tour;

/// `cargo xtask demo`
pub fn demo(args: &mut Args) -> Result<()> {
    let version = args.option("--pg")?.unwrap_or(PgVersion::DEFAULT);
    args.finish()?;
    steps::libraries()?;
    let server = PrivateServer::up(version, None, None)?;
    models::add_writer(server.cluster.user)?;
    show(&server, "docs/tour.sql")?;
    if server.cluster.installation.has_pgvector() {
        show(&server, "docs/search.sql")?;
    }
    println!("\nThe server stays up. Connect with\n\n    psql {}\n", server.url());
    println!("or `cargo xtask psql`. `cargo xtask down` stops it; the data stays.");
    Ok(())
}

fn show(server: &PrivateServer, script: &str) -> Result<()> {
    let path = places::repository().join(script);
    let text = fs::read_to_string(&path).context(|| format!("reading {}", path.display()))?;
    step(format!("the tour: {script}"));
    tour::show(server.cluster.psql(DATABASE), &text)
}
