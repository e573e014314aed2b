//! What is looked at before a template is compiled, for compiling computes constants and walks through expressions.

use minijinja::machinery::{Token, tokenize};
use pgml_core::{Result, bail};

use super::environment;

/// The longest template; the longest known has a tenth of it.
pub(super) const MOST_BYTES: usize = 256 << 10;
/// Tokens in one tag, which bounds how deep expressions are nested.
const MOST_TOKENS: usize = 2000;

/// Refuses what compiling could stumble over.
pub(super) fn check(source: &str) -> Result<()> {
    if source.len() > MOST_BYTES {
        bail!(NotSupported, "the chat template has {} bytes; the most are {MOST_BYTES}", source.len());
    }
    let syntax = environment::syntax().map_err(|error| super::failure(&error))?;
    let mut tag: Vec<Token<'_>> = Vec::new();
    for token in tokenize(source, false, syntax) {
        let (token, _) = token.map_err(|error| super::failure(&error))?;
        match token {
            Token::TemplateData(_) | Token::VariableStart | Token::BlockStart => tag.clear(),
            Token::VariableEnd | Token::BlockEnd => {
                if !(1..tag.len()).all(|i| is_bounded(&tag, i)) {
                    bail!(NotSupported, "the chat template multiplies constants");
                }
            }
            token => tag.push(token),
        }
        if tag.len() > MOST_TOKENS {
            bail!(NotSupported, "the chat template has a tag with more than {MOST_TOKENS} tokens");
        }
    }
    Ok(())
}

/// Whether the token is no product that is computed while compiling, or one of a text and a small number.
fn is_bounded(tag: &[Token<'_>], i: usize) -> bool {
    if !matches!(tag[i], Token::Mul) {
        return true;
    }
    let is_name = |token: Option<&Token<'_>>| {
        matches!(token, Some(Token::Ident(name)) if !matches!(*name, "true" | "false" | "none" | "True" | "False" | "None"
            | "in" | "not" | "and" | "or" | "if" | "else"))
    };
    let factor = |token: Option<&Token<'_>>| matches!(token, Some(Token::Mul | Token::Pow));
    let small =
        matches!((&tag[i - 1], tag.get(i + 1)), (Token::Str(text), Some(Token::Int(0..=100))) if text.len() <= 100);
    let alone = !factor(i.checked_sub(2).and_then(|i| tag.get(i))) && !factor(tag.get(i + 2));
    is_name(tag.get(i - 1)) || is_name(tag.get(i + 1)) || (small && alone)
}

/// The template with `{% generation %}`, which marks what an assistant said in training, as a condition that holds.
pub(super) fn without_marks(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start + 2);
        out.push_str(before);
        let name = tag.trim_start_matches(['-', '+']).trim_start();
        let mark = [("generation", "if true"), ("endgeneration", "endif")].into_iter().find(|(mark, _)| {
            name.strip_prefix(mark).is_some_and(|end| end.trim_start().trim_start_matches(['-', '+']).starts_with("%}"))
        });
        rest = tag;
        if let Some((mark, condition)) = mark {
            out.push_str(&tag[..tag.len() - name.len()]);
            out.push_str(condition);
            rest = &name[mark.len()..];
        }
    }
    out + rest
}
