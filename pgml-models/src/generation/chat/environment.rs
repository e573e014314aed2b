//! What templates can call: Jinja's own filters and tests, and what transformers adds to them.

use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior, Value};

use super::meter::{Meter, NAMESPACE};
use super::metered::{CONCAT, MULTIPLY, WEIGH, WEIGH_PART};
use super::{json, strftime};

/// Macros within macros, and loops within loops.
const MOST_CALLS: usize = 200;

/// How transformers sets Jinja up: a tag's line leaves nothing behind.
pub(super) fn syntax() -> Result<SyntaxConfig, Error> {
    SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()
}

/// An environment for one run of a template.
pub(super) fn environment(meter: &Arc<Meter>, steps: u64) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(syntax()?);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_recursion_limit(MOST_CALLS);
    environment.set_fuel(Some(steps));
    environment.set_debug(false);
    add_metered(&mut environment, meter);
    add_functions(&mut environment);
    add_filters(&mut environment, meter);
    add_methods(&mut environment, meter);
    Ok(environment)
}

/// What `metered` calls.
fn add_metered(environment: &mut Environment<'static>, meter: &Arc<Meter>) {
    let own = Arc::clone(meter);
    environment.add_function(WEIGH, move |value: Value| weighed(&own, value));
    let own = Arc::clone(meter);
    environment.add_function(WEIGH_PART, move |value: Value| own.weigh_part(&value).map(|()| value));
    let own = Arc::clone(meter);
    environment.add_function(CONCAT, move |a: Value, b: Value| Ok::<_, Error>(own.text(&a)? + &own.text(&b)?));
    let own = Arc::clone(meter);
    environment.add_function(MULTIPLY, move |a: Value, b: Value| multiply(&own, &a, &b));
    let own = Arc::clone(meter);
    environment.set_formatter(move |out, _, value| {
        let failed = |_| Error::new(ErrorKind::WriteFailure, "a value has no text");
        match value.as_str() {
            Some(text) => {
                own.charge(text.len())?;
                out.write_str(text).map_err(failed)
            }
            None => out.write_str(&own.text(value)?).map_err(failed),
        }
    });
}

/// A value that is paid for. What is computed as it is read becomes a list, so that such readers are not stacked up.
fn weighed(meter: &Meter, value: Value) -> Result<Value, Error> {
    if value.kind() == ValueKind::Iterable {
        let mut items = Vec::new();
        for item in value.try_iter()? {
            meter.weigh(&item)?;
            items.push(item);
        }
        return Ok(items.into());
    }
    meter.weigh(&value)?;
    Ok(value)
}

fn multiply(meter: &Meter, a: &Value, b: &Value) -> Result<Value, Error> {
    let cannot = || Error::new(ErrorKind::InvalidOperation, format!("cannot multiply {} by {}", a.kind(), b.kind()));
    // Either side may be the number.
    let (repeated, times) = if matches!(b.kind(), ValueKind::String | ValueKind::Seq) { (b, a) } else { (a, b) };
    let times_or_none = times.as_i64().map(|n| usize::try_from(n).unwrap_or(0));
    if let Some(text) = repeated.as_str() {
        let times = times_or_none.ok_or_else(cannot)?;
        meter.charge(text.len().saturating_mul(times))?;
        return Ok(text.repeat(times).into());
    }
    if repeated.kind() == ValueKind::Seq {
        let times = times_or_none.ok_or_else(cannot)?;
        let items: Vec<Value> = repeated.try_iter()?.collect();
        meter.charge((items.len() * size_of::<Value>()).saturating_mul(times))?;
        return Ok(std::iter::repeat_n(items, times).flatten().collect());
    }
    if let (true, true, Some(x), Some(y)) = (a.is_integer(), b.is_integer(), a.as_i64(), b.as_i64()) {
        return x.checked_mul(y).map(Value::from).ok_or_else(cannot);
    }
    match (f64::try_from(a.clone()), f64::try_from(b.clone())) {
        (Ok(x), Ok(y)) => Ok((x * y).into()),
        _ => Err(cannot()),
    }
}

/// What transformers adds to Jinja's functions.
fn add_functions(environment: &mut Environment<'static>) {
    environment.add_function("raise_exception", |message: String| {
        Err::<Value, _>(Error::new(ErrorKind::InvalidOperation, message))
    });
    environment.add_function("strftime_now", |format: &str| strftime::now(format));
    environment.add_function("namespace", |values: Kwargs| {
        let mut all = vec![(NAMESPACE.to_owned(), Value::from(true))];
        for name in values.args() {
            all.push((name.to_owned(), values.get(name)?));
        }
        // minijinja's own, the only thing whose attributes a template may set.
        minijinja::functions::namespace(Some(Value::from_pairs(all).into()))
    });
    environment.remove_global("debug");
}

fn add_filters(environment: &mut Environment<'static>, meter: &Arc<Meter>) {
    // They pad text to any width, which no chat template wants.
    for name in ["format", "pprint", "urlencode", "slice", "batch", "json"] {
        environment.remove_filter(name);
    }
    let own = Arc::clone(meter);
    environment.add_filter("tojson", move |value: Value, indent: Option<Value>, rest: Kwargs| {
        json::tojson(&own, &value, indent, &rest)
    });
    let own = Arc::clone(meter);
    environment.add_filter("string", move |value: Value| own.text(&value));
    let own = Arc::clone(meter);
    environment.add_filter("replace", move |text: Value, old: &str, new: &str, count: Option<usize>| {
        replace(&own, &own.text(&text)?, old, new, count)
    });
    let own = Arc::clone(meter);
    environment.add_filter("join", move |items: Value, between: Option<&str>, attribute: Option<&str>| {
        join(&own, &items, between.unwrap_or_default(), attribute)
    });
    let own = Arc::clone(meter);
    environment.add_filter("indent", move |text: &str, width: Option<Value>, first: Option<bool>, rest: Kwargs| {
        indent(&own, text, width, first, &rest)
    });
}

fn replace(meter: &Meter, text: &str, old: &str, new: &str, count: Option<usize>) -> Result<String, Error> {
    let found = text.matches(old).count().min(count.unwrap_or(usize::MAX));
    meter.charge(text.len().saturating_add(found.saturating_mul(new.len())))?;
    Ok(text.replacen(old, new, found))
}

fn join(meter: &Meter, items: &Value, between: &str, attribute: Option<&str>) -> Result<String, Error> {
    let mut joined = String::new();
    for (i, item) in items.try_iter()?.enumerate() {
        if i > 0 {
            meter.charge(between.len())?;
            joined.push_str(between);
        }
        let item = attribute.map_or(Ok(item.clone()), |name| item.get_attr(name))?;
        joined.push_str(&meter.text(&item)?);
    }
    Ok(joined)
}

fn indent(
    meter: &Meter,
    text: &str,
    width: Option<Value>,
    first: Option<bool>,
    rest: &Kwargs,
) -> Result<String, Error> {
    let width = width.map_or_else(|| rest.get("width"), |width| Ok(Some(width)))?;
    let first = first.map_or_else(|| rest.get("first"), |first| Ok(Some(first)))?.unwrap_or(false);
    let blank = rest.get::<Option<bool>>("blank")?.unwrap_or(false);
    rest.assert_all_used()?;
    let margin = match width {
        None => "    ".to_owned(),
        Some(width) => match width.as_str() {
            Some(margin) => margin.to_owned(),
            None => {
                let width = usize::try_from(width)?;
                meter.charge(width)?;
                " ".repeat(width)
            }
        },
    };
    let mut indented = String::new();
    for (i, line) in text.split('\n').enumerate() {
        meter.charge(line.len() + margin.len() + 1)?;
        if i > 0 {
            indented.push('\n');
        }
        if (i > 0 || first) && (blank || i == 0 || !line.is_empty()) {
            indented.push_str(&margin);
        }
        indented.push_str(line);
    }
    Ok(indented)
}

/// Python's methods of texts, lists and dicts.
fn add_methods(environment: &mut Environment<'static>, meter: &Arc<Meter>) {
    let own = Arc::clone(meter);
    environment.set_unknown_method_callback(move |state, value, method, args| call(&own, state, value, method, args));
}

fn call(meter: &Meter, state: &mut State<'_, '_>, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    use minijinja::value::from_args;
    let Some(text) = value.as_str() else {
        return minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args);
    };
    // Reading costs time, and most results are as long.
    meter.charge(text.len())?;
    match method {
        "replace" => {
            let (old, new, count): (&str, &str, Option<i64>) = from_args(args)?;
            let count = count.and_then(|count| usize::try_from(count).ok());
            Ok(replace(meter, text, old, new, count)?.into())
        }
        "join" => {
            let (items,): (&Value,) = from_args(args)?;
            Ok(join(meter, items, text, None)?.into())
        }
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(args)?;
            Ok(text.strip_prefix(prefix).unwrap_or(text).into())
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(args)?;
            Ok(text.strip_suffix(suffix).unwrap_or(text).into())
        }
        "rsplit" => {
            let (separator, most): (&str, Option<usize>) = from_args(args)?;
            let mut parts: Vec<&str> = match most {
                Some(most) => text.rsplitn(most.saturating_add(1), separator).collect(),
                None => text.rsplit(separator).collect(),
            };
            parts.reverse();
            Ok(parts.into_iter().map(Value::from).collect())
        }
        "partition" => {
            let (separator,): (&str,) = from_args(args)?;
            let (before, after) = text.split_once(separator).unwrap_or((text, ""));
            let found = if before.len() < text.len() { separator } else { "" };
            Ok([before, found, after].into_iter().map(Value::from).collect())
        }
        // Pads to any width.
        "format" => Err(Error::from(ErrorKind::UnknownMethod)),
        _ => minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args),
    }
}
