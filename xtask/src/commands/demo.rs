//! `demo`: from nothing to predictions in SQL.

use std::fs;

use crate::args::Args;
use crate::commands::steps;
use crate::error::{Context, Error, Result};
use crate::installation::PgVersion;
use crate::models;
use crate::places;
use crate::private_server::{DATABASE, PrivateServer};
use crate::step::step;
use crate::tour;

/// `cargo xtask demo`
pub fn demo(args: &mut Args) -> Result<()> {
    let version = args.option("--pg")?.unwrap_or(PgVersion::DEFAULT);
    let writer = args.option("--model")?.unwrap_or_else(|| models::WRITER.to_owned());
    args.finish()?;
    check_name(&writer)?;
    steps::libraries()?;
    let server = PrivateServer::up(version, None, None)?;
    models::add_writer(server.cluster.user)?;
    show(&server, "docs/tour.sql", &writer)?;
    if server.cluster.installation.has_pgvector() {
        show(&server, "docs/search.sql", &writer)?;
    }
    println!("\nThe server stays up. Connect with\n\n    psql {}\n", server.url());
    println!("or `cargo xtask psql`. `cargo xtask down` stops it; the data stays.");
    Ok(())
}

/// A model's name on the hub, or a folder: it is written into statements.
fn check_name(model: &str) -> Result<()> {
    if model.is_empty() || !model.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c)) {
        return Err(Error::new(format!(
            "--model {model}: a model's name on the hub, such as HuggingFaceTB/SmolLM2-135M"
        )));
    }
    Ok(())
}

/// Runs a script; `writer` generates its texts.
fn show(server: &PrivateServer, script: &str, writer: &str) -> Result<()> {
    let path = places::repository().join(script);
    let text = fs::read_to_string(&path).context(|| format!("reading {}", path.display()))?;
    let text = text.replace(models::WRITER, writer);
    step(format!("the tour: {script}"));
    tour::show(server.cluster.psql(DATABASE), &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_be_more_than_a_name_in_a_statement_are_refused() {
        for model in ["HuggingFaceTB/SmolLM2-135M", models::WRITER, "/models/gpt2"] {
            check_name(model).expect(model);
        }
        for model in ["", "a'b", "a\"b", "a b", "a\\b"] {
            assert!(check_name(model).is_err(), "{model}");
        }
    }
}
