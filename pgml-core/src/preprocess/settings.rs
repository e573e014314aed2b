//! The `preprocess` argument of `pgml.train`: per column an encoding, an imputation, a scale and a role.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::unknown_name;
use crate::{Error, ErrorKind, Result, bail};

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// To learn from.
    #[default]
    Feature,
    /// To learn from, as categories rather than as a quantity.
    Categorical,
    /// To predict.
    Label,
    /// How much each row counts while fitting.
    Weight,
    /// Which rows belong together: they are never split, and ranking objectives rank within them.
    Group,
    /// Not used at all.
    Ignore,
}

/// How categories become numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encode {
    /// The category's code.
    #[default]
    Native,
    /// The mean of the first label over the training rows of the category.
    Target,
    /// One 0/1 feature per category that the training rows have, except the last.
    OneHot,
    /// The position in this list, from 1; NULL is 0.
    Ordinal(Vec<String>),
}

/// What replaces a missing value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Impute {
    /// Nothing: the algorithm gets it as missing.
    #[default]
    None,
    /// Nothing: a missing value is an error.
    Error,
    /// The mean of the training rows.
    Mean,
    /// Their median.
    Median,
    /// Their most frequent value.
    Mode,
    /// Their smallest value.
    Min,
    /// Their largest value.
    Max,
    /// 0.
    Zero,
}

/// How values are scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Not at all.
    #[default]
    Preserve,
    /// To mean 0 and variance 1.
    Standard,
    /// To 0 … 1.
    MinMax,
    /// To a largest absolute value of 1.
    MaxAbs,
    /// To median 0 and interquartile range 1.
    Robust,
}

const ROLES: &[(&str, Role)] = &[
    ("feature", Role::Feature),
    ("categorical", Role::Categorical),
    ("weight", Role::Weight),
    ("group", Role::Group),
    ("ignore", Role::Ignore),
];
const IMPUTES: &[(&str, Impute)] = &[
    ("none", Impute::None),
    ("error", Impute::Error),
    ("mean", Impute::Mean),
    ("median", Impute::Median),
    ("mode", Impute::Mode),
    ("min", Impute::Min),
    ("max", Impute::Max),
    ("zero", Impute::Zero),
];
const SCALES: &[(&str, Scale)] = &[
    ("preserve", Scale::Preserve),
    ("standard", Scale::Standard),
    ("min_max", Scale::MinMax),
    ("max_abs", Scale::MaxAbs),
    ("robust", Scale::Robust),
];
// `none` is what PostgresML's documentation calls `native`.
const ENCODES: &[(&str, Encode)] =
    &[("native", Encode::Native), ("target", Encode::Target), ("one_hot", Encode::OneHot), ("none", Encode::Native)];

/// How one column is preprocessed, as stored in `pgml.snapshots.columns`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Preprocessor {
    /// How categories become numbers.
    pub encode: Encode,
    /// What replaces a missing value.
    pub impute: Impute,
    /// How values are scaled.
    pub scale: Scale,
}

/// What the user says about one column.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ColumnSettings {
    /// How it is preprocessed.
    pub preprocessor: Preprocessor,
    /// What it is for, where that is said.
    pub role: Option<Role>,
}

/// The whole `preprocess` argument. It can be read before the relation is: the roles say which columns to leave out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// What is said about each column, by its name.
    pub columns: BTreeMap<String, ColumnSettings>,
}

impl Settings {
    /// Reads the `preprocess` argument: `{"column": {"encode": …, "impute": …, "scale": …, "role": …}}`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`], naming the column, what was given and what is known.
    pub fn parse(preprocess: &Map<String, Value>) -> Result<Self> {
        let columns = preprocess.iter().map(|(name, json)| Ok((name.clone(), ColumnSettings::parse(name, json)?)));
        Ok(Self { columns: columns.collect::<Result<_>>()? })
    }

    /// What is said about the column `name`.
    #[must_use]
    pub fn column(&self, name: &str) -> ColumnSettings {
        self.columns.get(name).cloned().unwrap_or_default()
    }

    /// The role of the column `name`, if it has one in `preprocess`.
    #[must_use]
    pub fn role(&self, name: &str) -> Option<Role> {
        self.columns.get(name).and_then(|c| c.role)
    }

    /// The columns that need not be read, whatever their type.
    pub fn ignored(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().filter(|(_, c)| c.role == Some(Role::Ignore)).map(|(name, _)| name.as_str())
    }
}

impl ColumnSettings {
    fn parse(column: &str, json: &Value) -> Result<Self> {
        let Some(object) = json.as_object() else {
            bail!(
                InvalidParameter,
                "preprocess of column \"{column}\" is {json}, but must be an object such as {{\"impute\": \"mean\"}}"
            );
        };
        let mut settings = Self::default();
        for (key, value) in object {
            match key.as_str() {
                "encode" => settings.preprocessor.encode = parse_encode(column, value)?,
                "impute" => settings.preprocessor.impute = choose(column, "impute", value, IMPUTES)?,
                "scale" => settings.preprocessor.scale = choose(column, "scale", value, SCALES)?,
                "role" => settings.role = Some(choose(column, "role", value, ROLES)?),
                other => {
                    let what = format!("preprocess key of column \"{column}\":");
                    let known = ["encode", "impute", "scale", "role"];
                    return Err(unknown_name(ErrorKind::InvalidParameter, &what, other, known));
                }
            }
        }
        Ok(settings)
    }
}

fn choose<T: Clone>(column: &str, key: &str, value: &Value, known: &[(&str, T)]) -> Result<T> {
    let names = known.iter().map(|(name, _)| *name);
    let Some(given) = value.as_str() else {
        let names: Vec<&str> = names.collect();
        bail!(InvalidParameter, "\"{key}\" of column \"{column}\" is {value}, but must be one of {}", names.join(", "));
    };
    known.iter().find(|(name, _)| *name == given).map(|(_, value)| value.clone()).ok_or_else(|| {
        unknown_name(ErrorKind::InvalidParameter, &format!("\"{key}\" of column \"{column}\":"), given, names)
    })
}

fn parse_encode(column: &str, value: &Value) -> Result<Encode> {
    let Some(object) = value.as_object() else {
        return choose(column, "encode", value, ENCODES)
            .map_err(|e| e.with_hint("an order of categories is given as {\"ordinal\": [\"low\", \"high\"]}"));
    };
    let list = (object.len() == 1).then(|| object.get("ordinal")).flatten().and_then(Value::as_array);
    let texts = list.and_then(|list| list.iter().map(|v| v.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>());
    let Some(texts) = texts.filter(|texts| !texts.is_empty()) else {
        bail!(
            InvalidParameter,
            "\"encode\" of column \"{column}\" is {value}, but must be a name or {{\"ordinal\": [\"low\", \"high\"]}}"
        );
    };
    if let Some(twice) = texts.iter().enumerate().find(|(i, t)| texts[..*i].contains(t)) {
        bail!(InvalidParameter, "\"ordinal\" of column \"{column}\" lists \"{}\" twice", twice.1);
    }
    Ok(Encode::Ordinal(texts))
}

/// Says why `preprocessor` makes no sense for a column, as PostgresML does.
///
/// # Errors
/// [`ErrorKind::InvalidParameter`].
pub fn check_preprocessor(column: &str, categorical: bool, preprocessor: &Preprocessor) -> Result<()> {
    let refuse = |why: String| {
        let text = format!("Error initializing preprocessor for column: \"{column}\".\n\n{why}");
        Err(Error::new(ErrorKind::InvalidParameter, text))
    };
    match (categorical, &preprocessor.encode, preprocessor.impute) {
        (true, Encode::Native | Encode::OneHot | Encode::Ordinal(_), Impute::Mean) => refuse(
            "It makes no sense to impute the mean of categories: {\"impute\": \"mean\"} needs {\"encode\": \"target\"}. \
             Use {\"impute\": \"mode\"} instead."
                .to_owned(),
        ),
        (false, Encode::Target | Encode::OneHot | Encode::Ordinal(_), _) => {
            let encode = serde_json::to_string(&preprocessor.encode).unwrap_or_default();
            refuse(format!(
                "It does not make sense to {{\"encode\": {encode}}} a continuous variable. Please use the default \
                 `native`, or give the column {{\"role\": \"categorical\"}}."
            ))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(json: Value) -> Result<Settings> {
        Settings::parse(json.as_object().expect("an object"))
    }

    #[test]
    fn every_setting_is_read_and_written_the_same() {
        let settings = parse(json!({
            "a": {"encode": {"ordinal": ["low", "high"]}, "impute": "mode", "scale": "min_max"},
            "id": {"role": "ignore"},
        }))
        .expect("valid");
        let a = settings.column("a").preprocessor;
        assert_eq!(
            serde_json::to_value(&a).expect("plain data"),
            json!({"encode": {"ordinal": ["low", "high"]}, "impute": "mode", "scale": "min_max"})
        );
        assert_eq!(settings.ignored().collect::<Vec<_>>(), ["id"]);
    }

    #[test]
    fn every_refusal_names_the_column_and_what_is_known() {
        for (given, words) in [
            (json!({"a": "mean"}), "must be an object"),
            (json!({"a": {"inpute": "mean"}}), "did you mean \"impute\"?"),
            (json!({"a": {"impute": "meen"}}), "did you mean \"mean\"?"),
            (json!({"a": {"scale": 1}}), "preserve, standard, min_max, max_abs, robust"),
            (json!({"a": {"encode": {"ordinal": [1]}}}), "must be a name or"),
            (json!({"a": {"encode": {"ordinal": ["x", "x"]}}}), "lists \"x\" twice"),
            (json!({"a": {"role": "label"}}), "unknown \"role\""),
        ] {
            let error = parse(given).expect_err(words);
            assert_eq!(error.kind(), ErrorKind::InvalidParameter);
            assert!(error.to_string().contains(words), "{error}");
            assert!(error.to_string().contains("\"a\""), "{error}");
        }
    }
}
