//! What SQL asks of the program.

use std::path::PathBuf;

use pgml_core::frames::{LoadedModel, PIECE_BYTES, Reply, Request};
use pgml_core::text::{EmbedArgs, ModelSpec, Purpose, RankArgs, Ranked, TransformModel, rank_order};
use pgml_core::{Error, ErrorKind, Hyperparams, Result, bail};
use serde_json::{Map, Value};

use super::client::{Stream, call, call_if_running};
use super::settings;
use crate::transformers;

/// One vector per text, in order.
///
/// # Errors
/// Those of the arguments, of the model and of the program.
pub fn embed(transformer: &str, texts: &[&str], kwargs: &Value) -> Result<Vec<Vec<f32>>> {
    let args = EmbedArgs::from_json("embed", object(kwargs)?)?;
    settings::check(transformer)?;
    let mut model = args.spec(transformer);
    transformers::resolve(&mut model)?;
    let request =
        Request::Embed { model, args: kwargs.to_string(), texts: texts.len() as u64, settings: settings::current() };
    let mut vectors: Vec<Vec<f32>> = Vec::with_capacity(texts.len());
    call(&request, &mut pieces(texts), &mut |reply| match reply {
        Reply::Vectors { dimensions, values } => {
            vectors.extend(values.chunks(dimensions.max(1) as usize).map(<[f32]>::to_vec));
            Ok(())
        }
        _ => unexpected(),
    })?;
    if vectors.len() != texts.len() {
        bail!(Internal, "the inference program gave {} vectors of {} texts", vectors.len(), texts.len());
    }
    Ok(vectors)
}

/// The documents, best first.
///
/// # Errors
/// As [`embed`].
pub fn rank(
    transformer: &str,
    query: &str,
    documents: &[&str],
    args: &RankArgs,
    kwargs: &Value,
) -> Result<Vec<Ranked>> {
    settings::check(transformer)?;
    let mut model = args.spec(transformer);
    transformers::resolve(&mut model)?;
    let request = Request::Rank {
        model,
        args: kwargs.to_string(),
        query: query.to_owned(),
        documents: documents.len() as u64,
        settings: settings::current(),
    };
    let mut scores: Vec<f64> = Vec::with_capacity(documents.len());
    call(&request, &mut pieces(documents), &mut |reply| match reply {
        Reply::Scores(more) => {
            scores.extend(more);
            Ok(())
        }
        _ => unexpected(),
    })?;
    if scores.len() != documents.len() {
        bail!(Internal, "the inference program gave {} scores of {} documents", scores.len(), documents.len());
    }
    Ok(rank_order(&scores, args.top_k))
}

/// What a task makes of its inputs, as one JSON text. With `chat`, each input is a JSON list of messages.
///
/// # Errors
/// As [`embed`].
pub fn transform(task: &Value, args: &Value, inputs: &[&str], chat: bool) -> Result<Value> {
    let request = transform_request(task, args, inputs.len(), chat, false)?;
    let mut json = String::new();
    call(&request, &mut pieces(inputs), &mut |reply| match reply {
        Reply::Json(piece) => {
            json.push_str(&piece);
            Ok(())
        }
        _ => unexpected(),
    })?;
    serde_json::from_str(&json).map_err(|e| Error::new(ErrorKind::Internal, format!("the answer is no JSON: {e}")))
}

/// The same for one input, piece by piece: each is a row of `transform_stream`.
///
/// # Errors
/// As [`embed`], at once or from the pieces.
pub fn transform_stream(
    task: &Value,
    args: &Value,
    input: &str,
    chat: bool,
) -> Result<impl FnMut() -> Result<Option<Value>> + use<>> {
    let request = transform_request(task, args, 1, chat, true)?;
    let mut stream = Stream::begin(&request, pieces(&[input]).collect())?;
    Ok(move || match stream.next()? {
        Some(Reply::Json(row)) => serde_json::from_str(&row)
            .map(Some)
            .map_err(|e| Error::new(ErrorKind::Internal, format!("the answer is no JSON: {e}"))),
        Some(_) => unexpected(),
        None => Ok(None),
    })
}

fn transform_request(task: &Value, args: &Value, inputs: usize, chat: bool, stream: bool) -> Result<Request> {
    let asked = TransformModel::read(task)?;
    let (task, mut model) = asked.resolve()?;
    let args_object = object(args)?;
    // Of a task that follows from the model, the program says it.
    if let Some(task) = task {
        task.check(args_object)?;
        if stream {
            task.check_stream()?;
        }
    }
    settings::check(&model.name)?;
    transformers::resolve(&mut model)?;
    Ok(Request::Transform {
        model,
        task: asked.task,
        args: args.to_string(),
        inputs: inputs as u64,
        chat,
        stream,
        token: asked.token,
        settings: settings::current(),
    })
}

/// Loads a model before it is needed; with `refresh`, accepts what its name means now on the hub, whatever the database
/// stores.
///
/// # Errors
/// As [`embed`].
pub fn load(transformer: &str, task: &str, kwargs: &Value, refresh: bool) -> Result<()> {
    let (mut model, token) = Purpose::named(task)?.form(transformer, object(kwargs)?)?;
    settings::check(transformer)?;
    if !refresh {
        transformers::resolve(&mut model)?;
    }
    let request = Request::Load { model, task: task.to_owned(), token, refresh, settings: settings::current() };
    call(&request, &mut std::iter::empty(), &mut |_| unexpected()).map(drop)
}

/// Where the files of a model are, which are brought here if need be, whatever the database stores: their folder, and the
/// paths in it of those that the model needs.
///
/// # Errors
/// As [`embed`].
pub fn locate(transformer: &str) -> Result<(PathBuf, Vec<String>)> {
    settings::check(transformer)?;
    let model = ModelSpec::named(transformer);
    let request = Request::Locate { model, token: None, settings: settings::current() };
    let mut place = None;
    call(&request, &mut std::iter::empty(), &mut |reply| match reply {
        Reply::Folder { folder, files } => {
            place = Some((folder.into(), files));
            Ok(())
        }
        _ => unexpected(),
    })?;
    place.map_or_else(unexpected, Ok)
}

/// Drops every loaded form of a model; how many there were.
///
/// # Errors
/// Those of the program.
pub fn unload(transformer: &str) -> Result<u64> {
    let request = Request::Unload { name: transformer.to_owned() };
    Ok(call_if_running(&request, &mut |_| unexpected())?.unwrap_or(0))
}

/// What is loaded; nothing while the program does not run.
///
/// # Errors
/// Those of the program.
pub fn models() -> Result<Vec<LoadedModel>> {
    let mut loaded = Vec::new();
    call_if_running(&Request::Models, &mut |reply| match reply {
        Reply::Models(models) => {
            loaded = models;
            Ok(())
        }
        _ => unexpected(),
    })?;
    Ok(loaded)
}

/// The `kwargs` of a SQL function.
///
/// # Errors
/// [`ErrorKind::InvalidParameter`] when they are no object.
pub fn object(kwargs: &Value) -> Result<&Map<String, Value>> {
    match kwargs {
        Value::Object(map) => Ok(map),
        other => bail!(InvalidParameter, "kwargs is {other}, but must be a JSON object"),
    }
}

/// The texts in frames of moderate size, copied only when their turn comes.
fn pieces<'a>(texts: &'a [&'a str]) -> impl Iterator<Item = Request> + 'a {
    let mut left = texts;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |text: &&&str| {
            bytes += text.len() + 8;
            bytes <= PIECE_BYTES
        };
        let n = left.iter().take_while(fits).count().max(1).min(left.len());
        let (piece, rest) = left.split_at(n);
        left = rest;
        (!piece.is_empty()).then(|| Request::Texts(piece.iter().map(|text| (*text).to_owned()).collect()))
    })
}

fn unexpected<T>() -> Result<T> {
    bail!(Internal, "the inference program answered something else than was asked")
}
