//! What happens to one raw feature before the model sees it: encode, then impute, then scale. Training and prediction
//! use the same code.

use crate::schema::ColumnSchema;
use crate::statistics::{Category, Statistics};
use crate::{Error, ErrorKind, Feature, Floats, Result, bail};

use super::{Encode, Impute, Scale};

/// What happens to one raw feature. Made of a [`ColumnSchema`] once, applied to columns and to rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    name: String,
    encoding: Encoding,
    fill: Fill,
    center: f64,
    divisor: f64,
    scaled: bool,
    categories: Option<u32>,
    missing: u64,
}

#[derive(Debug, Clone, PartialEq)]
enum Encoding {
    /// The raw value.
    Raw,
    /// The value at the position of the code; NaN beyond.
    Table(Vec<f64>),
    /// A 0/1 feature for each of these codes.
    OneHot(Vec<(f64, String)>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fill {
    Keep,
    Refuse,
    With(f64),
}

impl Step {
    /// The step of element `element` of `column`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`] when a statistic that it needs does not exist because the training rows have no value,
    /// [`ErrorKind::Corrupted`] when stored categories make no sense.
    pub fn of(column: &ColumnSchema, element: usize) -> Result<Self> {
        let statistics = column.element(element);
        let settings = &column.preprocessor;
        let name = column.element_name(element);
        let categories = Categories::of(column)?;
        let (center, divisor) = scale(&name, settings.scale, statistics)?;
        Ok(Self {
            encoding: encoding(&name, &settings.encode, &categories),
            fill: fill(&name, &settings.encode, settings.impute, statistics)?,
            center,
            divisor,
            scaled: settings.scale != Scale::Preserve,
            categories: match settings.encode {
                Encode::Native if settings.scale == Scale::Preserve => categories.n_codes(),
                _ => None,
            },
            missing: statistics.missing,
            name,
        })
    }

    /// The raw feature's name: its column, with the element's number for an array.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many model features it makes.
    #[must_use]
    pub fn n_features(&self) -> usize {
        match &self.encoding {
            Encoding::OneHot(codes) => codes.len(),
            _ => 1,
        }
    }

    /// Whether the model sees the raw value itself.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.encoding == Encoding::Raw && self.fill == Fill::Keep && !self.scaled
    }

    /// Whether its results need 64 bits although the raw values may be 32-bit floats.
    #[must_use]
    pub fn widens(&self) -> bool {
        self.scaled
            || matches!(self.encoding, Encoding::Table(_))
            || matches!(self.fill, Fill::With(x) if f64::from(x as f32) != x)
    }

    /// The model features of one raw value, appended to `out`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`] for a missing value where the column's `impute` is `error`.
    #[inline]
    pub fn push(&self, raw: f64, out: &mut Vec<f64>) -> Result<()> {
        match &self.encoding {
            Encoding::OneHot(codes) => out.extend(codes.iter().map(|(code, _)| f64::from(u8::from(*code == raw)))),
            _ => out.push(self.value(raw)?),
        }
        Ok(())
    }

    /// The names of the model features.
    #[must_use]
    pub fn feature_names(&self) -> Vec<String> {
        match &self.encoding {
            Encoding::OneHot(codes) => codes.iter().map(|(_, name)| name.clone()).collect(),
            _ => vec![self.name.clone()],
        }
    }

    /// The mean and standard deviation of each model feature over the training rows, whose raw values have these moments
    /// (or the categories of `column`). NaN where the schema does not tell.
    pub fn moments(&self, column: &ColumnSchema, mean: f64, std_dev: f64) -> Vec<(f64, f64)> {
        let Some(categories) = &column.statistics.categories else {
            let value = self.value(mean).unwrap_or(f64::NAN);
            return vec![(value, if self.scaled { std_dev / self.divisor } else { std_dev })];
        };
        let members = |category: &Category| category.members as f64;
        if let Encoding::OneHot(codes) = &self.encoding {
            let total: f64 = categories.values().map(members).sum();
            let count = |code: f64| categories.values().find(|c| c.value == code).map_or(0.0, members);
            let share = |(code, _): &(f64, String)| count(*code) / total;
            return codes.iter().map(share).map(|p| (p, (p * (1.0 - p)).sqrt())).collect();
        }
        let valued = categories.values().map(|c| (members(c), self.value(c.value).unwrap_or(f64::NAN)));
        let known: Vec<(f64, f64)> = valued.filter(|(_, x)| !x.is_nan()).collect();
        let total: f64 = known.iter().map(|(n, _)| n).sum();
        let mean = known.iter().map(|(n, x)| n * x).sum::<f64>() / total;
        let variance = known.iter().map(|(n, x)| n * (x - mean).powi(2)).sum::<f64>() / total;
        vec![(mean, variance.sqrt())]
    }

    /// The model features of a whole column of raw values, named.
    ///
    /// # Errors
    /// As [`Step::push`].
    pub fn column(&self, raw: Floats) -> Result<Vec<Feature>> {
        if let Encoding::OneHot(codes) = &self.encoding {
            let indicator = |code: f64| raw.iter().map(|x| f32::from(u8::from(x == code))).collect::<Vec<f32>>();
            return Ok(codes.iter().map(|(code, name)| Feature::new(name.as_str(), indicator(*code))).collect());
        }
        let values = if self.is_identity() { raw } else { self.map(&raw)? };
        Ok(vec![Feature { name: self.name.clone(), values, categories: self.categories }])
    }

    fn map(&self, raw: &Floats) -> Result<Floats> {
        let mapped = raw.iter().map(|x| self.value(x));
        // A column stays narrow only where f32 holds every result exactly, so that rows and columns agree.
        if matches!(raw, Floats::F32(_)) && !self.widens() {
            return Ok(Floats::F32(mapped.map(|x| x.map(|x| x as f32)).collect::<Result<_>>()?));
        }
        Ok(Floats::F64(mapped.collect::<Result<_>>()?))
    }

    #[inline]
    fn value(&self, raw: f64) -> Result<f64> {
        let encoded = match &self.encoding {
            Encoding::Table(table) => code_index(raw).and_then(|i| table.get(i)).copied().unwrap_or(f64::NAN),
            _ => raw,
        };
        let filled = match self.fill {
            Fill::With(fill) if encoded.is_nan() => fill,
            Fill::Refuse if encoded.is_nan() => return Err(self.refuse_missing()),
            _ => encoded,
        };
        Ok(if self.scaled { (filled - self.center) / self.divisor } else { filled })
    }

    fn refuse_missing(&self) -> Error {
        let name = &self.name;
        Error::new(
            ErrorKind::InvalidData,
            format!(
                "{} missing values for {name}. You may provide a preprocessor to impute a value. e.g:\n\n \
                 pgml.train(preprocess => '{{\"{name}\": {{\"impute\": \"mean\"}}}}')",
                self.missing.max(1)
            ),
        )
    }
}

/// The position that a code stands for, if it is one.
#[inline]
fn code_index(code: f64) -> Option<usize> {
    // NaN and negative numbers saturate to 0, so they are sorted out first.
    (code >= 0.0 && code.fract() == 0.0).then_some(code as usize)
}

/// The categories of a column by code.
struct Categories<'a>(Vec<Option<(&'a str, &'a Category)>>);

impl<'a> Categories<'a> {
    fn of(column: &'a ColumnSchema) -> Result<Self> {
        let Some(categories) = &column.statistics.categories else { return Ok(Self(Vec::new())) };
        let mut by_code = vec![None; categories.len()];
        for (name, category) in categories {
            let place = code_index(category.value).and_then(|code| by_code.get_mut(code));
            let Some(place @ None) = place else {
                bail!(Corrupted, "stored category \"{name}\" of column \"{}\" has a wrong code", column.name);
            };
            *place = Some((name.as_str(), category));
        }
        Ok(Self(by_code))
    }

    fn n_codes(&self) -> Option<u32> {
        (!self.0.is_empty()).then(|| u32::try_from(self.0.len()).unwrap_or(u32::MAX))
    }

    fn iter(&self) -> impl Iterator<Item = (&'a str, &'a Category)> {
        self.0.iter().copied().flatten()
    }
}

fn encoding(name: &str, encode: &Encode, categories: &Categories<'_>) -> Encoding {
    match encode {
        Encode::Native | Encode::Ordinal(_) => Encoding::Raw,
        Encode::Target => Encoding::Table(categories.iter().map(|(_, c)| c.target.unwrap_or(f64::NAN)).collect()),
        Encode::OneHot => {
            let mut seen: Vec<_> = categories
                .iter()
                .filter(|(_, c)| c.members > 0)
                .map(|(k, c)| (c.value, format!("{name}={k}")))
                .collect();
            // One category is told by the absence of all others (dummy coding). A column of one category keeps it, so
            // that it still makes a feature.
            if seen.len() > 1 {
                seen.pop();
            }
            Encoding::OneHot(seen)
        }
    }
}

fn fill(name: &str, encode: &Encode, impute: Impute, statistics: &Statistics) -> Result<Fill> {
    let value = match impute {
        Impute::Error => return Ok(Fill::Refuse),
        // A category that training never saw has no mean of its own: the mean of all rows is the best guess.
        Impute::None if *encode == Encode::Target => statistics.mean,
        Impute::None => return Ok(Fill::Keep),
        Impute::Mean => statistics.mean,
        Impute::Median => statistics.median,
        Impute::Mode => statistics.mode,
        Impute::Min => statistics.min,
        Impute::Max => statistics.max,
        Impute::Zero => 0.0,
    };
    needed(name, value)?;
    Ok(Fill::With(value))
}

/// Centre and divisor. A spread of 0 divides by 1, as scikit-learn does, so that a constant becomes 0.
fn scale(name: &str, scale: Scale, statistics: &Statistics) -> Result<(f64, f64)> {
    let quartile = |i: usize| statistics.quartiles.get(i).copied().unwrap_or(f64::NAN);
    let (center, divisor) = match scale {
        Scale::Preserve => (0.0, 1.0),
        Scale::Standard => (statistics.mean, statistics.std_dev),
        Scale::MinMax => (statistics.min, statistics.max - statistics.min),
        Scale::MaxAbs => (0.0, statistics.max_abs),
        Scale::Robust => (quartile(1), quartile(2) - quartile(0)),
    };
    needed(name, center)?;
    needed(name, divisor)?;
    Ok((center, if divisor == 0.0 { 1.0 } else { divisor }))
}

fn needed(name: &str, statistic: f64) -> Result<()> {
    if !statistic.is_finite() {
        return Err(Error::new(
            ErrorKind::InvalidData,
            format!("column \"{name}\" has no value in the training rows that its preprocessing could learn from"),
        )
        .with_hint(format!("leave it out: preprocess => '{{\"{name}\": {{\"role\": \"ignore\"}}}}'")));
    }
    Ok(())
}
