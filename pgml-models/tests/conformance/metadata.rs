//! Names and docs are there: the catalog, the error messages and the reference page are made of them.

use crate::subject::{Finding, Subject};

pub fn names_and_docs_are_there(subject: &Subject) -> Finding {
    let algorithm = subject.algorithm;
    expect_snake_case("its name", algorithm.name())?;
    for (what, text) in [("description", algorithm.description()), ("source", algorithm.source())] {
        if text.trim().len() < 5 {
            return Err(format!("its {what} says nothing: \"{text}\""));
        }
    }
    if algorithm.version() == 0 {
        return Err("its stored form has version 0".to_owned());
    }
    for spec in algorithm.params() {
        expect_sentence(&format!("the doc of {}", spec.name), spec.doc)?;
    }
    Ok(())
}

fn expect_snake_case(what: &str, name: &str) -> Finding {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(fits) {
        return Ok(());
    }
    Err(format!("{what} \"{name}\" is not in lower snake case"))
}

fn expect_sentence(what: &str, text: &str) -> Finding {
    if text.len() < 5 || !text.ends_with('.') {
        return Err(format!("{what} is no sentence: \"{text}\""));
    }
    Ok(())
}
