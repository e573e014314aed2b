//! Chats as the text that a checkpoint was trained on, by its own template.
//!
//! Templates are Jinja as transformers runs it. They come from strangers, so what one may use up is bounded: steps, time,
//! every text and list that it makes, and what it writes.

mod environment;
mod json;
mod messages;
mod meter;
mod metered;
mod prompt;
mod source;
mod strftime;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use minijinja::machinery::{CodeGenerator, eval, make_string_output, parse};
use pgml_core::{Error, ErrorKind, Result};
use serde_json::{Map, Value};

use meter::Meter;
pub use prompt::Chats;

/// Steps of a template, and those for each message more. Real ones take some hundred for a message.
const STEPS: u64 = 500_000;
const STEPS_PER_MESSAGE: u64 = 5_000;
/// The longest chat beside four times what it is made from.
const MOST_OUTPUT: usize = 1 << 20;
/// Bytes of all texts and lists that are made in between, beside so many times what it is made from.
const MOST_WORK: usize = 64 << 20;
const WORK_PER_BYTE: usize = 64;
/// The stack for compiling, which walks through expressions, for each byte of a template; and at least.
const STACK_PER_BYTE: usize = 1 << 10;
const LEAST_STACK: usize = 16 << 20;

/// The tokens that templates call `bos_token`, `eos_token` and so on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpecialTokens(BTreeMap<String, String>);

impl SpecialTokens {
    /// Reads them from a checkpoint's `tokenizer_config.json`, and what that does not say from `special_tokens_map.json`.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] and [`ErrorKind::Corrupted`] when a file cannot be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut tokens = BTreeMap::new();
        for file in ["special_tokens_map.json", "tokenizer_config.json"] {
            let Some(Value::Object(config)) = json_file(&folder.join(file))? else { continue };
            for (name, token) in &config {
                if let (true, Some(text)) = (name.ends_with("_token"), token_text(token)) {
                    tokens.insert(name.clone(), text.to_owned());
                }
            }
        }
        Ok(Self(tokens))
    }

    /// The text of a token, as of `"eos_token"`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl<N: Into<String>, T: Into<String>> FromIterator<(N, T)> for SpecialTokens {
    fn from_iter<I: IntoIterator<Item = (N, T)>>(tokens: I) -> Self {
        Self(tokens.into_iter().map(|(name, text)| (name.into(), text.into())).collect())
    }
}

/// A checkpoint's templates of chats.
#[derive(Debug, Clone)]
pub struct ChatTemplate {
    /// By name; a single one is the `default`.
    named: BTreeMap<String, String>,
}

impl ChatTemplate {
    /// The template `source`.
    ///
    /// # Errors
    /// [`ErrorKind::NotSupported`] when it is larger than any real one, [`ErrorKind::InvalidParameter`] when it is not Jinja.
    pub fn new(source: &str) -> Result<Self> {
        Self::of([("default".to_owned(), source.to_owned())].into())
    }

    /// Reads a checkpoint's templates: the file `chat_template.jinja` and those in `additional_chat_templates`, else
    /// `chat_template.json`, else `chat_template` in `tokenizer_config.json`, which is one template or a list of named ones.
    /// None when it has none.
    ///
    /// # Errors
    /// As [`ChatTemplate::new`]; [`ErrorKind::Io`] and [`ErrorKind::Corrupted`] when a file cannot be read.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let mut named = BTreeMap::new();
        if let Some(source) = text_file(&folder.join("chat_template.jinja"))? {
            named.insert("default".to_owned(), source);
            named.extend(additional(&folder.join("additional_chat_templates"))?);
            return Self::of(named).map(Some);
        }
        for file in ["chat_template.json", "tokenizer_config.json"] {
            let Some(config) = json_file(&folder.join(file))? else { continue };
            match config.get("chat_template") {
                None | Some(Value::Null) => continue,
                Some(Value::String(source)) => return Self::new(source).map(Some),
                Some(Value::Array(templates)) => {
                    for template in templates {
                        let text = |key| template.get(key).and_then(Value::as_str).map(str::to_owned);
                        let (Some(name), Some(source)) = (text("name"), text("template")) else {
                            return Err(corrupted(file));
                        };
                        named.insert(name, source);
                    }
                    return Self::of(named).map(Some);
                }
                Some(_) => return Err(corrupted(file)),
            }
        }
        Ok(None)
    }

    fn of(named: BTreeMap<String, String>) -> Result<Self> {
        let named: BTreeMap<String, String> =
            named.into_iter().map(|(name, source)| (name, source::without_marks(&source))).collect();
        for source in named.values() {
            source::check(source)?;
            with_stack(source, || compiled(source).map(drop))?;
        }
        Ok(Self { named })
    }

    /// The template called `name`, alone.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Self> {
        let source = self.named.get(name)?.clone();
        Some(Self { named: [("default".to_owned(), source)].into() })
    }

    /// The error of a checkpoint without a template.
    #[must_use]
    pub fn missing() -> Error {
        Error::new(ErrorKind::NotSupported, "the model has no chat template")
            .with_hint("use a model that was trained on chats, or give its template as args.chat_template")
    }

    /// The text of a chat.
    ///
    /// `messages` is a list of objects with `role` and `content`, whose content is a text or a list of
    /// `{"type": "text", "text": ...}`; `tools` the functions that a model may call, as JSON schemas. With
    /// `add_generation_prompt` the text ends where the answer begins. Null values are as if they were not there.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`] when the messages are not as above, [`ErrorKind::InvalidParameter`] when the template refuses
    /// them or fails, or needs more than a real one does.
    pub fn render(
        &self,
        messages: &Value,
        tools: Option<&Value>,
        add_generation_prompt: bool,
        special: &SpecialTokens,
    ) -> Result<String> {
        let tools = tools.filter(|tools| !tools.is_null());
        let source = self.chosen(tools.is_some())?;
        if tools.is_some_and(|tools| !tools.is_array()) {
            return Err(Error::new(ErrorKind::InvalidParameter, "\"tools\" is a list of JSON schemas"));
        }
        let messages = messages::checked(messages, reads_parts(source))?;
        let (count, mut context) = (messages.len() as u64, Map::new());
        context.extend(special.0.iter().map(|(name, text)| (name.clone(), Value::from(text.as_str()))));
        context.insert("messages".to_owned(), Value::Array(messages));
        context.insert("tools".to_owned(), tools.cloned().unwrap_or_default());
        context.insert("documents".to_owned(), Value::Null);
        context.insert("add_generation_prompt".to_owned(), add_generation_prompt.into());
        let input = size(&context);
        let limits = Limits {
            steps: STEPS + STEPS_PER_MESSAGE * count,
            work: MOST_WORK.saturating_add(input.saturating_mul(WORK_PER_BYTE)),
            output: MOST_OUTPUT.saturating_add(input.saturating_mul(4)),
        };
        with_stack(source, || run(source, &context, &limits))
    }

    /// The template for a chat with or without tools.
    fn chosen(&self, with_tools: bool) -> Result<&str> {
        let for_tools = self.named.get("tool_use").filter(|_| with_tools);
        let source = for_tools.or_else(|| self.named.get("default")).map(String::as_str);
        source.ok_or_else(|| {
            let names: Vec<&str> = self.named.keys().map(String::as_str).collect();
            Error::new(ErrorKind::NotSupported, "the model has several chat templates, and none is the default")
                .with_detail(format!("they are {}", names.join(", ")))
                .with_hint("give one as args.chat_template")
        })
    }
}

/// What a run may use up.
struct Limits {
    steps: u64,
    work: usize,
    output: usize,
}

fn run(source: &str, context: &Map<String, Value>, limits: &Limits) -> Result<String> {
    let meter = Arc::new(Meter::new(limits.work, limits.output));
    let environment = environment::environment(&meter, limits.steps).map_err(|error| failure(&error))?;
    let program = metered::metered(&compiled(source)?);
    let (blocks, mut out) = (BTreeMap::new(), String::new());
    let context = jinja_map(context);
    let no_escapes = minijinja::AutoEscape::None;
    eval(&environment, &program, context, &blocks, &mut make_string_output(&mut out), no_escapes)
        .map_err(|error| failure(&error))?;
    if out.len() > limits.output {
        return Err(Error::new(ErrorKind::InvalidParameter, format!("the chat template wrote {} bytes", out.len()))
            .with_detail(format!("for these messages at most {} are taken", limits.output)));
    }
    Ok(out)
}

fn jinja_value(value: &Value) -> minijinja::Value {
    match value {
        Value::Null => ().into(),
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => number.into(),
            (None, Some(number)) => number.into(),
            (None, None) => number.as_f64().unwrap_or(f64::NAN).into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => items.iter().map(jinja_value).collect(),
        Value::Object(fields) => jinja_map(fields),
    }
}

fn jinja_map(fields: &Map<String, Value>) -> minijinja::Value {
    minijinja::Value::from_pairs(fields.iter().map(|(key, value)| (key.as_str(), jinja_value(value))))
}

fn compiled(source: &str) -> Result<minijinja::machinery::Instructions<'_>> {
    const NAME: &str = "chat template";
    let syntax = environment::syntax().map_err(|error| failure(&error))?;
    let tree = parse(source, NAME, syntax).map_err(|error| failure(&error))?;
    let mut generator = CodeGenerator::new(NAME, source);
    generator.compile_stmt(&tree);
    let (program, blocks) = generator.finish();
    if blocks.is_empty() {
        return Ok(program);
    }
    Err(Error::new(ErrorKind::NotSupported, "the chat template has blocks, which only templates of several files need"))
}

/// Runs `work` on a stack on which no template of this length can be too deep.
fn with_stack<T: Send>(source: &str, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let failed = |why: &str| Error::new(ErrorKind::Internal, format!("the chat template could not be run: {why}"));
    std::thread::scope(|scope| {
        let stack = LEAST_STACK + STACK_PER_BYTE * source.len();
        let thread =
            std::thread::Builder::new().name("chat template".to_owned()).stack_size(stack).spawn_scoped(scope, work);
        let thread = thread.map_err(|error| failed(&error.to_string()))?;
        thread.join().unwrap_or_else(|_| Err(failed("a defect of the template engine")))
    })
}

/// Whether a template looks into lists of parts itself.
fn reads_parts(source: &str) -> bool {
    ["['text']", "[\"text\"]", ".text", "content is string", "content is not string"]
        .iter()
        .any(|part| source.contains(part))
}

/// The size of what a chat is made from, about.
fn size(context: &Map<String, Value>) -> usize {
    fn of(value: &Value) -> usize {
        match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(of).sum(),
            Value::Object(fields) => fields.iter().map(|(key, value)| key.len() + of(value)).sum(),
            _ => 0,
        }
    }
    context.values().map(of).sum()
}

fn failure(error: &minijinja::Error) -> Error {
    let place = error.line().map_or_else(String::new, |line| format!(" in line {line}"));
    let why = match error.kind() {
        minijinja::ErrorKind::OutOfFuel => "it takes too many steps".to_owned(),
        minijinja::ErrorKind::InvalidOperation => error.detail().unwrap_or("an invalid operation").to_owned(),
        kind => error.detail().map_or_else(|| kind.to_string(), |detail| format!("{kind}: {detail}")),
    };
    Error::new(ErrorKind::InvalidParameter, format!("the chat template fails{place}: {why}"))
}

fn token_text(token: &Value) -> Option<&str> {
    token.as_str().or_else(|| token.get("content")?.as_str())
}

fn additional(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut named = BTreeMap::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(named) };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_stem().and_then(|name| name.to_str()).map(str::to_owned);
        if let (Some("jinja"), Some(name)) = (path.extension().and_then(|end| end.to_str()), name)
            && let Some(source) = text_file(&path)?
        {
            named.insert(name, source);
        }
    }
    Ok(named)
}

fn text_file(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::new(ErrorKind::Io, format!("cannot read \"{}\": {error}", path.display()))),
    }
}

fn json_file(path: &Path) -> Result<Option<Value>> {
    let Some(text) = text_file(path)? else { return Ok(None) };
    let value = serde_json::from_str(&text);
    value
        .map(Some)
        .map_err(|error| Error::new(ErrorKind::Corrupted, format!("\"{}\" is no JSON: {error}", path.display())))
}

fn corrupted(file: &str) -> Error {
    Error::new(ErrorKind::Corrupted, format!("\"chat_template\" in {file} is neither a text nor a list of named texts"))
}

#[cfg(test)]
mod tests;
