//! The filter `tojson`, as Python's `json.dumps(ensure_ascii=False)` writes values: unlike Jinja's, nothing is escaped for HTML.

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, Value};

use super::meter::Meter;

/// How JSON is laid out.
struct Layout {
    /// What one level is indented by, if lines are broken.
    indent: Option<String>,
    /// Between elements, and between a key and its value.
    separators: (String, String),
    sort_keys: bool,
    ascii: bool,
}

/// `value` as JSON.
pub(super) fn tojson(meter: &Meter, value: &Value, indent: Option<Value>, rest: &Kwargs) -> Result<String, Error> {
    let indent = match indent {
        Some(indent) => Some(indent),
        None => rest.get("indent")?,
    };
    let indent = match indent.filter(|indent| !indent.is_none()) {
        None => None,
        Some(indent) => Some(match indent.as_str() {
            Some(margin) => margin.to_owned(),
            // Wider is of no use, and repeated on every line.
            None => " ".repeat(usize::try_from(indent)?.min(64)),
        }),
    };
    let between = if indent.is_some() { "," } else { ", " };
    let separators = rest.get::<Option<Vec<String>>>("separators")?;
    let separators = match separators.as_deref() {
        Some([item, key]) => (item.clone(), key.clone()),
        _ => (between.to_owned(), ": ".to_owned()),
    };
    let sort_keys = rest.get::<Option<bool>>("sort_keys")?.unwrap_or(false);
    let ascii = rest.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false);
    rest.assert_all_used()?;
    let mut json = String::new();
    Layout { indent, separators, sort_keys, ascii }.write(meter, value, 0, &mut json)?;
    Ok(json)
}

impl Layout {
    fn write(&self, meter: &Meter, value: &Value, depth: usize, out: &mut String) -> Result<(), Error> {
        let before = out.len();
        match value.kind() {
            ValueKind::None => out.push_str("null"),
            ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => out.push_str(&value.to_string()),
            ValueKind::String => self.write_text(value.as_str().unwrap_or_default(), out),
            ValueKind::Seq | ValueKind::Iterable => {
                self.write_all(meter, value.try_iter()?.map(|item| (None, item)), depth, ('[', ']'), out)?;
            }
            ValueKind::Map => {
                let mut keys: Vec<Value> = value.try_iter()?.collect();
                if self.sort_keys {
                    keys.sort();
                }
                let pairs = keys.into_iter().map(|key| {
                    let item = value.get_item(&key).unwrap_or_default();
                    (Some(key), item)
                });
                self.write_all(meter, pairs, depth, ('{', '}'), out)?;
            }
            kind => return Err(Error::new(ErrorKind::InvalidOperation, format!("{kind} has no JSON"))),
        }
        meter.charge(out.len() - before)
    }

    fn write_all(
        &self,
        meter: &Meter,
        items: impl Iterator<Item = (Option<Value>, Value)>,
        depth: usize,
        (open, close): (char, char),
        out: &mut String,
    ) -> Result<(), Error> {
        out.push(open);
        let mut is_empty = true;
        for (key, item) in items {
            if !is_empty {
                out.push_str(&self.separators.0);
            }
            is_empty = false;
            self.break_line(depth + 1, out);
            if let Some(key) = key {
                self.write_text(&meter.text(&key)?, out);
                out.push_str(&self.separators.1);
            }
            self.write(meter, &item, depth + 1, out)?;
        }
        if !is_empty {
            self.break_line(depth, out);
        }
        out.push(close);
        Ok(())
    }

    fn break_line(&self, depth: usize, out: &mut String) {
        if let Some(indent) = &self.indent {
            out.push('\n');
            (0..depth).for_each(|_| out.push_str(indent));
        }
    }

    fn write_text(&self, text: &str, out: &mut String) {
        out.push('"');
        for c in text.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                '\0'..='\u{1f}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
                c if self.ascii && !c.is_ascii() => {
                    let mut units = [0; 2];
                    c.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
                }
                c => out.push(c),
            }
        }
        out.push('"');
    }
}
