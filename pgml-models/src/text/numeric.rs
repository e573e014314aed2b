//! Numbers and dates in texts, as TAPAS ranks and compares them (Herzig et al. 2020, appendix).

use std::cmp::Ordering;

/// Years that are taken for years.
const YEARS: std::ops::RangeInclusive<i64> = 1700..=2016;

/// Most words of a date.
const DATE_WORDS: usize = 5;

const NUMBERS: [&str; 13] =
    ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];
const ORDINALS: [&str; 13] = [
    "zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    "eleventh", "twelfth",
];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// The forms of dates, in the order in which they are tried: `Y` a year, `M` a month's number, `B` its name, `b` its short
/// name, `D` a day, `A` a weekday; a space stands for several too.
const DATES: [&str; 20] = [
    "B", "Y", "Ys", "b Y", "B Y", "B D", "b D", "D b", "D B", "B D, Y", "D B Y", "M-D-Y", "Y-M-D", "Y-M", "D b Y",
    "Y-M-D", "b D, Y", "D.M.Y", "A, b D", "A, B D",
];

/// A number, or what is known of a date.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Numeric {
    Number(f64),
    /// Year, month and day.
    Date([Option<i64>; 3]),
}

impl Numeric {
    fn is_date(self) -> bool {
        matches!(self, Self::Date(_))
    }
}

/// The text in lower case with single spaces.
pub(super) fn normal(text: &str) -> String {
    text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The numbers and dates of a normal text: of spans within others, the longer ones.
pub(super) fn values(text: &str) -> Vec<Numeric> {
    let characters: Vec<char> = text.chars().collect();
    let mut spans: Vec<((usize, usize), Vec<Numeric>)> = Vec::new();
    let mut add = |span: (usize, usize), value: Numeric| match spans.iter_mut().find(|(known, _)| *known == span) {
        Some((_, values)) => values.push(value),
        None => spans.push((span, vec![value])),
    };
    let digits = digit_spans(&characters);
    for span in &digits {
        if let Some(number) = number(&characters[span.0..span.1]) {
            add(*span, Numeric::Number(number));
        }
    }
    for span in word_spans(&characters, 1).into_iter().filter(|span| !digits.contains(span)) {
        let word: String = characters[span.0..span.1].iter().collect();
        let named = |names: &[&str]| names.iter().position(|name| *name == word).map(|n| n as f64);
        let known = [number(&characters[span.0..span.1]), named(&NUMBERS), named(&ORDINALS)];
        known.into_iter().flatten().for_each(|value| add(span, Numeric::Number(value)));
    }
    for span in word_spans(&characters, DATE_WORDS) {
        if let Some(date) = date(&characters[span.0..span.1]) {
            add(span, Numeric::Date(date));
        }
    }
    spans.sort_by_key(|((start, end), _)| (std::cmp::Reverse(end - start), *start));
    let mut kept: Vec<((usize, usize), Vec<Numeric>)> = Vec::new();
    for (span, values) in spans {
        if !kept.iter().any(|(around, _)| around.0 <= span.0 && span.1 <= around.1) {
            kept.push((span, values));
        }
    }
    kept.sort_by_key(|(span, _)| span.0);
    kept.into_iter().flat_map(|(_, values)| values).collect()
}

/// Where digits stand, with a sign behind a space, with commas before each three and with a point.
fn digit_spans(text: &[char]) -> Vec<(usize, usize)> {
    let mut spans = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let is_sign = |i: usize| text.get(i).is_some_and(|c| ['+', '-'].contains(c));
        let signed = match text[at] {
            c if c.is_whitespace() && is_sign(at + 1) => unsigned_end(text, at + 2),
            _ if at == 0 && is_sign(0) => unsigned_end(text, 1),
            _ => None,
        };
        match signed.or_else(|| unsigned_end(text, at)) {
            Some(end) => {
                spans.push((at, end));
                at = end;
            }
            None => at += 1,
        }
    }
    spans
}

/// Where a number without a sign ends that begins at `at`.
fn unsigned_end(text: &[char], at: usize) -> Option<usize> {
    let digits = |from: usize| text.iter().skip(from).take_while(|c| c.is_ascii_digit()).count();
    let is = |i: usize, c: char| text.get(i) == Some(&c);
    if is(at, '.') && digits(at + 1) > 0 {
        return Some(at + 1 + digits(at + 1));
    }
    let mut end = at + digits(at);
    if end == at {
        return None;
    }
    while is(end, ',') && digits(end + 1) >= 3 {
        end += 4;
        // What follows three digits is another number.
        if digits(end) > 0 {
            break;
        }
    }
    if is(end, '.') {
        end += 1 + digits(end + 1);
    }
    Some(end)
}

/// Spans of up to `most` words, in the order of their ends.
fn word_spans(text: &[char], most: usize) -> Vec<(usize, usize)> {
    let is_word = |i: usize| text.get(i).is_some_and(|c| c.is_alphanumeric());
    let (mut starts, mut spans) = (Vec::new(), Vec::new());
    for i in (0..text.len()).filter(|i| is_word(*i)) {
        if i == 0 || !is_word(i - 1) {
            starts.push(i);
        }
        if !is_word(i + 1) {
            spans.extend(starts.iter().skip(starts.len().saturating_sub(most)).map(|start| (*start, i + 1)));
        }
    }
    spans
}

/// A number as Python reads it, also an ordinal one.
fn number(text: &[char]) -> Option<f64> {
    let text: String = text.iter().collect();
    let stem = ["st", "nd", "rd", "th"].iter().find_map(|end| text.strip_suffix(end)).unwrap_or(&text);
    let number: f64 = stem.replace(',', "").trim().parse().ok()?;
    number.is_finite().then_some(number)
}

fn date(text: &[char]) -> Option<[Option<i64>; 3]> {
    DATES.iter().find_map(|form| date_of_form(text, form))
}

fn date_of_form(text: &[char], form: &str) -> Option<[Option<i64>; 3]> {
    let (mut at, mut date) = (0, [None; 3]);
    for part in form.chars() {
        let rest = &text[at..];
        let digits = |most: usize| rest.iter().take(most).take_while(|c| c.is_ascii_digit()).count();
        let value = |n: usize| rest[..n].iter().collect::<String>().parse::<i64>().ok();
        let named = |names: &[&str], length: Option<usize>| {
            let word: String = rest.iter().take_while(|c| c.is_alphabetic()).collect();
            let short = |name: &str| name.chars().take(length.unwrap_or(usize::MAX)).eq(word.chars());
            names.iter().position(|name| short(name)).map(|i| (word.chars().count(), i as i64 + 1))
        };
        at += match part {
            'Y' if digits(4) == 4 => {
                date[0] = value(4);
                4
            }
            'M' | 'D' if digits(2) > 0 => {
                date[if part == 'M' { 1 } else { 2 }] = value(digits(2));
                digits(2)
            }
            'B' | 'b' => {
                let (length, month) = named(&MONTHS, (part == 'b').then_some(3))?;
                date[1] = Some(month);
                length
            }
            'A' => named(&WEEKDAYS, None)?.0,
            ' ' => match rest.iter().take_while(|c| c.is_whitespace()).count() {
                0 => return None,
                n => n,
            },
            'Y' | 'M' | 'D' => return None,
            literal if rest.first() == Some(&literal) => 1,
            _ => return None,
        };
    }
    // A year that is not said is 1900.
    let [year, month, day] = [date[0].unwrap_or(1900), date[1].unwrap_or(1), date[2].unwrap_or(1)];
    let is_date = at == text.len() && YEARS.contains(&year) && (1..=12).contains(&month);
    (is_date && (1..=days(year, month)).contains(&day)).then_some(date)
}

fn days(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Of each cell of a column the number or date that is of the kind that most cells have; nothing where few have one.
pub(super) fn column_values<'a>(cells: impl ExactSizeIterator<Item = &'a str>) -> Vec<Option<Numeric>> {
    let n_cells = cells.len();
    let of_cells: Vec<Vec<Numeric>> = cells.map(|cell| values(&normal(cell))).collect();
    let count = |dates: bool| of_cells.iter().filter(|values| values.iter().any(|v| v.is_date() == dates)).count();
    let (dates, numbers) = (count(true), count(false));
    let most = dates.max(numbers);
    if most == 0 || (most as f64) < n_cells as f64 * 0.7 {
        return vec![None; n_cells];
    }
    let wanted = |value: &&Numeric| value.is_date() == (dates == most);
    of_cells.iter().map(|values| values.iter().find(wanted).copied()).collect()
}

/// How to compare values: the parts of dates that all of them have; `None` where they cannot be compared.
pub(super) struct Comparison([bool; 3]);

impl Comparison {
    pub(super) fn of(values: impl Iterator<Item = Numeric> + Clone) -> Option<Self> {
        if values.clone().all(|value| !value.is_date()) {
            return Some(Self([true; 3]));
        }
        let mut parts = [true; 3];
        for value in values {
            let Numeric::Date(date) = value else { return None };
            (0..3).for_each(|i| parts[i] &= date[i].is_some());
        }
        parts.contains(&true).then_some(Self(parts))
    }

    pub(super) fn compare(&self, a: Numeric, b: Numeric) -> Ordering {
        match (a, b) {
            (Numeric::Number(a), Numeric::Number(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            (Numeric::Date(a), Numeric::Date(b)) => {
                (0..3).filter(|i| self.0[*i]).map(|i| a[i].cmp(&b[i])).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
            }
            (a, b) => a.is_date().cmp(&b.is_date()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Made by `tests/golden/tables.py` with transformers 5.23.0.
    #[test]
    fn numbers_and_dates_are_those_of_transformers() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/table_numbers.json");
        let golden: Vec<(String, Vec<Value>)> =
            serde_json::from_slice(&std::fs::read(path).expect("the golden")).expect("valid");
        for (text, wanted) in golden {
            let plain = |value: Numeric| match value {
                Numeric::Number(number) => Value::from(number),
                Numeric::Date(date) => Value::from(date.map(Value::from).to_vec()),
            };
            let got: Vec<Value> = values(&normal(&text)).into_iter().map(plain).collect();
            assert_eq!(got, wanted, "{text:?}");
        }
    }

    #[test]
    fn a_column_has_the_kind_of_value_that_most_cells_have() {
        let column = |cells: &[&str]| column_values(cells.iter().copied());
        let date = |year, month| Some(Numeric::Date([Some(year), month, None]));
        assert_eq!(column(&["may 2001", "1999", "x"]), [None, None, None]);
        assert_eq!(
            column(&["may 2001", "1999", "2003", "?"]),
            [date(2001, Some(5)), date(1999, None), date(2003, None), None]
        );
        let values = column(&["may 2001", "1999", "2003"]);
        let comparison = Comparison::of(values.iter().flatten().copied()).expect("years");
        assert!(comparison.compare(values[0].expect("a date"), values[2].expect("a date")).is_lt());
    }
}
