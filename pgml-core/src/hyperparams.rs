//! Hyperparameters, declared once: name, type, default, range, aliases and doc. From the declaration come parsing,
//! validation, the error that lists what is known, the view `pgml.hyperparams` and the reference page.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::error::unknown_name;
use crate::{Error, ErrorKind, Result};

/// What is declared about one hyperparameter.
#[derive(Debug, Clone, Copy)]
pub struct ParamSpec {
    /// The name.
    pub name: &'static str,
    /// The type as SQL users know it: `boolean`, `integer`, `number`, `text`, `json`.
    pub kind: &'static str,
    /// One sentence: what it does.
    pub doc: &'static str,
    /// Other names it is known by.
    pub aliases: &'static [&'static str],
    /// The bounds a number must keep.
    pub range: Bounds,
    /// The values a text may have; empty when any.
    pub choices: &'static [&'static str],
    /// Accepted for compatibility but without effect.
    pub no_effect: bool,
    /// The default, as JSON.
    pub default: fn() -> Value,
}

/// The bounds of a number. `None` means unbounded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// The smallest value.
    pub min: Option<f64>,
    /// The largest value.
    pub max: Option<f64>,
    /// Whether `min` itself is excluded.
    pub above_min: bool,
    /// Whether `max` itself is excluded.
    pub below_max: bool,
}

impl Bounds {
    /// Any number.
    pub const ANY: Self = Self { min: None, max: None, above_min: false, below_max: false };

    /// At least `min`.
    #[must_use]
    pub const fn at_least(min: f64) -> Self {
        Self { min: Some(min), ..Self::ANY }
    }

    /// Greater than `min`.
    #[must_use]
    pub const fn above(min: f64) -> Self {
        Self { min: Some(min), above_min: true, ..Self::ANY }
    }

    /// From `min` to `max`, both included.
    #[must_use]
    pub const fn between(min: f64, max: f64) -> Self {
        Self { min: Some(min), max: Some(max), ..Self::ANY }
    }

    /// Greater than `min`, up to `max`.
    #[must_use]
    pub const fn above_up_to(min: f64, max: f64) -> Self {
        Self { min: Some(min), max: Some(max), above_min: true, below_max: false }
    }

    /// Whether `value` keeps the bounds. NaN never does.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        let above = self.min.is_none_or(|min| if self.above_min { value > min } else { value >= min });
        let below = self.max.is_none_or(|max| if self.below_max { value < max } else { value <= max });
        !value.is_nan() && above && below
    }

    /// The bounds in words, for instance `greater than 0 and at most 1`; empty when there are none.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut words = String::new();
        if let Some(min) = self.min {
            let _ = write!(words, "{} {min}", if self.above_min { "greater than" } else { "at least" });
        }
        if let Some(max) = self.max {
            let and = if words.is_empty() { "" } else { " and " };
            let _ = write!(words, "{and}{} {max}", if self.below_max { "less than" } else { "at most" });
        }
        words
    }
}

/// The hyperparameters of one algorithm. Implemented by [`hyperparams!`](crate::hyperparams!).
pub trait Hyperparams: Default + Clone + Send + Sync {
    /// Every hyperparameter, in declaration order.
    fn specs() -> &'static [ParamSpec];
    /// Reads a JSON object whose keys are names or aliases; what is absent keeps its default.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`], naming `algorithm`, the parameter, what was given and what is allowed.
    fn from_json(algorithm: &str, given: &Map<String, Value>) -> Result<Self>;
    /// Every parameter under its main name.
    fn to_json(&self) -> Map<String, Value>;
}

/// A type that a hyperparameter can have.
pub trait ParamValue: Sized {
    /// The type as SQL users know it.
    const KIND: &'static str;
    /// The value, or `None` when the JSON is of another type.
    fn read(json: &Value) -> Option<Self>;
    /// The JSON form.
    fn write(&self) -> Value;
}

impl ParamValue for bool {
    const KIND: &'static str = "boolean";
    fn read(json: &Value) -> Option<Self> {
        match json {
            Value::Number(n) if n.as_f64() == Some(0.0) => Some(false),
            Value::Number(n) if n.as_f64() == Some(1.0) => Some(true),
            other => other.as_bool(),
        }
    }
    fn write(&self) -> Value {
        Value::from(*self)
    }
}

/// JavaScript clients send every number as a float: `10.0` is an integer too.
fn integer(json: &Value) -> Option<i64> {
    json.as_i64().or_else(|| {
        // Beyond 2^53 a float no longer tells neighbouring integers apart.
        json.as_f64().filter(|x| x.fract() == 0.0 && x.abs() <= 9_007_199_254_740_992.0).map(|x| x as i64)
    })
}

macro_rules! integer_params {
    ($($type:ty),+) => {$(
        impl ParamValue for $type {
            const KIND: &'static str = "integer";
            fn read(json: &Value) -> Option<Self> {
                integer(json).and_then(|x| Self::try_from(x).ok())
            }
            fn write(&self) -> Value {
                Value::from(*self)
            }
        }
    )+};
}
integer_params!(i32, i64, u32, u64, usize);

impl ParamValue for f64 {
    const KIND: &'static str = "number";
    fn read(json: &Value) -> Option<Self> {
        json.as_f64()
    }
    fn write(&self) -> Value {
        Value::from(*self)
    }
}

impl ParamValue for String {
    const KIND: &'static str = "text";
    fn read(json: &Value) -> Option<Self> {
        json.as_str().map(str::to_owned)
    }
    fn write(&self) -> Value {
        Value::from(self.as_str())
    }
}

impl ParamValue for Value {
    const KIND: &'static str = "json";
    fn read(json: &Value) -> Option<Self> {
        Some(json.clone())
    }
    fn write(&self) -> Value {
        self.clone()
    }
}

impl<T: ParamValue> ParamValue for Option<T> {
    const KIND: &'static str = T::KIND;
    fn read(json: &Value) -> Option<Self> {
        if json.is_null() { Some(None) } else { T::read(json).map(Some) }
    }
    fn write(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::write)
    }
}

/// Reads one parameter and checks it against its declaration.
///
/// # Errors
/// [`ErrorKind::InvalidParameter`].
pub fn read_param<T: ParamValue>(algorithm: &str, spec: &ParamSpec, json: &Value) -> Result<T> {
    let refuse = |wanted: &str| {
        Error::new(
            ErrorKind::InvalidParameter,
            format!("hyperparameter \"{}\" of {algorithm} is {json}, but must be {wanted}", spec.name),
        )
        .with_detail(spec.doc)
    };
    let value = T::read(json).ok_or_else(|| refuse(&format!("of type {}", T::KIND)))?;
    match value.write() {
        Value::Number(number) if !number.as_f64().is_some_and(|x| spec.range.contains(x)) => {
            Err(refuse(&spec.range.describe()))
        }
        Value::String(text) if !spec.choices.is_empty() && !spec.choices.contains(&text.as_str()) => {
            Err(refuse(&format!("one of {}", spec.choices.join(", "))))
        }
        _ => Ok(value),
    }
}

/// Pairs each given key with the index of the parameter it names.
///
/// # Errors
/// [`ErrorKind::InvalidParameter`] for an unknown name, or one parameter under two names.
pub fn match_keys<'a>(
    algorithm: &str,
    specs: &'static [ParamSpec],
    given: &'a Map<String, Value>,
) -> Result<Vec<(usize, &'a Value)>> {
    let mut found: Vec<(usize, &Value)> = Vec::with_capacity(given.len());
    for (key, value) in given {
        let index = specs.iter().position(|s| s.name == key || s.aliases.contains(&key.as_str())).ok_or_else(|| {
            let what = format!("hyperparameter of {algorithm}");
            unknown_name(ErrorKind::InvalidParameter, &what, key, specs.iter().map(|s| s.name))
        })?;
        if found.iter().any(|(other, _)| *other == index) {
            return Err(Error::new(
                ErrorKind::InvalidParameter,
                format!("hyperparameter \"{}\" of {algorithm} is given twice", specs[index].name),
            )
            .with_detail(format!("aliases: {}", specs[index].aliases.join(", "))));
        }
        found.push((index, value));
    }
    Ok(found)
}

/// Declares the hyperparameters of an algorithm.
///
/// ```
/// pgml_core::hyperparams! {
///     /// Parameters of ridge regression.
///     pub struct RidgeParams {
///         /// Strength of the L2 penalty.
///         alpha: f64 = 1.0, range: at_least(0.0);
///         /// Whether to fit an intercept.
///         fit_intercept: bool = true;
///         /// How to solve it.
///         solver: String = "auto".to_owned(), choices: ["auto", "cholesky"];
///         /// Most iterations.
///         max_iter: Option<u32> = None, range: at_least(1.0), aliases: ["max_iterations"];
///         /// How many threads.
///         n_jobs: Option<i32> = None, no_effect: true;
///     }
/// }
/// # use pgml_core::Hyperparams;
/// let given = serde_json::json!({"max_iterations": 10});
/// let params = RidgeParams::from_json("ridge", given.as_object().expect("an object")).expect("valid");
/// assert_eq!((params.alpha, params.max_iter), (1.0, Some(10)));
/// ```
#[macro_export]
macro_rules! hyperparams {
    (
        $(#[$struct_meta:meta])*
        pub struct $name:ident {
            $(
                #[doc = $doc:literal]
                $field:ident : $type:ty = $default:expr
                $(, range: $range:ident($($bound:expr),*))?
                $(, choices: [$($choice:literal),* $(,)?])?
                $(, aliases: [$($alias:literal),* $(,)?])?
                $(, no_effect: $no_effect:literal)?
                ;
            )*
        }
    ) => {
        $(#[$struct_meta])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $(
                #[doc = $doc]
                pub $field: $type,
            )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default),* }
            }
        }

        impl $crate::Hyperparams for $name {
            fn specs() -> &'static [$crate::hyperparams::ParamSpec] {
                static SPECS: &[$crate::hyperparams::ParamSpec] = &[$(
                    $crate::hyperparams::ParamSpec {
                        name: stringify!($field),
                        kind: <$type as $crate::hyperparams::ParamValue>::KIND,
                        doc: $doc.trim_ascii(),
                        aliases: &[$($($alias),*)?],
                        range: $crate::hyperparams!(@range $($range($($bound),*))?),
                        choices: &[$($($choice),*)?],
                        no_effect: $crate::hyperparams!(@flag $($no_effect)?),
                        default: || {
                            let value: $type = $default;
                            $crate::hyperparams::ParamValue::write(&value)
                        },
                    },
                )*];
                SPECS
            }

            #[allow(unused_assignments, unused_mut, unused_variables)]
            fn from_json(
                algorithm: &str,
                given: &::serde_json::Map<String, ::serde_json::Value>,
            ) -> $crate::Result<Self> {
                let specs = <Self as $crate::Hyperparams>::specs();
                let mut params = Self::default();
                for (index, json) in $crate::hyperparams::match_keys(algorithm, specs, given)? {
                    let mut field = 0;
                    $(
                        if index == field {
                            params.$field = $crate::hyperparams::read_param(algorithm, &specs[index], json)?;
                        }
                        field += 1;
                    )*
                }
                Ok(params)
            }

            fn to_json(&self) -> ::serde_json::Map<String, ::serde_json::Value> {
                let mut map = ::serde_json::Map::new();
                $(map.insert(
                    stringify!($field).to_owned(),
                    $crate::hyperparams::ParamValue::write(&self.$field),
                );)*
                map
            }
        }
    };
    (@range) => { $crate::hyperparams::Bounds::ANY };
    (@range $range:ident($($bound:expr),*)) => { $crate::hyperparams::Bounds::$range($($bound),*) };
    (@flag) => { false };
    (@flag $value:literal) => { $value };
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    hyperparams! {
        /// Parameters for the tests.
        pub struct TestParams {
            /// Strength of the penalty.
            alpha: f64 = 1.0, range: above(0.0), aliases: ["l2"];
            /// The kernel.
            kernel: String = "rbf".to_owned(), choices: ["rbf", "linear"];
            /// Rounds.
            rounds: u32 = 100, range: at_least(1.0);
            /// Depth; unlimited when null.
            max_depth: Option<u32> = None, range: at_least(1.0);
        }
    }

    fn parse(json: Value) -> Result<TestParams> {
        TestParams::from_json("test", json.as_object().expect("an object"))
    }

    #[test]
    fn aliases_defaults_and_whole_floats_are_understood() {
        let params = parse(json!({"l2": 2, "rounds": 10.0})).expect("valid");
        assert_eq!(params, TestParams { alpha: 2.0, rounds: 10, ..TestParams::default() });
        assert_eq!(params.to_json()["max_depth"], Value::Null);
    }

    #[test]
    fn every_refusal_says_what_was_given_and_what_is_allowed() {
        for (given, message) in [
            (json!({"alpha": 0}), "hyperparameter \"alpha\" of test is 0, but must be greater than 0"),
            (
                json!({"kernel": "poly"}),
                "hyperparameter \"kernel\" of test is \"poly\", but must be one of rbf, linear",
            ),
            (json!({"rounds": 1.5}), "hyperparameter \"rounds\" of test is 1.5, but must be of type integer"),
            (json!({"max_depth": 0}), "hyperparameter \"max_depth\" of test is 0, but must be at least 1"),
            (json!({"alfa": 1}), "unknown hyperparameter of test \"alfa\"; did you mean \"alpha\"?"),
            (json!({"alpha": 1, "l2": 1}), "hyperparameter \"alpha\" of test is given twice"),
        ] {
            let error = parse(given).expect_err(message);
            assert_eq!((error.message(), error.kind()), (message, ErrorKind::InvalidParameter));
        }
    }
}
