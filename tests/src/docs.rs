//! Runs the SQL blocks of the documentation: what a reader copies must work.
//!
//! A block's info string may say more after `sql`: `error=22023` (its last statement fails with this SQLSTATE, the
//! others succeed) or `ignore="why"` (not run; the reason is for the next reader).

use std::path::Path;

use xtask::statements::split;

use crate::server::Server;
use crate::session::describe_error;

/// A block of SQL in a Markdown file.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    /// Line of its first line of SQL, counted from 1.
    pub line: usize,
    /// Its text.
    pub sql: String,
    /// The SQLSTATE that its last statement fails with.
    pub error: Option<String>,
}

/// Whether a script begins by creating pgvector, which not every server has.
#[must_use]
pub fn needs_pgvector(script: &Path) -> bool {
    let first = std::fs::read_to_string(script).unwrap_or_default();
    first.lines().take(5).any(|line| line.starts_with("CREATE EXTENSION IF NOT EXISTS vector"))
}

/// The blocks of a Markdown text that are to be run.
///
/// # Errors
/// `line: what is wrong` of a fence whose info string is not understood or that is not closed.
pub fn blocks(markdown: &str) -> Result<Vec<Block>, String> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, Option<Block>)> = None;
    for (number, line) in markdown.lines().enumerate().map(|(at, line)| (at + 1, line)) {
        let text = line.trim_start();
        match &mut open {
            Some((fence, block)) if text.starts_with(fence.as_str()) && text.trim_end().chars().all(|c| c == '`') => {
                blocks.extend(block.take());
                open = None;
            }
            Some((_, Some(block))) => block.sql.push_str(&format!("{line}\n")),
            Some((_, None)) => {}
            None if text.starts_with("```") => {
                let info = text.trim_start_matches('`');
                open = Some((text[..text.len() - info.len()].to_owned(), block(info.trim(), number)?));
            }
            None => {}
        }
    }
    if open.is_some() { Err("the last fence is not closed".into()) } else { Ok(blocks) }
}

/// The block that a fence with this info string opens; none if it is not to be run.
fn block(info: &str, line: usize) -> Result<Option<Block>, String> {
    let Some(more) = info.strip_prefix("sql") else { return Ok(None) };
    let mut block = Block { line: line + 1, sql: String::new(), error: None };
    let more = more.trim_start_matches([',', ' ']);
    if more.is_empty() {
        return Ok(Some(block));
    }
    if let Some(state) = more.strip_prefix("error=").filter(|state| state.len() == 5) {
        block.error = Some(state.to_owned());
        return Ok(Some(block));
    }
    match more.strip_prefix("ignore=").map(|reason| reason.trim_matches('"')) {
        Some(reason) if !reason.is_empty() => Ok(None),
        _ => Err(format!("{line}: `{info}`; known are: sql, sql error=SQLSTATE, sql ignore=\"reason\"")),
    }
}

/// Runs every block of one Markdown file, or a whole SQL file, in order, in one session on a fresh database.
///
/// # Errors
/// The first statement that does not do what the block says, with its file and line.
pub fn run_file(server: &Server, file: &Path, shown: &str) -> Result<(), String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{shown}: {error}"))?;
    let blocks = match file.extension() {
        Some(extension) if extension == "sql" => vec![Block { line: 1, sql: text, error: None }],
        _ => blocks(&text).map_err(|error| format!("{shown}:{error}"))?,
    };
    let database = server.database().map_err(|error| format!("{shown}: creating a database: {error}"))?;
    let mut session = database.connect().map_err(|error| format!("{shown}: {error}"))?;
    for block in &blocks {
        let statements = split(&block.sql);
        for (at, statement) in statements.iter().enumerate() {
            let state = block.error.as_deref().filter(|_| at + 1 == statements.len());
            let got = session.client.simple_query(&statement.sql);
            let got =
                got.map(drop).map_err(|error| (describe_error(&error), error.code().map(|c| c.code().to_owned())));
            judge(state, got)
                .map_err(|wrong| format!("{shown}:{}\n{}\n{wrong}", block.line + statement.line - 1, statement.sql))?;
        }
    }
    Ok(())
}

fn judge(expected: Option<&str>, got: Result<(), (String, Option<String>)>) -> Result<(), String> {
    match (expected, got) {
        (None, Ok(())) => Ok(()),
        (None, Err((error, _))) => Err(format!("expected success\ngot: {error}")),
        (Some(state), Err((_, Some(code)))) if state == code => Ok(()),
        (Some(state), Err((error, _))) => Err(format!("expected an error with SQLSTATE {state}\ngot: {error}")),
        (Some(state), Ok(())) => Err(format!("expected an error with SQLSTATE {state}\ngot: none")),
    }
}

/// True for a file that has a block to run.
pub fn has_sql(file: &Path) -> bool {
    // A file that cannot be understood must not be passed over: running it reports why.
    std::fs::read_to_string(file).map_or(true, |text| blocks(&text).map_or(true, |blocks| !blocks.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sql_blocks_are_taken_with_their_lines() {
        let text = "# T\n```sql\nSELECT 1;\n```\n```sh\nls\n```\n  ```sql error=22023\nSELECT 2;\n  ```\n\
                    ```sql ignore=\"needs a GPU\"\nSELECT 3;\n```\n````md\n```sql\nSELECT 4;\n```\n````\n";
        let found = blocks(text).expect("valid");
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].line, found[0].sql.as_str(), found[0].error.as_deref()), (3, "SELECT 1;\n", None));
        assert_eq!((found[1].line, found[1].error.as_deref()), (9, Some("22023")));
    }

    #[test]
    fn an_ignored_block_needs_a_reason_and_a_fence_its_end() {
        assert!(blocks("```sql ignore\nSELECT 1;\n```").expect_err("no reason").starts_with("1: "));
        assert!(blocks("```sql ignore=\"\"\nSELECT 1;\n```").is_err());
        assert!(blocks("```sql\nSELECT 1;\n").is_err());
    }

    #[test]
    fn a_promised_error_must_come_with_its_state() {
        let failed = |code: &str| Err((format!("ERROR {code}: x"), Some(code.to_owned())));
        assert!(judge(Some("22023"), failed("22023")).is_ok());
        assert!(judge(Some("22023"), failed("42883")).is_err());
        assert!(judge(Some("22023"), Ok(())).is_err());
        assert!(judge(None, failed("22023")).is_err());
    }
}
