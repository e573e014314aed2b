//! Hyperparameters that count rows or features, or say which share of them.

use pgml_core::hyperparams::ParamValue;
use serde_json::{Number, Value};

/// A count, or a share of all: `3` or `0.3`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// That many.
    Count(usize),
    /// That share of all; may be greater than 1 only where more than all can be drawn.
    Share(f64),
}

impl Amount {
    /// How many of `n` this is, a share rounded up; at least `least`.
    #[must_use]
    pub fn of(self, n: usize, least: usize) -> usize {
        match self {
            Self::Count(count) => count.max(least),
            Self::Share(share) => ((share * n as f64).ceil() as usize).max(least),
        }
    }
}

impl ParamValue for Amount {
    const KIND: &'static str = "number";

    /// Whole numbers other than `1.0` are counts however they are written: JavaScript clients send `2` as `2.0`.
    fn read(json: &Value) -> Option<Self> {
        match (json.as_u64(), json.as_f64()?) {
            (Some(count), _) => Some(Self::Count(count as usize)),
            (None, x) if x.fract() == 0.0 && (2.0..9e15).contains(&x) => Some(Self::Count(x as usize)),
            (None, x) => Some(Self::Share(x)),
        }
    }

    fn write(&self) -> Value {
        match self {
            Self::Count(count) => Value::from(*count),
            Self::Share(share) => Number::from_f64(*share).map_or(Value::Null, Value::Number),
        }
    }
}

/// How many features a split looks at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MaxFeatures {
    /// All of them for regression, their square root for classification: what scikit-learn's two forests do unasked.
    Auto,
    /// The square root of their number.
    Sqrt,
    /// The binary logarithm of their number.
    Log2,
    /// A count, or a share, which is rounded down.
    Amount(Amount),
}

impl MaxFeatures {
    /// How many of `n` features this is, at least one.
    #[must_use]
    pub fn of(self, n: usize, is_classification: bool) -> usize {
        let count = match self {
            Self::Auto if !is_classification => n,
            Self::Auto | Self::Sqrt => n.isqrt(),
            Self::Log2 => n.ilog2() as usize,
            Self::Amount(Amount::Count(count)) => count,
            Self::Amount(Amount::Share(share)) => (share * n as f64) as usize,
        };
        count.clamp(1, n)
    }
}

impl ParamValue for MaxFeatures {
    const KIND: &'static str = "number or text";

    fn read(json: &Value) -> Option<Self> {
        match json.as_str() {
            Some("auto") => Some(Self::Auto),
            Some("sqrt") => Some(Self::Sqrt),
            Some("log2") => Some(Self::Log2),
            Some(_) => None,
            None if json.is_null() => Some(Self::Amount(Amount::Share(1.0))),
            None => {
                Amount::read(json).filter(|amount| !matches!(amount, Amount::Share(x) if *x > 1.0)).map(Self::Amount)
            }
        }
    }

    fn write(&self) -> Value {
        match self {
            Self::Auto => Value::from("auto"),
            Self::Sqrt => Value::from("sqrt"),
            Self::Log2 => Value::from("log2"),
            Self::Amount(amount) => amount.write(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn counts_and_shares_are_told_apart_as_scikit_learn_does() {
        let features = |json: Value| MaxFeatures::read(&json).map(|m| m.of(30, true));
        for (given, expected) in [
            (json!(1), 1),
            (json!(1.0), 30),
            (json!(7.0), 7),
            (json!(0.5), 15),
            (json!(0.01), 1),
            (json!("sqrt"), 5),
            (json!("auto"), 5),
            (json!("log2"), 4),
            (json!(null), 30),
            (json!(99), 30),
        ] {
            assert_eq!(features(given.clone()), Some(expected), "{given}");
        }
        assert_eq!(MaxFeatures::Auto.of(30, false), 30);
        assert_eq!((features(json!("all")), features(json!(1.5))), (None, None));
        assert_eq!(Amount::Share(0.05).of(50, 1), 3);
    }

    #[test]
    fn what_was_written_reads_back() {
        for json in [json!(3), json!(0.25), json!("sqrt"), json!("log2"), json!("auto"), json!(1.0), json!(1)] {
            assert_eq!(MaxFeatures::read(&json).map(|m| m.write()), Some(json));
        }
    }
}
