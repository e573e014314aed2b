//! `pgml.transform` and `pgml.transform_stream`. Each stands in SQL four times: task as a name or as JSON, inputs as texts or as
//! the messages of a conversation.

use pgml_core::{Result, bail};
use pgrx::iter::SetOfIterator;
use pgrx::prelude::*;
use pgrx::{Array, JsonB};
use serde_json::Value;

use crate::compute::send_ready_rows;
use crate::encoding::to_utf8;
use crate::report::{Report, SqlResult, sql};
use crate::worker;

/// Texts in the database's encoding: pgrx's own conversion to `&str` knows UTF-8 alone.
type Texts<'a> = Array<'a, &'a [u8]>;

type Rows = SetOfIterator<'static, JsonB>;

#[pg_extern(sql = false)]
fn transform_texts(task: JsonB, args: JsonB, inputs: Texts<'_>, _cache: bool) -> SqlResult<JsonB> {
    sql(|| whole(&task.0, &args.0, &inputs))
}

#[pg_extern(sql = false)]
fn transform_texts_named(task: &str, args: JsonB, inputs: Texts<'_>, _cache: bool) -> SqlResult<JsonB> {
    sql(|| whole(&task.into(), &args.0, &inputs))
}

#[pg_extern(sql = false)]
fn transform_messages(task: JsonB, args: JsonB, inputs: Vec<JsonB>, _cache: bool) -> SqlResult<JsonB> {
    sql(|| chat(&task.0, &args.0, inputs))
}

#[pg_extern(sql = false)]
fn transform_messages_named(task: &str, args: JsonB, inputs: Vec<JsonB>, _cache: bool) -> SqlResult<JsonB> {
    sql(|| chat(&task.into(), &args.0, inputs))
}

#[pg_extern(sql = false)]
fn transform_stream_text(task: JsonB, args: JsonB, input: &[u8], _cache: bool) -> SqlResult<Rows> {
    // SAFETY: a `text` of this database, which lives as long as the call.
    sql(|| stream(&task.0, &args.0, unsafe { to_utf8(input) }, false))
}

#[pg_extern(sql = false)]
fn transform_stream_text_named(task: &str, args: JsonB, input: &[u8], _cache: bool) -> SqlResult<Rows> {
    // SAFETY: as above.
    sql(|| stream(&task.into(), &args.0, unsafe { to_utf8(input) }, false))
}

#[pg_extern(sql = false)]
fn transform_stream_messages(task: JsonB, args: JsonB, inputs: Vec<JsonB>, _cache: bool) -> SqlResult<Rows> {
    sql(|| stream(&task.0, &args.0, &messages(inputs).to_string(), true))
}

#[pg_extern(sql = false)]
fn transform_stream_messages_named(task: &str, args: JsonB, inputs: Vec<JsonB>, _cache: bool) -> SqlResult<Rows> {
    sql(|| stream(&task.into(), &args.0, &messages(inputs).to_string(), true))
}

fn whole(task: &Value, args: &Value, inputs: &Texts<'_>) -> Result<JsonB> {
    let mut texts = Vec::with_capacity(inputs.len());
    for input in inputs.iter() {
        // SAFETY: elements of a `text[]` of this database, which lives as long as the call.
        let Some(text) = input.map(|bytes| unsafe { to_utf8(bytes) }) else {
            bail!(InvalidParameter, "inputs has a NULL; leave such rows out");
        };
        texts.push(text);
    }
    worker::transform(task, args, &texts, false).map(JsonB)
}

fn chat(task: &Value, args: &Value, inputs: Vec<JsonB>) -> Result<JsonB> {
    worker::transform(task, args, &[&messages(inputs).to_string()], true).map(JsonB)
}

/// All elements together are one conversation.
fn messages(inputs: Vec<JsonB>) -> Value {
    inputs.into_iter().map(|message| message.0).collect::<Vec<_>>().into()
}

/// Rows as they come: each is asked for when it is wanted.
fn stream(task: &Value, args: &Value, input: &str, chat: bool) -> Result<Rows> {
    let mut next = worker::transform_stream(task, args, input, chat)?;
    let mut row = move || {
        // The row before goes to the client now, not with the next hundred.
        send_ready_rows();
        next().report()
    };
    Ok(SetOfIterator::new(std::iter::from_fn(move || match row() {
        Ok(row) => row.map(JsonB),
        Err(error) => {
            error.report(PgLogLevel::ERROR);
            None
        }
    })))
}
