//! Hyperparameters, declared once: name, type, default, range, aliases and doc. From the declaration come parsing,
//! validation, the error that lists what is known, the view `pgml.hyperparams` and the reference page.

mod bounds;
mod value;

pub use bounds::Bounds;
pub use value::ParamValue;

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

/// Reads one parameter and checks it against its declaration.
///
/// # Errors
/// [`ErrorKind::InvalidParameter`].
pub fn read_param<T: ParamValue>(noun: &str, algorithm: &str, spec: &ParamSpec, json: &Value) -> Result<T> {
    let refuse = |wanted: &str| {
        Error::new(
            ErrorKind::InvalidParameter,
            format!("{noun} \"{}\" of {algorithm} is {json}, but must be {wanted}", spec.name),
        )
        .with_detail(spec.doc)
    };
    // A whole number that the type cannot hold is beyond its bounds too.
    let is_whole = json.as_f64().is_some_and(|x| x.fract() == 0.0);
    let value = T::read(json).ok_or_else(|| match T::KIND {
        "integer" if is_whole => refuse(&spec.range.or(T::HOLDS).describe()),
        kind => refuse(&format!("of type {kind}")),
    })?;
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
    noun: &str,
    algorithm: &str,
    specs: &'static [ParamSpec],
    given: &'a Map<String, Value>,
) -> Result<Vec<(usize, &'a Value)>> {
    let mut found: Vec<(usize, &Value)> = Vec::with_capacity(given.len());
    for (key, value) in given {
        let index = specs.iter().position(|s| s.name == key || s.aliases.contains(&key.as_str())).ok_or_else(|| {
            let what = format!("{noun} of {algorithm}");
            unknown_name(ErrorKind::InvalidParameter, &what, key, specs.iter().map(|s| s.name))
        })?;
        if found.iter().any(|(other, _)| *other == index) {
            return Err(Error::new(
                ErrorKind::InvalidParameter,
                format!("{noun} \"{}\" of {algorithm} is given twice", specs[index].name),
            )
            .with_detail(format!("aliases: {}", specs[index].aliases.join(", "))));
        }
        found.push((index, value));
    }
    Ok(found)
}

/// Declares the hyperparameters of an algorithm, or with `called "argument"` behind the name the arguments of a function.
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
        pub struct $name:ident $(called $noun:literal)? {
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
                        range: $crate::hyperparams!(@range $($range($($bound),*))?)
                            .or(<$type as $crate::hyperparams::ParamValue>::HOLDS.if_unsigned()),
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
                let noun = $crate::hyperparams!(@noun $($noun)?);
                let specs = <Self as $crate::Hyperparams>::specs();
                let mut params = Self::default();
                for (index, json) in $crate::hyperparams::match_keys(noun, algorithm, specs, given)? {
                    let mut field = 0;
                    $(
                        if index == field {
                            params.$field = $crate::hyperparams::read_param(noun, algorithm, &specs[index], json)?;
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
    (@noun) => { "hyperparameter" };
    (@noun $noun:literal) => { $noun };
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
            /// Leaves.
            leaves: Option<u32> = None;
        }
    }

    hyperparams! {
        /// Arguments for the tests.
        pub struct TestArgs called "argument" {
            /// How many.
            limit: u32 = 1;
        }
    }

    #[test]
    fn messages_call_things_by_their_noun() {
        let error = TestArgs::from_json("f", json!({"limt": 2}).as_object().expect("an object")).expect_err("misspelt");
        assert_eq!(error.message(), "unknown argument of f \"limt\"; did you mean \"limit\"?");
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
            (
                json!({"rounds": 5_000_000_000_i64}),
                "hyperparameter \"rounds\" of test is 5000000000, but must be at least 1 and at most 4294967295",
            ),
            (
                json!({"rounds": -3.0}),
                "hyperparameter \"rounds\" of test is -3.0, but must be at least 1 and at most 4294967295",
            ),
            (
                json!({"leaves": -3}),
                "hyperparameter \"leaves\" of test is -3, but must be at least 0 and at most 4294967295",
            ),
            (json!({"max_depth": 0}), "hyperparameter \"max_depth\" of test is 0, but must be at least 1"),
            (json!({"alfa": 1}), "unknown hyperparameter of test \"alfa\"; did you mean \"alpha\"?"),
            (json!({"alpha": 1, "l2": 1}), "hyperparameter \"alpha\" of test is given twice"),
        ] {
            let error = parse(given).expect_err(message);
            assert_eq!((error.message(), error.kind()), (message, ErrorKind::InvalidParameter));
        }
    }
}
