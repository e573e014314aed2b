//! Reads `.slt` files.

use regex::Regex;

/// One record of a file.
#[derive(Clone, Debug)]
pub struct Record {
    /// Line of its first word, counted from 1.
    pub line: usize,
    /// What to do.
    pub action: Action,
    /// It is skipped on servers that have one of these labels (`pg15`, …).
    pub skip_on: Vec<String>,
    /// It runs only on servers that have all of these labels.
    pub only_on: Vec<String>,
}

/// What a record asks for.
#[derive(Clone, Debug)]
pub enum Action {
    /// Runs SQL and expects something of it.
    Sql {
        /// The SQL.
        sql: String,
        /// What must come of it.
        expected: Expected,
    },
    /// The following records use the session of this name.
    Connection(String),
    /// Ends the file.
    Halt,
}

/// What must come of a statement.
#[derive(Clone, Debug)]
pub enum Expected {
    /// It succeeds.
    Ok,
    /// It succeeds and changes so many rows.
    Count(u64),
    /// It succeeds and sends a message that the pattern is found in.
    Notice(Regex),
    /// It fails, and the pattern is found in the error's words.
    ErrorMatching(Regex),
    /// It fails with exactly these words.
    ErrorText(String),
    /// It returns rows.
    Rows {
        /// Number of columns: the number of type letters.
        columns: usize,
        /// The order in which they are compared.
        order: Order,
        /// The rows' text, one line each.
        rows: Vec<String>,
    },
}

/// The order in which rows are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As they come.
    AsReturned,
    /// Sorted by line.
    Sorted,
}

/// Reads the text of a file.
///
/// # Errors
/// `line: what is wrong` of the first record that cannot be understood.
pub fn parse(text: &str) -> Result<Vec<Record>, String> {
    let mut lines = Lines { lines: text.lines().collect(), next: 0 };
    let mut records = Vec::new();
    let (mut skip_on, mut only_on) = (Vec::new(), Vec::new());
    while let Some((line, head)) = lines.next_head() {
        let mut words = head.split_whitespace();
        let word = words.next().unwrap_or_default();
        let rest = words.collect::<Vec<_>>();
        match word {
            "skipif" => skip_on.push(label(line, &rest)?),
            "onlyif" => only_on.push(label(line, &rest)?),
            _ => {
                let action = action(line, word, head, &rest, &mut lines)?;
                let (skip_on, only_on) = (std::mem::take(&mut skip_on), std::mem::take(&mut only_on));
                records.push(Record { line, action, skip_on, only_on });
            }
        }
    }
    Ok(records)
}

fn label(line: usize, rest: &[&str]) -> Result<String, String> {
    match rest {
        [label, ..] => Ok((*label).to_owned()),
        [] => Err(format!("{line}: a label is missing: pg15, pg16, pg18 or vector")),
    }
}

fn action(line: usize, word: &str, head: &str, rest: &[&str], lines: &mut Lines<'_>) -> Result<Action, String> {
    match (word, rest) {
        ("halt", _) => Ok(Action::Halt),
        ("connection", [name]) => Ok(Action::Connection((*name).to_owned())),
        ("statement", [kind, ..]) => statement(line, kind, after(head, kind), lines),
        ("query", ["error", ..]) => statement(line, "error", after(head, "error"), lines),
        ("query", [types, options @ ..]) => query(line, types, options, lines),
        _ => Err(format!(
            "{line}: `{head}` begins no record; known are: statement ok|count N|notice PATTERN|error [PATTERN], \
             query TYPES [rowsort], connection NAME, skipif LABEL, onlyif LABEL, halt"
        )),
    }
}

/// What follows `word` in `head`, blank space inside it kept: patterns may contain some.
fn after<'a>(head: &'a str, word: &str) -> &'a str {
    head.find(word).map_or("", |at| head[at + word.len()..].trim())
}

fn statement(line: usize, kind: &str, argument: &str, lines: &mut Lines<'_>) -> Result<Action, String> {
    let (sql, result) = lines.body(line)?;
    let expected = match (kind, result) {
        ("ok", None) => Expected::Ok,
        ("count", None) => {
            Expected::Count(argument.parse().map_err(|_| format!("{line}: `{argument}` is not a number of rows"))?)
        }
        ("notice", None) => Expected::Notice(pattern(line, argument)?),
        ("error", None) => Expected::ErrorMatching(pattern(line, argument)?),
        ("error", Some(text)) if argument.is_empty() => Expected::ErrorText(text.join("\n")),
        ("error", Some(_)) => return Err(format!("{line}: an error has either a pattern or a text below ----")),
        ("ok" | "count" | "notice", Some(_)) => return Err(format!("{line}: `statement {kind}` has no ---- part")),
        _ => return Err(format!("{line}: `statement {kind}`; known are: ok, count, notice, error")),
    };
    Ok(Action::Sql { sql, expected })
}

fn pattern(line: usize, text: &str) -> Result<Regex, String> {
    // `(?s)`: a pattern may span the message, its detail and its hint.
    Regex::new(&format!("(?s){text}")).map_err(|error| format!("{line}: {error}"))
}

fn query(line: usize, types: &str, options: &[&str], lines: &mut Lines<'_>) -> Result<Action, String> {
    let order = match options {
        [] | ["nosort"] => Order::AsReturned,
        ["rowsort"] => Order::Sorted,
        _ => return Err(format!("{line}: `{}`; known are: nosort, rowsort", options.join(" "))),
    };
    if let Some(wrong) = types.chars().find(|letter| !"TIRB?".contains(*letter)) {
        return Err(format!("{line}: type `{wrong}`; known are T (text), I (integer), R (real), B (boolean), ? (any)"));
    }
    let (sql, result) = lines.body(line)?;
    let rows = result.ok_or_else(|| format!("{line}: a query needs ---- and its rows (none, if it returns none)"))?;
    let rows = rows.iter().map(|row| one_spaced(row)).collect();
    Ok(Action::Sql { sql, expected: Expected::Rows { columns: types.len(), order, rows } })
}

/// A row's text with single spaces, so that expected rows may be aligned for the eye.
pub fn one_spaced(row: &str) -> String {
    row.split_whitespace().collect::<Vec<_>>().join(" ")
}

struct Lines<'a> {
    lines: Vec<&'a str>,
    next: usize,
}

impl<'a> Lines<'a> {
    /// The next line that is neither blank nor a comment, with its number.
    fn next_head(&mut self) -> Option<(usize, &'a str)> {
        loop {
            let line = self.lines.get(self.next)?.trim();
            self.next += 1;
            if !line.is_empty() && !line.starts_with('#') {
                return Some((self.next, line));
            }
        }
    }

    /// A record's SQL, up to a blank line, and what follows its `----`, up to the next blank line.
    fn body(&mut self, line: usize) -> Result<(String, Option<Vec<&'a str>>), String> {
        let mut sql = Vec::new();
        let mut result: Option<Vec<&str>> = None;
        while let Some(text) = self.lines.get(self.next).filter(|text| !text.trim().is_empty()) {
            self.next += 1;
            match &mut result {
                Some(rows) => rows.push(text),
                None if *text == "----" => result = Some(Vec::new()),
                None => sql.push(*text),
            }
        }
        if sql.is_empty() { Err(format!("{line}: the record has no SQL")) } else { Ok((sql.join("\n"), result)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_with_their_lines_and_labels() {
        let text = "# comment\nskipif pg15\nonlyif vector\nquery TI rowsort\nSELECT 1,\n  2\n----\na    1\nb 2\n\n\
                    statement error 22023: a  pattern\nSELECT 1\n\nconnection other\nhalt\n";
        let records = parse(text).expect("valid");
        assert_eq!(records.len(), 4);
        assert_eq!(
            (records[0].line, &records[0].skip_on[..], &records[0].only_on[..]),
            (4, &["pg15".to_owned()][..], &["vector".to_owned()][..])
        );
        let Action::Sql { sql, expected: Expected::Rows { columns, order, rows } } = &records[0].action else {
            panic!("a query")
        };
        assert_eq!((sql.as_str(), *columns, *order), ("SELECT 1,\n  2", 2, Order::Sorted));
        assert_eq!(rows, &["a 1", "b 2"]);
        let Action::Sql { expected: Expected::ErrorMatching(pattern), .. } = &records[1].action else {
            panic!("an error")
        };
        assert!(pattern.is_match("ERROR 22023: a  pattern") && !pattern.is_match("ERROR 22023: a pattern"));
        assert!(records[1].skip_on.is_empty());
    }

    #[test]
    fn a_mistake_in_a_file_is_named_with_its_line() {
        for (text, part) in [
            ("\nfoo", "2: `foo`"),
            ("statement ok\n\n", "1: the record has no SQL"),
            ("statement fine\nSELECT 1", "1: `statement fine`"),
            ("query X\nSELECT 1\n----\n1", "1: type `X`"),
            ("query I\nSELECT 1", "1: a query needs ----"),
            ("statement error (\nSELECT 1", "1: regex"),
            ("statement error a\nSELECT 1\n----\nb", "1: an error has either"),
            ("statement count x\nSELECT 1", "1: `x`"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.starts_with(part), "{text:?} gave {error}");
        }
    }
}
