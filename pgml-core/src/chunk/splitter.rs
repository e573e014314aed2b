//! The splitters, one entry each.

use crate::{Error, ErrorKind, Result, error::did_you_mean};

use super::args::KeepSeparator;

/// A way to split texts.
#[derive(Debug)]
pub struct Splitter {
    /// The name in SQL.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub doc: &'static str,
    /// Arguments that it knows beside those of all splitters.
    pub own: &'static [&'static str],
    /// How it finds pieces.
    pub(super) method: Method,
}

/// How a splitter finds the pieces that it puts together.
#[derive(Debug, Clone, Copy)]
pub(super) enum Method {
    /// By one separator.
    Character,
    /// By the first separator that the text has, and longer pieces by the next ones.
    Recursive(&'static [&'static str]),
    /// By sentences, as Punkt finds them.
    Punkt,
    /// By sentences, as spaCy's sentencizer finds them.
    Sentencizer,
}

/// What every splitter knows.
const COMMON: &[&str] = &["chunk_size", "chunk_overlap", "keep_separator", "strip_whitespace", "add_start_index"];

/// All splitters.
pub static SPLITTERS: &[Splitter] = &[
    Splitter {
        name: "character",
        doc: "splits at one separator",
        own: &["separator", "is_separator_regex"],
        method: Method::Character,
    },
    Splitter {
        name: "recursive_character",
        doc: "splits at paragraphs, lines, words and characters, in this order",
        own: &["separators", "is_separator_regex"],
        method: Method::Recursive(&["\n\n", "\n", " ", ""]),
    },
    Splitter {
        name: "markdown",
        doc: "splits at the ends of code blocks, then as recursive_character",
        own: &["is_separator_regex"],
        method: Method::Recursive(MARKDOWN),
    },
    Splitter {
        name: "latex",
        doc: "splits at formulas, words and characters",
        own: &["is_separator_regex"],
        method: Method::Recursive(LATEX),
    },
    Splitter {
        name: "python",
        doc: "splits at classes and functions, then as recursive_character",
        own: &["is_separator_regex"],
        method: Method::Recursive(&["\nclass ", "\ndef ", "\n\tdef ", "\n\n", "\n", " ", ""]),
    },
    Splitter {
        name: "nltk",
        doc: "puts sentences together, found as Punkt finds them",
        own: &["separator", "language", "use_span_tokenize"],
        method: Method::Punkt,
    },
    Splitter {
        name: "spacy",
        doc: "puts sentences together, found as spaCy's sentencizer finds them",
        own: &["separator", "pipeline", "max_length"],
        method: Method::Sentencizer,
    },
];

/// Written as regular expressions, but taken literally unless `is_separator_regex` is given, as the library does. So
/// headings and rules never separate by default.
const MARKDOWN: &[&str] = &["\n#{1,6} ", "```\n", "\n\\*\\*\\*+\n", "\n---+\n", "\n___+\n", "\n\n", "\n", " ", ""];

/// As above: by default only `$$`, `$`, spaces and characters separate.
const LATEX: &[&str] = &[
    "\n\\\\chapter{",
    "\n\\\\section{",
    "\n\\\\subsection{",
    "\n\\\\subsubsection{",
    "\n\\\\begin{enumerate}",
    "\n\\\\begin{itemize}",
    "\n\\\\begin{description}",
    "\n\\\\begin{list}",
    "\n\\\\begin{quote}",
    "\n\\\\begin{quotation}",
    "\n\\\\begin{verse}",
    "\n\\\\begin{verbatim}",
    "\n\\\\begin{align}",
    "$$",
    "$",
    " ",
    "",
];

impl Splitter {
    /// The splitter of this name.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`], listing those that there are.
    pub fn find(name: &str) -> Result<&'static Self> {
        let names = || SPLITTERS.iter().map(|splitter| splitter.name);
        SPLITTERS.iter().find(|splitter| splitter.name == name).ok_or_else(|| {
            let error = Error::new(ErrorKind::InvalidParameter, format!("Unknown splitter: {name}"))
                .with_detail(format!("known: {}", names().collect::<Vec<_>>().join(", ")));
            match did_you_mean(name, names()) {
                Some(guess) => error.with_hint(format!("did you mean \"{guess}\"?")),
                None => error,
            }
        })
    }

    /// The arguments that it knows.
    pub fn known(&self) -> impl Iterator<Item = &'static str> {
        COMMON.iter().chain(self.own).copied()
    }

    pub(super) fn knows(&self, argument: &str) -> bool {
        self.known().any(|name| name == argument)
    }

    /// Where its separators go unless the caller says so.
    pub(super) fn keeps(&self) -> KeepSeparator {
        if matches!(self.method, Method::Recursive(_)) { KeepSeparator::Start } else { KeepSeparator::No }
    }
}
