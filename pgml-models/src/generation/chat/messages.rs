//! The messages of a chat, as templates expect them.

use pgml_core::{Error, ErrorKind, Result};
use serde_json::{Map, Value};

/// The messages without what is null, as transformers hands them to a template; texts in parts are joined by line breaks
/// unless the template reads parts itself.
pub(super) fn checked(messages: &Value, reads_parts: bool) -> Result<Vec<Value>> {
    let Value::Array(messages) = messages else {
        return Err(invalid("a chat is a list of messages".to_owned()));
    };
    if messages.is_empty() {
        return Err(invalid("the chat has no messages".to_owned()));
    }
    (1..).zip(messages).map(|(place, message)| checked_one(message, place, reads_parts)).collect()
}

fn checked_one(message: &Value, place: usize, reads_parts: bool) -> Result<Value> {
    let Value::Object(fields) = message else {
        return Err(invalid(format!("message {place} is not an object")));
    };
    let mut fields: Map<String, Value> =
        fields.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), value.clone())).collect();
    if !matches!(fields.get("role"), Some(Value::String(_))) {
        return Err(invalid(format!("message {place} has no \"role\" that is a text")));
    }
    match fields.get("content") {
        Some(Value::String(_)) => {}
        Some(Value::Array(parts)) => {
            let joined = texts(parts, place)?.join("\n");
            if !reads_parts {
                fields.insert("content".to_owned(), Value::String(joined));
            }
        }
        None if fields.contains_key("tool_calls") => {}
        None => return Err(invalid(format!("message {place} has no \"content\""))),
        Some(_) => {
            return Err(invalid(format!("the \"content\" of message {place} is neither a text nor a list of parts")));
        }
    }
    Ok(Value::Object(fields))
}

/// The texts of a message in parts, all of which must be text.
fn texts(parts: &[Value], place: usize) -> Result<Vec<&str>> {
    let text = |part| match (Value::get(part, "type").and_then(Value::as_str), Value::get(part, "text")) {
        (Some("text") | None, Some(Value::String(text))) => Ok(text.as_str()),
        (kind, _) => {
            let kind = kind.unwrap_or("unknown");
            let error = Error::new(ErrorKind::NotSupported, format!("message {place} has a part of type \"{kind}\""));
            Err(error.with_hint("a part is {\"type\": \"text\", \"text\": \"...\"}"))
        }
    };
    parts.iter().map(text).collect()
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidData, message)
        .with_hint("a message is an object, as {\"role\": \"user\", \"content\": \"...\"}")
}
