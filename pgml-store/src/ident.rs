//! Identifiers that quote themselves, and the names of relations as users write them.

use std::fmt;
use std::str::FromStr;

use pgml_core::{Error, Result, bail};

/// PostgreSQL keeps this many bytes of an identifier (`NAMEDATALEN` - 1).
const MAX_BYTES: usize = 63;

/// An identifier. Displays quoted, so that it can stand in SQL text whatever it holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ident(String);

impl Ident {
    /// The identifier spelt exactly so.
    ///
    /// # Errors
    /// [`InvalidParameter`](pgml_core::ErrorKind::InvalidParameter) when no identifier can be spelt so: it is empty,
    /// longer than 63 bytes, or holds a zero byte.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        if name.is_empty() {
            bail!(InvalidParameter, "a name must not be empty");
        }
        if name.len() > MAX_BYTES {
            bail!(InvalidParameter, "name \"{name}\" has {} bytes, but may have at most {MAX_BYTES}", name.len());
        }
        if name.contains('\0') {
            bail!(InvalidParameter, "a name must not hold a zero byte");
        }
        Ok(Self(name))
    }

    /// The name without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('"', "\"\""))
    }
}

/// A relation as a user names it: `table`, `schema.table`, each part quoted or not. Displays quoted.
///
/// Unquoted parts are kept as they are, since PostgresML matched names exactly (`pgml.jdxcosta/diamonds` is one); where
/// nothing of that spelling exists, [`RelationName::folded`] is how SQL would have read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationName {
    /// The schema, if named; else the search path decides.
    pub schema: Option<Ident>,
    /// The relation.
    pub name: Ident,
    folded: Option<(Option<Ident>, Ident)>,
}

impl RelationName {
    /// The same name with unquoted parts in lower case, if that is another name.
    #[must_use]
    pub fn folded(&self) -> Option<Self> {
        let (schema, name) = self.folded.clone()?;
        Some(Self { schema, name, folded: None })
    }
}

impl fmt::Display for RelationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}.")?;
        }
        write!(f, "{}", self.name)
    }
}

impl FromStr for RelationName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts = split(text)?;
        let exact: Vec<Ident> = parts.iter().map(|part| Ident::new(part.text.clone())).collect::<Result<_>>()?;
        let folded: Vec<Ident> = parts.iter().map(Segment::folded).collect::<Result<_>>()?;
        let folded = if folded == exact { None } else { Some(schema_and_name(text, folded)?) };
        let (schema, name) = schema_and_name(text, exact)?;
        Ok(Self { schema, name, folded })
    }
}

struct Segment {
    text: String,
    quoted: bool,
}

impl Segment {
    fn folded(&self) -> Result<Ident> {
        Ident::new(if self.quoted { self.text.clone() } else { self.text.to_lowercase() })
    }
}

fn schema_and_name(text: &str, mut parts: Vec<Ident>) -> Result<(Option<Ident>, Ident)> {
    match (parts.pop(), parts.pop(), parts.len()) {
        (Some(name), schema, 0) => Ok((schema, name)),
        _ => Err(Error::new(
            pgml_core::ErrorKind::InvalidParameter,
            format!("relation name \"{text}\" has more parts than a schema and a name"),
        )
        .with_hint("write a name that contains a dot in double quotes: \"schema\".\"my.table\"")),
    }
}

/// Splits at the dots outside quotes.
fn split(text: &str) -> Result<Vec<Segment>> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        let (segment, tail) = if rest.starts_with('"') { quoted(text, rest)? } else { unquoted(text, rest)? };
        parts.push(segment);
        match tail.strip_prefix('.') {
            Some(next) => rest = next,
            None => return Ok(parts),
        }
    }
}

fn unquoted<'a>(text: &str, rest: &'a str) -> Result<(Segment, &'a str)> {
    let (part, tail) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
    if part.contains('"') {
        bail!(InvalidParameter, "relation name \"{text}\" has a quote in the middle of a part");
    }
    if part.is_empty() {
        bail!(InvalidParameter, "relation name \"{text}\" has an empty part");
    }
    Ok((Segment { text: part.to_owned(), quoted: false }, tail))
}

fn quoted<'a>(text: &str, rest: &'a str) -> Result<(Segment, &'a str)> {
    let mut part = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != '"' {
            part.push(c);
        } else if chars.next_if(|(_, next)| *next == '"').is_some() {
            part.push('"');
        } else {
            let tail = &rest[at + 1..];
            if !tail.is_empty() && !tail.starts_with('.') {
                bail!(InvalidParameter, "relation name \"{text}\" goes on after a closing quote without a dot");
            }
            return Ok((Segment { text: part, quoted: true }, tail));
        }
    }
    bail!(InvalidParameter, "relation name \"{text}\" has an unclosed quote")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_read_as_users_write_them() {
        for (text, shown) in [
            ("digits", "\"digits\""),
            ("pgml.digits", "\"pgml\".\"digits\""),
            ("pgml.jdxcosta/diamonds", "\"pgml\".\"jdxcosta/diamonds\""),
            ("\"a.b\".\"c\"\"d\"", "\"a.b\".\"c\"\"d\""),
            ("public.\"My Table\"", "\"public\".\"My Table\""),
            ("Robert'); DROP TABLE x;--", "\"Robert'); DROP TABLE x;--\""),
        ] {
            assert_eq!(text.parse::<RelationName>().map(|name| name.to_string()), Ok(shown.to_owned()));
        }
    }

    #[test]
    fn only_unquoted_parts_fold_to_lower_case() {
        let name: RelationName = "Public.\"Digits\"".parse().expect("a name");
        assert_eq!(name.folded().map(|name| name.to_string()), Some("\"public\".\"Digits\"".to_owned()));
        assert_eq!("digits".parse::<RelationName>().expect("a name").folded(), None);
    }

    #[test]
    fn what_is_no_relation_name_is_refused() {
        let long = "x".repeat(64);
        for text in ["", ".", "a.", "a..b", "a.b.c", "\"a", "\"a\"b", "a\"b\"", "\"\"", "nul\0", &long] {
            let error = text.parse::<RelationName>().expect_err(text);
            assert_eq!(error.kind(), pgml_core::ErrorKind::InvalidParameter, "{error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back_as_the_same_name(schema in ".{1,15}", name in ".{1,15}") {
            prop_assume!(!schema.contains('\0') && !name.contains('\0'));
            let (schema, name) = (Ident::new(schema)?, Ident::new(name)?);
            let read: RelationName = format!("{schema}.{name}").parse()?;
            prop_assert_eq!((read.schema, read.name), (Some(schema), name));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".*") {
            let _ = text.parse::<RelationName>();
        }
    }
}
