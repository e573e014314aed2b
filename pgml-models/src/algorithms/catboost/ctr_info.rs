//! Which target statistics categorical features get.

use pgml_core::{Result, bail};
use serde_json::Value;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum CtrKind {
    /// For each border of the target, the share of rows above it.
    Borders,
    /// For each class of the target, its share.
    Buckets,
    /// The mean of the target's class, from 0 to 1.
    BinarizedTargetMeanValue,
    /// The number of rows, against that of the most frequent value.
    Counter,
}

impl CtrKind {
    /// All, with CatBoost's names.
    pub(super) const ALL: [(Self, &'static str); 4] = [
        (Self::Borders, "Borders"),
        (Self::Buckets, "Buckets"),
        (Self::BinarizedTargetMeanValue, "BinarizedTargetMeanValue"),
        (Self::Counter, "Counter"),
    ];

    /// The kind of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }

    /// How many columns each prior gives for a target of so many classes.
    pub(super) fn targets(self, n_classes: usize) -> usize {
        match self {
            Self::Borders => n_classes - 1,
            Self::Buckets => n_classes,
            Self::BinarizedTargetMeanValue | Self::Counter => 1,
        }
    }
}

/// One statistic with its priors.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CtrChoice {
    /// What is counted.
    pub kind: CtrKind,
    /// What a value without rows is taken for; one column each.
    pub priors: Vec<f32>,
    /// Borders between bins of the statistic.
    pub border_count: u8,
}

/// CatBoost's: the shares above the target's borders with three priors, and the count.
pub(super) fn default_choices() -> Vec<CtrChoice> {
    let choice = |kind, priors| CtrChoice { kind, priors, border_count: 15 };
    vec![choice(CtrKind::Borders, vec![0.0, 0.5, 1.0]), choice(CtrKind::Counter, vec![0.0])]
}

/// Reads CatBoost's notation, for instance `"Borders:CtrBorderCount=15:Prior=0.5/1"`; `None` for `null`.
pub(super) fn read_choices(given: &Value) -> Result<Option<Vec<CtrChoice>>> {
    let texts: Vec<&str> = match given {
        Value::Null => return Ok(None),
        Value::String(text) => text.split(',').collect(),
        Value::Array(list) => list.iter().map(|item| item.as_str().unwrap_or_default()).collect(),
        _ => Vec::new(),
    };
    if texts.is_empty() {
        bail!(InvalidParameter, "target statistics of catboost are a text or an array of texts, not {given}");
    }
    texts.into_iter().map(|text| read_choice(text.trim())).collect::<Result<_>>().map(Some)
}

fn read_choice(text: &str) -> Result<CtrChoice> {
    let mut words = text.split(':');
    let Some(kind) = words.next().and_then(CtrKind::named) else {
        let known = CtrKind::ALL.map(|(_, name)| name).join(", ");
        bail!(InvalidParameter, "\"{text}\" is no target statistic of catboost; known are {known}");
    };
    let mut choice = CtrChoice { kind, priors: Vec::new(), border_count: 15 };
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let number = value.parse::<f32>().ok().filter(|x| x.is_finite());
        let count = number.filter(|x| x.fract() == 0.0 && (1.0..=255.0).contains(x));
        let known = match name {
            "CtrBorderCount" => count.map(|n| choice.border_count = n as u8),
            "CtrBorderType" => (value == "Uniform").then_some(()),
            "TargetBorderCount" => count.filter(|n| *n == 1.0).map(|_| ()),
            "Prior" => prior(value).map(|prior| choice.priors.push(prior)),
            _ => None,
        };
        if known.is_none() {
            bail!(InvalidParameter, "\"{word}\" of the target statistic \"{text}\" of catboost is not understood");
        }
    }
    if choice.priors.is_empty() {
        choice.priors = if kind == CtrKind::Counter { vec![0.0] } else { vec![0.0, 0.5, 1.0] };
    }
    Ok(choice)
}

/// A numerator over a denominator of 1, the only one on a CPU.
fn prior(text: &str) -> Option<f32> {
    let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
    let denominator: f32 = denominator.parse().ok()?;
    numerator.parse().ok().filter(|x: &f32| x.is_finite() && denominator == 1.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn catboosts_notation_is_read() {
        let read = read_choices(&json!(["Borders:CtrBorderCount=7:Prior=0.5/1", "Counter"])).expect("valid");
        let choices = read.expect("given");
        assert_eq!((choices[0].border_count, &choices[0].priors[..]), (7, &[0.5][..]));
        assert_eq!((choices[1].kind, &choices[1].priors[..]), (CtrKind::Counter, &[0.0][..]));
        for bad in [json!("Border"), json!("Borders:Prior=1/2"), json!(3), json!("Borders:Colour=2")] {
            assert!(read_choices(&bad).is_err(), "{bad}");
        }
    }
}
