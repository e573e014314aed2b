//! `pgml.chunk`: a text as the chunks that a splitter makes of it.

use pgml_core::chunk::Chunks;
use pgml_core::{Result, bail};
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReportable;
use pgrx::prelude::*;
use serde_json::{Map, Value};

use crate::report::{Report, SqlResult, sql};

#[pg_extern(sql = false)]
fn chunk(
    splitter: &str,
    text: &str,
    kwargs: JsonB,
) -> SqlResult<TableIterator<'static, (name!(chunk_index, i64), name!(chunk, String))>> {
    sql(|| {
        let mut chunks = Chunks::new(splitter, text, object(&kwargs)?)?;
        // Made as they are asked for: an overlap can make many times the text's length of them.
        let rows = std::iter::from_fn(move || chunks.next_chunk(&mut poll).report().unwrap_or_report());
        Ok(TableIterator::new((1..).zip(rows)))
    })
}

/// Lets a cancel or a timeout end the work; it unwinds.
fn poll() -> Result<()> {
    pgrx::check_for_interrupts!();
    Ok(())
}

fn object(kwargs: &JsonB) -> Result<&Map<String, Value>> {
    let Some(object) = kwargs.0.as_object() else {
        bail!(InvalidParameter, "kwargs must be a JSON object, for instance '{{\"chunk_size\": 1000}}'")
    };
    Ok(object)
}
