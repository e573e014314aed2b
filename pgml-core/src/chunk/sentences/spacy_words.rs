//! The tokens of a word as spaCy's tokenizer for English cuts them, as far as they decide where sentences end.

use std::collections::HashSet;
use std::sync::LazyLock;

use regex::Regex;

/// What a token is to the sentencizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It ends a sentence.
    Terminator,
    /// Other punctuation, which stays with the sentence that has ended.
    Punctuation,
    /// Anything else begins a sentence after the end of one.
    Other,
}

/// A token: where it begins in its word, in bytes, and what it is.
pub type Token = (usize, Kind);

/// Words whose periods belong to them.
static SPECIAL: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let words = "Mt. Ak. Ala. Apr. Ariz. Ark. Aug. Calif. Colo. Conn. Dec. Del. Feb. Fla. Ga. Ia. Id. Ill. Ind. Jan. Jul. \
        Jun. Kan. Kans. Ky. La. Mar. Mass. Mich. Minn. Miss. N.C. N.D. N.H. N.J. N.M. N.Y. Neb. Nebr. Nev. Nov. Oct. Okla. \
        Ore. Pa. S.C. Sep. Sept. Tenn. Va. Wash. Wis. a.m. Adm. Bros. co. Co. Corp. D.C. Dr. e.g. E.g. E.G. Gen. Gov. i.e. \
        I.e. I.E. Inc. Jr. Ltd. Md. Messrs. Mo. Mont. Mr. Mrs. Ms. p.m. Ph.D. Prof. Rep. Rev. Sen. St. vs. v.s.";
    let letters = "a. b. c. d. e. f. g. h. i. j. k. l. m. n. o. p. q. r. s. t. u. v. w. x. y. z. ä. ö. ü.";
    words.split_whitespace().chain(letters.split_whitespace()).collect()
});

/// Unicode's sentence terminators as spaCy lists them.
static TERMINATOR: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"^[!.?։؟۔܀-܂߹।॥၊။።፧፨᙮᜵᜶᠃᠉᥄᥅᪨-᪫᭚᭛᭞᭟᰻᰼᱾᱿‼‽⁇-⁉⸮⸼꓿꘎꘏꛳꛷꡶꡷꣎꣏꤯꧈꧉꩝-꩟꫰꫱꯫﹒﹖﹗！．？",
        r"\x{10A56}\x{10A57}\x{11047}\x{11048}\x{110BE}-\x{110C1}\x{11141}-\x{11143}\x{111C5}\x{111C6}\x{111CD}",
        r"\x{111DE}\x{111DF}\x{11238}\x{11239}\x{1123B}\x{1123C}\x{112A9}\x{1144B}\x{1144C}\x{115C2}\x{115C3}",
        r"\x{115C9}-\x{115D7}\x{11641}\x{11642}\x{1173C}-\x{1173E}\x{11A42}\x{11A43}\x{11A9B}\x{11A9C}\x{11C41}\x{11C42}",
        r"\x{16A6E}\x{16A6F}\x{16AF5}\x{16B37}\x{16B38}\x{16B44}\x{1BC9F}\x{1DA88}｡。]$",
    ))
});

static PUNCTUATION: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\p{P}+$"));

/// What is cut off at the start of a word.
static PREFIX: LazyLock<Regex> =
    LazyLock::new(|| pattern(&format!(r"^(?:[§%=—–{MARKS}{QUOTES}]|\.\.+|(?:US|C|A)\$|[\p{{Sc}}\p{{So}}])")));

/// What is cut off at its end, but for periods.
static SUFFIX: LazyLock<Regex> =
    LazyLock::new(|| pattern(&format!(r"(?:'s|'S|’s|’S|\.\.+|[—–{MARKS}{QUOTES}\p{{So}}])$")));

/// Addresses of the web and of mail, which are not cut at periods.
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    let label = r"[A-Za-z0-9_\-\u{a1}-\u{ffff}]+";
    pattern(&format!(
        r"^(?:[\w+.\-]{{2,}}://)?(?:\S+@)?(?:{label}\.)+[\p{{Ll}}\p{{Lo}}\p{{Lm}}]{{2,}}(?::\d+)?(?:[/?#]\S*)?$"
    ))
});

const MARKS: &str = r"…,:;!?¿؟¡()\[\]{}<>_#*&。？！，、；：～·।،۔؛٪";
const QUOTES: &str = "'\"”“`‘´’‚„»«「」『』（）〔〕【】《》〈〉〈〉⟦⟧";

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a pattern that compiles")
}

/// The tokens of a word without white space, in order, appended to `tokens`.
pub fn tokens(word: &str, tokens: &mut Vec<Token>) {
    tokens.clear();
    let (mut start, mut end) = (0, word.len());
    let mut suffixes = Vec::new();
    while start < end && !is_special(&word[start..end]) {
        let prefix = prefix_length(&word[start..end]);
        if prefix > 0 {
            tokens.push((start, kind(&word[start..start + prefix])));
            start += prefix;
            if is_special(&word[start..end]) {
                break;
            }
        }
        let suffix = suffix_length(&word[start..end]);
        end -= suffix;
        if suffix > 0 {
            suffixes.push((end, kind(&word[end..end + suffix])));
        }
        if prefix + suffix == 0 {
            break;
        }
    }
    cut_inside(word, start, end, tokens);
    tokens.extend(suffixes.into_iter().rev());
}

fn is_special(word: &str) -> bool {
    word.len() <= 7 && SPECIAL.contains(word)
}

fn kind(token: &str) -> Kind {
    // The patterns would say the same, but every word passes here.
    if token.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        Kind::Other
    } else if matches!(token, "." | "!" | "?") {
        Kind::Terminator
    } else if matches!(token, "," | ":" | ";" | "(" | ")" | "\"" | "'" | "-" | "[" | "]") {
        Kind::Punctuation
    } else if TERMINATOR.is_match(token) {
        Kind::Terminator
    } else if PUNCTUATION.is_match(token) {
        Kind::Punctuation
    } else {
        Kind::Other
    }
}

fn prefix_length(word: &str) -> usize {
    // Only "US$", "C$" and "A$" begin with a letter.
    if word.starts_with(|c: char| c.is_ascii_alphanumeric()) && !word.starts_with(['A', 'C', 'U']) {
        return 0;
    }
    match PREFIX.find(word) {
        Some(found) => found.end(),
        None if word.starts_with('+') && !word[1..].starts_with(|c: char| c.is_ascii_digit()) => 1,
        None => 0,
    }
}

fn suffix_length(word: &str) -> usize {
    let Some(last) = word.chars().next_back() else { return 0 };
    if last == '.' {
        return period_length(word);
    }
    if last.is_ascii_alphanumeric() && !matches!(last, 's' | 'S') {
        return 0;
    }
    // Long enough for every suffix but dots, so that the search does not read the whole word.
    let tail = word.char_indices().rev().nth(1).map_or(word, |(at, _)| &word[at..]);
    SUFFIX.find(tail).map_or(0, |found| found.len())
}

/// How many of the dots at the end of a word are cut off: an ellipsis, or the period of a sentence.
fn period_length(word: &str) -> usize {
    let stem = word.trim_end_matches('.');
    let dots = word.len() - stem.len();
    if dots > 1 {
        return dots;
    }
    let mut before = stem.chars().rev();
    let Some(last) = before.next() else { return 0 };
    let second = before.next();
    // A unit behind a number is a word of its own, and "m." is special.
    let is_unit = matches!(last, 'g' | 'm' | 't') && second.is_some_and(|c| c.is_ascii_digit());
    let ends_word = is_small(last) || last.is_ascii_digit() || "%²-+".contains(last) || is_mark(last);
    let ends_capitals = is_capital(last) && second.is_some_and(is_capital);
    usize::from(!is_unit && (ends_word || ends_capitals))
}

/// Letters without case count as small and as capital.
fn is_small(c: char) -> bool {
    c.is_alphabetic() && !c.is_uppercase()
}

fn is_capital(c: char) -> bool {
    c.is_alphabetic() && !c.is_lowercase()
}

/// Punctuation and quotes.
fn is_mark(c: char) -> bool {
    is_quote(c) || "…,:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪".contains(c)
}

fn is_quote(c: char) -> bool {
    QUOTES.contains(c)
}

/// Cuts what is left of the word at periods between a small and a capital letter, unless it is an address.
fn cut_inside(word: &str, start: usize, end: usize, tokens: &mut Vec<Token>) {
    let inside = &word[start..end];
    let mut from = 0;
    if inside.contains('.') && !is_special(inside) && !ADDRESS.is_match(inside) {
        for (at, _) in inside.match_indices('.') {
            let before = inside[..at].chars().next_back();
            let behind = inside[at + 1..].chars().next();
            let cuts = before.is_some_and(|c| is_small(c) || is_quote(c))
                && behind.is_some_and(|c| is_capital(c) || is_quote(c));
            if cuts && !is_special(&inside[from..=at]) {
                tokens.extend([(start + from, kind(&inside[from..at])), (start + at, Kind::Terminator)]);
                from = at + 1;
            }
        }
    }
    if from < inside.len() {
        tokens.push((start + from, kind(&inside[from..])));
    }
}
