//! `response_format`, as OpenAI's API has it, and two forms more.

use llguidance::api::TopLevelGrammar;
use pgml_core::{Error, ErrorKind, Result};
use serde_json::{Map, Value, json};

/// The form of a text.
#[derive(Debug, Clone, PartialEq)]
pub enum ResponseFormat {
    /// A JSON object.
    JsonObject,
    /// JSON that is valid by a schema.
    JsonSchema(Value),
    /// A text that a pattern matches from its beginning to its end.
    Regex(String),
    /// One of some texts.
    Choice(Vec<String>),
}

/// The types, as they are written.
const TYPES: [&str; 5] = ["text", "json_object", "json_schema", "regex", "choice"];

/// Between two parts of JSON. Bounded, for models that are not sure what comes next like to go on with spaces.
const SPACES: &str = r"[\x20\x0A\x0D\x09]{1,64}";

impl ResponseFormat {
    /// Reads the argument: `{"type": "json_object"}`, `{"type": "json_schema", "json_schema": {"schema": {...}}}`,
    /// `{"type": "regex", "pattern": "..."}` or `{"type": "choice", "choices": ["...", ...]}`. None for null and
    /// `{"type": "text"}`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] when it is none of these.
    pub fn parse(value: &Value) -> Result<Option<Self>> {
        let known = || format!("its types are {}", TYPES.join(", "));
        let fields = match value {
            Value::Null => return Ok(None),
            Value::Object(fields) => fields,
            _ => return Err(invalid("response_format is an object with a \"type\"").with_detail(known())),
        };
        let Some(Value::String(kind)) = fields.get("type") else {
            return Err(invalid("response_format has no \"type\" that is a text").with_detail(known()));
        };
        match kind.as_str() {
            "text" => only(fields, &[]).map(|()| None),
            "json_object" => only(fields, &[]).map(|()| Some(Self::JsonObject)),
            "json_schema" => {
                only(fields, &["json_schema"])?;
                let schema = fields.get("json_schema").and_then(|named| named.get("schema"));
                match schema {
                    Some(schema @ (Value::Object(_) | Value::Bool(_))) => Ok(Some(Self::JsonSchema(schema.clone()))),
                    _ => Err(invalid("response_format has no schema")
                        .with_hint("give it as {\"type\": \"json_schema\", \"json_schema\": {\"schema\": {...}}}")),
                }
            }
            "regex" => {
                only(fields, &["pattern"])?;
                match fields.get("pattern") {
                    Some(Value::String(pattern)) => Ok(Some(Self::Regex(pattern.clone()))),
                    _ => Err(invalid("response_format has no \"pattern\" that is a text")),
                }
            }
            "choice" => {
                only(fields, &["choices"])?;
                choices(fields.get("choices")).map(|choices| Some(Self::Choice(choices)))
            }
            unknown => {
                let error = invalid(&format!("unknown type of response_format \"{unknown}\"")).with_detail(known());
                Err(match pgml_core::error::did_you_mean(unknown, TYPES) {
                    Some(meant) => error.with_hint(format!("did you mean \"{meant}\"?")),
                    None => error,
                })
            }
        }
    }

    /// What it means to the parser.
    pub(super) fn grammar(&self) -> TopLevelGrammar {
        match self {
            Self::JsonObject => TopLevelGrammar::from_json_schema(spaced(&json!({"type": "object"}))),
            Self::JsonSchema(schema) => TopLevelGrammar::from_json_schema(spaced(schema)),
            Self::Regex(pattern) => {
                let pattern = pattern.strip_prefix('^').unwrap_or(pattern);
                TopLevelGrammar::from_regex(without_end(pattern))
            }
            Self::Choice(choices) => {
                let choices: Vec<String> = choices.iter().map(|choice| escaped(choice)).collect();
                TopLevelGrammar::from_regex(&choices.join("|"))
            }
        }
    }

    /// The error of one that the parser refuses.
    pub(super) fn refused(&self, why: &str) -> Error {
        let message = match self {
            Self::JsonObject => "JSON cannot be written with the tokens of this model",
            Self::JsonSchema(_) => "the JSON schema of response_format cannot be followed",
            Self::Regex(_) => "the pattern of response_format cannot be followed",
            Self::Choice(_) => "the choices of response_format cannot be followed",
        };
        invalid(message).with_detail(why.trim())
    }
}

/// A schema with what may stand between parts of its JSON; one that says so itself is left as it is.
fn spaced(schema: &Value) -> Value {
    let mut schema = match schema {
        Value::Bool(true) => json!({}),
        other => other.clone(),
    };
    if let Value::Object(fields) = &mut schema {
        fields.entry("x-guidance").or_insert_with(|| json!({"whitespace_pattern": SPACES}));
    }
    schema
}

/// A pattern without the `$` at its end, for the whole text is matched anyway.
fn without_end(pattern: &str) -> &str {
    let bare = pattern.strip_suffix('$').unwrap_or(pattern);
    let backslashes = bare.len() - bare.trim_end_matches('\\').len();
    if backslashes % 2 == 1 { pattern } else { bare }
}

/// A text as a pattern that matches nothing else.
fn escaped(text: &str) -> String {
    text.chars().flat_map(|c| (c.is_ascii_punctuation()).then_some('\\').into_iter().chain([c])).collect()
}

fn choices(value: Option<&Value>) -> Result<Vec<String>> {
    let wrong = || invalid("\"choices\" of response_format is a list of texts that are not empty");
    let Some(Value::Array(choices)) = value else { return Err(wrong()) };
    let text = |choice: &Value| choice.as_str().filter(|text| !text.is_empty()).map(str::to_owned).ok_or_else(wrong);
    let choices: Vec<String> = choices.iter().map(text).collect::<Result<_>>()?;
    if choices.is_empty() { Err(wrong()) } else { Ok(choices) }
}

/// Refuses fields that the type does not have.
fn only(fields: &Map<String, Value>, known: &[&str]) -> Result<()> {
    match fields.keys().find(|key| *key != "type" && !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(invalid(&format!("response_format of this type has no \"{key}\""))
            .with_detail(format!("it has {}", [&["type"], known].concat().join(", ")))),
    }
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::InvalidParameter, message)
}
