//! Cuts a SQL script into its statements, each with the comment above it.

/// One statement of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The `--` comment lines directly above it, without their dashes; empty lines between paragraphs are kept.
    pub comment: String,
    /// The statement without its semicolon.
    pub sql: String,
    /// Line of its first word, counted from 1.
    pub line: usize,
}

/// The statements of `script`. Semicolons in quotes, dollar quotes and comments do not end a statement; an unfinished
/// last statement counts as one.
pub fn split(script: &str) -> Vec<Statement> {
    let mut statements = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < script.len() {
        let (comment, skipped) = leading_comment(&script[at..]);
        line += newlines(&script[at..at + skipped]);
        at += skipped;
        let length = statement_length(&script[at..]);
        let sql = script[at..at + length].trim_end();
        if !sql.is_empty() {
            statements.push(Statement { comment, sql: sql.into(), line });
        }
        line += newlines(&script[at..at + length]);
        // Beyond the semicolon, if there is one.
        at = script.len().min(at + length + 1);
    }
    statements
}

fn newlines(text: &str) -> usize {
    text.matches('\n').count()
}

/// The comment before a statement, and how many bytes it takes together with blank space.
fn leading_comment(text: &str) -> (String, usize) {
    let mut lines: Vec<&str> = Vec::new();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        let blank = rest.len() - rest.trim_start().len();
        if newlines(&rest[..blank]) > 1 && !lines.is_empty() {
            lines.push("");
        }
        at += blank;
        let Some(comment) = text[at..].strip_prefix("--") else { break };
        let line = comment.split('\n').next().unwrap_or_default();
        lines.push(line.strip_prefix(' ').unwrap_or(line).trim_end());
        at += 2 + line.len();
    }
    (lines.join("\n").trim().into(), at)
}

/// Bytes up to the semicolon that ends the statement at the beginning of `text`, or to its end.
fn statement_length(text: &str) -> usize {
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        if first == ';' {
            return at;
        }
        at += token_length(text, at).max(first.len_utf8());
    }
    text.len()
}

/// Length of the quoted text or comment at `at`; 0 when there is neither.
fn token_length(text: &str, at: usize) -> usize {
    let rest = &text[at..];
    if rest.starts_with("--") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment_length(rest);
    }
    match rest.as_bytes()[0] {
        b'\'' => quoted_length(rest, '\'', follows_escape_mark(&text[..at])),
        b'"' => quoted_length(rest, '"', false),
        b'$' => dollar_quoted_length(rest, &text[..at]),
        _ => 0,
    }
}

/// True for `E'…'`, where a backslash escapes.
fn follows_escape_mark(before: &str) -> bool {
    let mut back = before.chars().rev();
    matches!(back.next(), Some('e' | 'E')) && !back.next().is_some_and(is_word)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn quoted_length(rest: &str, quote: char, backslashes: bool) -> usize {
    // A doubled quote closes and opens again, which comes to the same.
    let mut characters = rest.char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        if c == quote {
            return at + 1;
        }
        if c == '\\' && backslashes {
            characters.next();
        }
    }
    rest.len()
}

fn block_comment_length(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let here = &rest[at..];
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn dollar_quoted_length(rest: &str, before: &str) -> usize {
    // `a$b$` is a name, `$1` a parameter.
    if before.chars().next_back().is_some_and(is_word) {
        return 0;
    }
    let Some(end) = rest[1..].find('$') else { return 0 };
    let tag = &rest[..end + 2];
    let name = &tag[1..tag.len() - 1];
    if !name.chars().all(is_word) || name.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    rest[tag.len()..].find(tag).map_or(rest.len(), |body| tag.len() * 2 + body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(script: &str) -> Vec<String> {
        split(script).into_iter().map(|statement| statement.sql).collect()
    }

    #[test]
    fn semicolons_in_quotes_and_comments_do_not_end_a_statement() {
        assert_eq!(sql("SELECT ';', \";\"; SELECT 2"), ["SELECT ';', \";\"", "SELECT 2"]);
        assert_eq!(
            sql("SELECT 'it''s;'; SELECT E'\\';'; SELECT 'c:\\';"),
            ["SELECT 'it''s;'", "SELECT E'\\';'", "SELECT 'c:\\'"]
        );
        assert_eq!(
            sql("SELECT 1 -- one; two\n; SELECT /* a; /* b; */ c; */ 2;"),
            ["SELECT 1 -- one; two", "SELECT /* a; /* b; */ c; */ 2"]
        );
    }

    #[test]
    fn dollar_quotes_hold_whole_bodies_and_parameters_are_none() {
        assert_eq!(sql("DO $$ BEGIN; END $$; SELECT 1"), ["DO $$ BEGIN; END $$", "SELECT 1"]);
        assert_eq!(
            sql("SELECT $a$ ; $$ ; $a$; SELECT $1; SELECT $2"),
            ["SELECT $a$ ; $$ ; $a$", "SELECT $1", "SELECT $2"]
        );
        assert_eq!(sql("SELECT a$b; SELECT c$d"), ["SELECT a$b", "SELECT c$d"]);
    }

    #[test]
    fn a_statement_carries_the_comment_above_it_and_its_line() {
        let found = split("-- First.\n-- Still first.\n\n-- Second paragraph.\nSELECT 'é;'\n  AS x;\n\nSELECT 2;\n");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].comment, "First.\nStill first.\n\nSecond paragraph.");
        assert_eq!((found[0].line, found[1].line), (5, 8));
        assert_eq!(found[1].comment, "");
    }

    #[test]
    fn unfinished_quotes_end_with_the_script() {
        for script in ["SELECT 'a;", "SELECT $$ a;", "SELECT /* a;", "SELECT \"a;", "SELECT $é;", "-- only a comment"]
        {
            assert!(split(script).len() <= 2, "{script}");
        }
    }
}
