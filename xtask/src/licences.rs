//! Every dependency's licence is one that lets people ship what they build with pgml.

use crate::metadata::Graph;

/// Licences without a duty beyond naming the authors.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    // Lists of certificate authorities.
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "PostgreSQL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Packages with another licence, each with why it may be there all the same.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("buildid", "MPL-2.0, whose duties end at this package's own files; with device wgpu only"),
    ("cfg_block", "Apache-2.0 by the licence file in it, which its manifest does not name; with device wgpu only"),
    ("colored", "MPL-2.0, whose duties end at this package's own files; burn prints with it"),
    ("option-ext", "MPL-2.0, whose duties end at this package's own files; with device wgpu only"),
];

/// Every package whose licence is missing or not allowed, in words; empty when all is well.
pub fn violations(graph: &Graph) -> Vec<String> {
    let judge = |package: &crate::metadata::Package| match &package.licence {
        Some(licence) if is_allowed(licence) => None,
        Some(licence) => Some(format!("{} {} has the licence {licence}", package.name, package.version)),
        None => Some(format!("{} {} declares no licence", package.name, package.version)),
    };
    let is_excepted = |package: &&crate::metadata::Package| EXCEPTIONS.iter().any(|(name, _)| *name == package.name);
    graph.values().filter(|package| !is_excepted(package)).filter_map(judge).collect()
}

/// True when an SPDX expression can be met with allowed licences alone.
fn is_allowed(expression: &str) -> bool {
    // Older packages write `MIT/Apache-2.0` for `MIT OR Apache-2.0`.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words, at: 0 };
    parser.any_of().is_some_and(|allowed| allowed && parser.at == words.len())
}

struct Parser<'a> {
    words: &'a [&'a str],
    at: usize,
}

/// Each reads its part and says whether it is allowed; `None` when it cannot be read. AND binds tighter than OR.
impl Parser<'_> {
    fn any_of(&mut self) -> Option<bool> {
        let mut allowed = self.all_of()?;
        while self.take("OR") {
            allowed |= self.all_of()?;
        }
        Some(allowed)
    }

    fn all_of(&mut self) -> Option<bool> {
        let mut allowed = self.one()?;
        while self.take("AND") {
            allowed &= self.one()?;
        }
        Some(allowed)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let inner = self.any_of()?;
            return self.take(")").then_some(inner);
        }
        let mut licence = (*self.words.get(self.at)?).to_owned();
        self.at += 1;
        if self.take("WITH") {
            licence = format!("{licence} WITH {}", self.words.get(self.at)?);
            self.at += 1;
        }
        Some(ALLOWED.contains(&licence.as_str()))
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.words.get(self.at) == Some(&word);
        self.at += usize::from(found);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata;

    #[test]
    fn every_dependency_has_an_allowed_licence() {
        let found = violations(&metadata::read().expect("cargo metadata"));
        assert!(found.is_empty(), "{}", found.join("\n"));
    }

    #[test]
    fn expressions_are_read_as_they_are_meant() {
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR GPL-3.0) AND Unicode-3.0",
            "GPL-3.0 AND ISC OR MIT",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
        ] {
            assert!(is_allowed(good), "{good}");
        }
        for bad in ["GPL-3.0", "MIT AND GPL-3.0", "MIT OR", "(MIT", "MIT MIT", "", "MIT WITH surprise", "MIT) OR MIT"] {
            assert!(!is_allowed(bad), "{bad}");
        }
    }
}
