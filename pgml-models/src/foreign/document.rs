//! A document as JSON and UBJSON both can say it, with arrays of numbers kept dense.

use std::fmt;

use pgml_core::{Error, ErrorKind, Result, bail};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A value of a model file.
#[derive(Debug, Clone, PartialEq)]
pub enum Document {
    /// `null`.
    Null,
    /// A number, or a boolean as 0 or 1: XGBoost has written flags both ways.
    Number(f64),
    /// A text.
    Text(String),
    /// An array of numbers; also the empty array.
    Numbers(Vec<f64>),
    /// Any other array.
    List(Vec<Document>),
    /// An object.
    Object(Vec<(String, Document)>),
}

impl Document {
    /// Reads JSON.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`], with the place.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes)
            .map_err(|e| Error::new(ErrorKind::Corrupted, format!("the model is no valid JSON: {e}")))
    }

    /// The value under `key`, if there is one.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<&Document> {
        match self {
            Self::Object(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The value under `key`.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`] when this is no object or has no such key.
    pub fn get(&self, key: &str) -> Result<&Document> {
        self.find(key).ok_or_else(|| Error::new(ErrorKind::Corrupted, format!("the model has no \"{key}\"")))
    }

    /// The text under `key`.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`] when there is none.
    pub fn text(&self, key: &str) -> Result<&str> {
        match self.get(key)? {
            Self::Text(text) => Ok(text),
            _ => bail!(Corrupted, "\"{key}\" of the model is no text"),
        }
    }

    /// The count under `key`, which XGBoost writes as a text; 0 when there is none.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`] when it is no count.
    pub fn count(&self, key: &str) -> Result<usize> {
        let count = match self.find(key) {
            None => return Ok(0),
            Some(Self::Text(text)) => text.parse().ok(),
            Some(Self::Number(x)) if *x >= 0.0 && x.fract() == 0.0 && *x < 9e15 => Some(*x as usize),
            Some(_) => None,
        };
        count.ok_or_else(|| Error::new(ErrorKind::Corrupted, format!("\"{key}\" of the model is no count")))
    }

    /// The numbers under `key`.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`] when there are none.
    pub fn numbers(&self, key: &str) -> Result<&[f64]> {
        match self.get(key)? {
            Self::Numbers(numbers) => Ok(numbers),
            _ => bail!(Corrupted, "\"{key}\" of the model is no array of numbers"),
        }
    }

    /// The items of an array that holds no numbers.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`] when it is something else.
    pub fn list(&self, key: &str) -> Result<&[Document]> {
        match self.get(key)? {
            Self::List(items) => Ok(items),
            Self::Numbers(numbers) if numbers.is_empty() => Ok(&[]),
            _ => bail!(Corrupted, "\"{key}\" of the model is no list"),
        }
    }

    /// The texts of an array; none when there is no such key.
    #[must_use]
    pub fn texts(&self, key: &str) -> Vec<String> {
        let items = match self.find(key) {
            Some(Self::List(items)) => items.as_slice(),
            _ => &[],
        };
        let text = |item: &Document| if let Self::Text(text) = item { Some(text.clone()) } else { None };
        items.iter().filter_map(text).collect()
    }

    /// An array of `items`, dense if they are numbers.
    #[must_use]
    pub fn array(items: Vec<Document>) -> Self {
        let number = |item: &Document| if let Self::Number(x) = item { Some(*x) } else { None };
        match items.iter().map(number).collect() {
            Some(numbers) => Self::Numbers(numbers),
            None => Self::List(items),
        }
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Document;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Document, E> {
        Ok(Document::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Document, E> {
        Ok(Document::Number(f64::from(u8::from(value))))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Document, E> {
        Ok(Document::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Document, E> {
        Ok(Document::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Document, E> {
        Ok(Document::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Document, E> {
        Ok(Document::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Document, A::Error> {
        let mut numbers = Vec::new();
        while let Some(item) = seq.next_element()? {
            match item {
                Document::Number(x) => numbers.push(x),
                other => {
                    let mut items: Vec<Document> = numbers.into_iter().map(Document::Number).collect();
                    items.push(other);
                    while let Some(item) = seq.next_element()? {
                        items.push(item);
                    }
                    return Ok(Document::List(items));
                }
            }
        }
        Ok(Document::Numbers(numbers))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Document, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Document::Object(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_arrays_of_numbers_are_dense_and_others_are_lists() {
        let document =
            Document::from_json(br#"{"a": [1, 2.5, true], "b": [1, "x"], "c": [], "d": "7"}"#).expect("JSON");
        assert_eq!(document.numbers("a"), Ok(&[1.0, 2.5, 1.0][..]));
        assert_eq!(document.list("b").map(<[Document]>::len), Ok(2));
        assert_eq!(document.list("c").map(<[Document]>::len), Ok(0));
        assert_eq!((document.count("d"), document.count("e")), (Ok(7), Ok(0)));
        assert!(document.get("e").is_err() && document.count("b").is_err());
    }
}
