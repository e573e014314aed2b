//! `pgml.embed`, `pgml.rank`, and the import of their models.

use pgml_core::text::RankArgs;
use pgml_core::{Hyperparams, Result};
use pgrx::iter::{SetOfIterator, TableIterator};
use pgrx::prelude::*;
use pgrx::{Array, JsonB};

use crate::array::ArrayOut;
use crate::encoding::{to_server, to_utf8};
use crate::report::{SqlResult, sql};
use crate::{transformers, worker};

/// Texts in the database's encoding: pgrx's own conversion to `&str` knows UTF-8 alone.
type Texts<'a> = Array<'a, &'a [u8]>;

/// The texts in UTF-8.
fn in_utf8<'a>(texts: &'a Texts<'_>) -> impl Iterator<Item = Option<&'a str>> {
    // SAFETY: elements of a `text[]` of this database, which lives as long as the call.
    texts.iter().map(|text| text.map(|bytes| unsafe { to_utf8(bytes) }))
}

#[pg_extern(sql = false)]
fn embed(transformer: &str, text: &[u8], kwargs: JsonB) -> SqlResult<ArrayOut<f32>> {
    sql(|| {
        // SAFETY: a `text` of this database, which lives as long as the call.
        let text = unsafe { to_utf8(text) };
        let vectors = worker::embed(transformer, &[text], &kwargs.0)?;
        Ok(ArrayOut::from_values(&vectors[0]))
    })
}

#[pg_extern(sql = false)]
fn import_transformer(transformer: &str) -> SqlResult<i64> {
    sql(|| transformers::import(transformer))
}

/// One row per text, in order; NULL for NULL.
#[pg_extern(sql = false)]
fn embed_batch(
    transformer: &str,
    inputs: Texts<'_>,
    kwargs: JsonB,
) -> SqlResult<SetOfIterator<'static, Option<ArrayOut<f32>>>> {
    sql(|| {
        let texts: Vec<Option<&str>> = in_utf8(&inputs).collect();
        let given: Vec<&str> = texts.iter().copied().flatten().collect();
        let mut vectors = worker::embed(transformer, &given, &kwargs.0)?.into_iter();
        let has_text: Vec<bool> = texts.iter().map(Option::is_some).collect();
        let rows = has_text.into_iter().map(move |has| vectors.by_ref().take(usize::from(has)).next());
        Ok(SetOfIterator::new(rows.map(|vector| vector.map(|vector| ArrayOut::from_values(&vector)))))
    })
}

/// The texts are in the database's encoding; a `bytea` has the form of a `text`.
type RankRows = TableIterator<'static, (name!(corpus_id, i64), name!(score, f64), name!(text, Option<Vec<u8>>))>;

#[pg_extern(sql = false)]
fn rank(transformer: &str, query: &[u8], documents: Texts<'_>, kwargs: JsonB) -> SqlResult<RankRows> {
    // SAFETY: a `text` of this database, which lives as long as the call.
    let query = unsafe { to_utf8(query) };
    sql(|| ranked(transformer, query, &documents, &kwargs).map(TableIterator::new))
}

/// `corpus_id`, `score`, `text`.
type RankRow = (i64, f64, Option<Vec<u8>>);

/// The rows of `rank`: a NULL document has none, and keeps its number.
fn ranked(transformer: &str, query: &str, documents: &Texts<'_>, kwargs: &JsonB) -> Result<Vec<RankRow>> {
    let args = RankArgs::from_json("rank", worker::object(&kwargs.0)?)?;
    let given: Vec<(usize, &str)> = in_utf8(documents).enumerate().filter_map(|(i, text)| Some((i, text?))).collect();
    let texts: Vec<&str> = given.iter().map(|(_, text)| *text).collect();
    let ranked = worker::rank(transformer, query, &texts, &args, &kwargs.0)?;
    let row = |index: usize, score| {
        let (corpus_id, text) = given[index];
        (corpus_id as i64, score, args.return_documents.then(|| to_server(text).into_owned()))
    };
    Ok(ranked.into_iter().map(|ranked| row(ranked.index, ranked.score)).collect())
}
