//! The reference pages under `docs/reference`, which are generated from the registry of algorithms but for a few.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::error::{Context, Error, Result};
use crate::extension::cargo;
use crate::places;
use crate::process::run;

/// The generator: an example of pgml-models whose argument is the folder to write to.
const GENERATOR: &str = "pgml-models/examples/reference.rs";

/// Writes the pages into `folder`.
///
/// # Errors
/// When the generator is missing or fails.
pub fn generate(folder: &Path) -> Result<()> {
    if !places::repository().join(GENERATOR).exists() {
        return Err(Error::new(format!("there is no generator of reference pages ({GENERATOR})")));
    }
    fs::create_dir_all(folder).context(|| format!("creating {}", folder.display()))?;
    let mut cargo = cargo()?;
    cargo.args(["run", "--release", "--quiet", "--package", "pgml-models", "--example", "reference", "--"]);
    run(cargo.arg(folder))
}

/// The pages that the repository has and the generator would write differently, or that only one of both has.
///
/// # Errors
/// When the generator fails or a page cannot be read.
pub fn stale_pages() -> Result<Vec<String>> {
    let fresh = std::env::temp_dir().join(format!("pgml-reference-{}", std::process::id()));
    let generated = generate(&fresh).and_then(|()| pages(&fresh));
    let _ = fs::remove_dir_all(&fresh);
    let (fresh, present) = (generated?, pages(&places::repository().join("docs/reference"))?);
    Ok(differing(&fresh, &present))
}

/// Pages that no registry knows enough to write.
const WRITTEN_BY_HAND: &[&str] = &["models.md"];

type Pages = BTreeMap<String, Vec<u8>>;

fn differing(fresh: &Pages, present: &Pages) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = fresh.keys().chain(present.keys()).collect();
    names.into_iter().filter(|name| fresh.get(*name) != present.get(*name)).cloned().collect()
}

fn pages(folder: &Path) -> Result<Pages> {
    let doing = || format!("reading {}", folder.display());
    let mut pages = Pages::new();
    if !folder.is_dir() {
        return Ok(pages);
    }
    for entry in fs::read_dir(folder).context(doing)? {
        let path = entry.context(doing)?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if WRITTEN_BY_HAND.contains(&name.as_str()) {
            continue;
        }
        pages.insert(name, fs::read(&path).context(doing)?);
    }
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_missing_and_forgotten_pages_are_stale() {
        let pages = |list: &[(&str, &str)]| -> Pages {
            list.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
        };
        let fresh = pages(&[("same.md", "a"), ("changed.md", "new"), ("new.md", "b")]);
        let present = pages(&[("same.md", "a"), ("changed.md", "old"), ("forgotten.md", "c")]);
        assert_eq!(differing(&fresh, &present), ["changed.md", "forgotten.md", "new.md"]);
    }
}
