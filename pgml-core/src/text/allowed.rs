//! Which models an administrator allows.

use crate::{Error, ErrorKind, Result};

/// Checks a model's name against a list of names separated by commas; an empty list allows every model.
///
/// # Errors
/// [`ErrorKind::PermissionDenied`], when the list has names but not this one.
pub fn check_allowed(name: &str, list: &str) -> Result<()> {
    // PostgresML's users put one pair of double quotes around the whole list.
    let list = list.trim();
    let list = list.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(list);
    let mut names = list.split(',').map(str::trim).filter(|known| !known.is_empty()).peekable();
    if names.peek().is_none() || names.any(|known| known == name) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::PermissionDenied, format!("the model \"{name}\" is not allowed on this server"))
        .with_hint("a superuser can add it to pgml.allowed_models"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_allows_all_and_any_other_only_what_it_names() {
        for list in ["", " , ", "\"\"", "a/b", "x, a/b", "\"x,a/b\""] {
            assert!(check_allowed("a/b", list).is_ok(), "{list}");
        }
        for list in ["a", "a/b/c", "A/B", "x,y"] {
            assert_eq!(check_allowed("a/b", list).expect_err(list).kind(), ErrorKind::PermissionDenied);
        }
    }
}
