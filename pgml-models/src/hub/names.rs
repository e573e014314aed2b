//! What a name may be, before it becomes part of a path or an address. The hub is not trusted to send harmless ones.

use pgml_core::{Error, ErrorKind, Result};

/// A model: `organisation/name`, or `name` alone.
///
/// # Errors
/// [`ErrorKind::UnresolvedModel`] for anything that could lead elsewhere.
pub fn check_model(name: &str) -> Result<()> {
    let parts = name.split('/').count();
    if name.len() <= 200 && parts <= 2 && name.split('/').all(is_plain) && !name.contains("--") {
        return Ok(());
    }
    Err(Error::new(ErrorKind::UnresolvedModel, format!("\"{name}\" is no name of a model on a hub"))
        .with_hint("a model is named \"organisation/name\": letters, digits, and - _ . between them"))
}

/// A branch, a tag or a commit. Branches may hold slashes.
///
/// # Errors
/// [`ErrorKind::UnresolvedModel`] for anything that could lead elsewhere.
pub fn check_revision(revision: &str) -> Result<()> {
    if revision.len() <= 200 && revision.split('/').all(is_plain) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::UnresolvedModel, format!("\"{revision}\" is no name of a revision"))
        .with_hint("a revision is a branch, a tag or a commit of the model's repository"))
}

/// Whether `revision` is a commit's full hash, which can never mean anything else.
#[must_use]
pub fn is_commit(revision: &str) -> bool {
    is_hexadecimal(revision, 40)
}

/// Whether `text` is `length` lower-case hexadecimal digits.
#[must_use]
pub fn is_hexadecimal(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether `path` is that of a file inside a model's folder, and of nothing hidden.
#[must_use]
pub fn is_inside(path: &str) -> bool {
    path.len() <= 400 && path.split('/').all(is_plain)
}

/// One part of a path: no dot at its start, so neither `..` nor a hidden file.
fn is_plain(part: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte);
    !part.is_empty() && !part.starts_with('.') && part.bytes().all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in ["gpt2", "org/model", "org/model-v1.5", "a_b/c.d"] {
            assert!(check_model(name).is_ok(), "{name}");
        }
        for name in ["", "/", "a/", "/a", "a/b/c", "..", "../a", "a/..", "a b", "a\\b", "a%2fb", "a?b", "a#b", "a--b/c"]
        {
            assert_eq!(check_model(name).map_err(|e| e.kind()), Err(ErrorKind::UnresolvedModel), "{name}");
        }
        for revision in ["main", "v1.0", "refs/pr/1", "feature/x"] {
            assert!(check_revision(revision).is_ok(), "{revision}");
        }
        for revision in ["", "/main", "main/", "../main", "a/../b", "a//b", "main?x", ".git"] {
            assert!(check_revision(revision).is_err(), "{revision}");
        }
        for path in ["../x", "/etc/passwd", "a/../../b", "a/.hidden", "a\nb", "1_Pooling/"] {
            assert!(!is_inside(path), "{path}");
        }
    }

    #[test]
    fn only_a_whole_lower_case_hash_is_a_commit() {
        assert!(is_commit("0123456789abcdef0123456789abcdef01234567"));
        assert!(!is_commit("0123456789abcdef"));
        assert!(!is_commit("0123456789ABCDEF0123456789abcdef01234567"));
    }
}
