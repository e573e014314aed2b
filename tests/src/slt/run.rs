//! Runs the records of a file against a fresh database.

use std::collections::HashMap;
use std::path::Path;

use postgres::SimpleQueryMessage;

use super::parse::{Action, Expected, Order, Record, one_spaced, parse};
use crate::server::{Database, Server};
use crate::session::{Session, describe_error};

/// Runs one file in a database of its own.
///
/// # Errors
/// The first record that does not hold: `file:line`, its SQL, what was expected and what came.
pub fn run_file(server: &Server, file: &Path, shown: &str) -> Result<(), String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{shown}: {error}"))?;
    let records = parse(&text).map_err(|error| format!("{shown}:{error}"))?;
    let database = server.database().map_err(|error| format!("{shown}: creating a database: {error}"))?;
    let labels = labels(server);
    let mut sessions = Sessions { database: &database, open: HashMap::new(), current: "default".into() };
    for record in records.iter().filter(|record| applies(record, &labels)) {
        match &record.action {
            Action::Halt => break,
            Action::Connection(name) => sessions.current.clone_from(name),
            Action::Sql { sql, expected } => {
                let answer = answer(sessions.current()?, sql);
                let wrong = check(expected, &answer);
                wrong.map_err(|wrong| format!("{shown}:{}\n{sql}\n{wrong}", record.line))?;
            }
        }
    }
    Ok(())
}

struct Sessions<'a> {
    database: &'a Database,
    open: HashMap<String, Session>,
    current: String,
}

impl Sessions<'_> {
    fn current(&mut self) -> Result<&mut Session, String> {
        if !self.open.contains_key(&self.current) {
            let session = self.database.connect().map_err(|error| error.to_string())?;
            self.open.insert(self.current.clone(), session);
        }
        self.open.get_mut(&self.current).ok_or_else(|| "a session just opened is there".into())
    }
}

fn labels(server: &Server) -> Vec<String> {
    let mut labels = vec![format!("pg{}", server.version)];
    if server.installation().is_ok_and(|installation| installation.has_pgvector()) {
        labels.push("vector".into());
    }
    labels
}

fn applies(record: &Record, labels: &[String]) -> bool {
    record.only_on.iter().all(|label| labels.contains(label))
        && !record.skip_on.iter().any(|label| labels.contains(label))
}

/// Everything that came of a statement.
#[derive(Debug, Default)]
struct Answer {
    rows: Vec<Vec<Option<String>>>,
    columns: usize,
    changed: u64,
    notices: Vec<String>,
    error: Option<String>,
}

fn answer(session: &mut Session, sql: &str) -> Answer {
    let mut answer = Answer::default();
    match session.client.simple_query(sql) {
        Err(error) => answer.error = Some(describe_error(&error)),
        Ok(messages) => messages.into_iter().for_each(|message| collect(message, &mut answer)),
    }
    answer.notices = session.take_notices();
    answer
}

fn collect(message: SimpleQueryMessage, answer: &mut Answer) {
    match message {
        SimpleQueryMessage::RowDescription(columns) => answer.columns = columns.len(),
        SimpleQueryMessage::Row(row) => {
            answer.rows.push((0..row.len()).map(|column| row.get(column).map(String::from)).collect());
        }
        SimpleQueryMessage::CommandComplete(count) => answer.changed = count,
        _ => {}
    }
}

fn check(expected: &Expected, answer: &Answer) -> Result<(), String> {
    match (expected, &answer.error) {
        (Expected::ErrorMatching(pattern), Some(error)) if pattern.is_match(error) => Ok(()),
        (Expected::ErrorMatching(pattern), Some(error)) => {
            let pattern = pattern.as_str().trim_start_matches("(?s)");
            Err(format!("expected an error with: {pattern}\ngot: {error}"))
        }
        (Expected::ErrorText(text), Some(error)) => compare(text, error),
        (Expected::ErrorMatching(_) | Expected::ErrorText(_), None) => Err("expected an error\ngot: none".into()),
        (_, Some(error)) => Err(format!("expected success\ngot: {error}")),
        (Expected::Ok, None) => Ok(()),
        (Expected::Count(count), None) => compare(&count.to_string(), &answer.changed.to_string()),
        (Expected::Notice(pattern), None) if answer.notices.iter().any(|notice| pattern.is_match(notice)) => Ok(()),
        // All together: a pattern can tell their order.
        (Expected::Notice(pattern), None) if pattern.is_match(&answer.notices.join("\n")) => Ok(()),
        (Expected::Notice(pattern), None) => {
            let pattern = pattern.as_str().trim_start_matches("(?s)");
            Err(format!("expected a message with: {pattern}\ngot:\n{}", answer.notices.join("\n")))
        }
        (Expected::Rows { columns, order, rows }, None) => check_rows(*columns, *order, rows, answer),
    }
}

fn check_rows(columns: usize, order: Order, expected: &[String], answer: &Answer) -> Result<(), String> {
    if columns != answer.columns {
        return Err(format!("expected {columns} columns (one per type letter)\ngot {}", answer.columns));
    }
    let mut rows: Vec<String> = answer.rows.iter().map(|row| row_text(row)).collect();
    let mut expected = expected.to_vec();
    if order == Order::Sorted {
        rows.sort();
        expected.sort();
    }
    compare(&expected.join("\n"), &rows.join("\n"))
}

/// Values joined by a space; the empty text is shown as `(empty)`, so that it can be seen.
fn row_text(row: &[Option<String>]) -> String {
    let value = |value: &Option<String>| match value.as_deref() {
        None => "NULL".to_owned(),
        Some("") => "(empty)".to_owned(),
        // A line break would begin a new row of the expected text.
        Some(text) => one_spaced(&text.replace('\n', "\\n")),
    };
    one_spaced(&row.iter().map(value).collect::<Vec<_>>().join(" "))
}

fn compare(expected: &str, got: &str) -> Result<(), String> {
    if expected == got { Ok(()) } else { Err(format!("expected:\n{expected}\ngot:\n{got}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(rows: &[&[Option<&str>]]) -> Answer {
        let own = |row: &&[Option<&str>]| row.iter().map(|value| value.map(String::from)).collect::<Vec<_>>();
        Answer { rows: rows.iter().map(own).collect(), columns: 2, ..Answer::default() }
    }

    fn rows(order: Order, rows: &[&str]) -> Expected {
        Expected::Rows { columns: 2, order, rows: rows.iter().map(|row| (*row).to_owned()).collect() }
    }

    #[test]
    fn rows_are_compared_as_text_with_nulls_and_empty_values_visible() {
        let answer = answered(&[&[Some("b"), None], &[Some("a"), Some("")]]);
        assert!(check(&rows(Order::AsReturned, &["b NULL", "a (empty)"]), &answer).is_ok());
        assert!(check(&rows(Order::AsReturned, &["a (empty)", "b NULL"]), &answer).is_err());
        assert!(check(&rows(Order::Sorted, &["a (empty)", "b NULL"]), &answer).is_ok());
        assert!(check(&rows(Order::Sorted, &["a (empty)"]), &answer).is_err());
    }

    #[test]
    fn the_number_of_columns_counts() {
        let answer = answered(&[&[Some("1"), Some("2")]]);
        let one = Expected::Rows { columns: 1, order: Order::AsReturned, rows: vec!["1 2".into()] };
        assert!(check(&one, &answer).expect_err("two columns").contains("columns"));
    }

    #[test]
    fn an_unexpected_error_fails_every_expectation_of_success() {
        let failed = Answer { error: Some("ERROR 22023: no".into()), ..Answer::default() };
        assert!(check(&Expected::Ok, &failed).expect_err("failed").contains("22023"));
        assert!(check(&Expected::ErrorText("ERROR 22023: no".into()), &failed).is_ok());
        assert!(check(&Expected::ErrorText("ERROR 22023: n".into()), &failed).is_err());
        assert!(check(&Expected::ErrorText("x".into()), &Answer::default()).is_err());
    }
}
