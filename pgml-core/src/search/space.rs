//! What `search_params` allow: for each parameter a list of values, or a range to draw from.

use serde_json::{Map, Value, json};

use crate::train::TrainRequest;
use crate::{Error, ErrorKind, Result, Run, bail};

/// The most candidates that one search may have.
pub const MOST_CANDIDATES: u64 = 100_000;
/// The stream of the generator that candidates are drawn from.
pub const SEARCH_STREAM: u64 = 0x5ea7_c400;

/// One parameter and what it may be.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// The parameter, as the user named it.
    pub name: String,
    /// Its values.
    pub domain: Domain,
}

/// The values that a parameter may have.
#[derive(Debug, Clone, PartialEq)]
pub enum Domain {
    /// One of these.
    List(Vec<Value>),
    /// Any number between two.
    Range(Range),
}

/// Numbers from `low` to `high`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The smallest.
    pub low: f64,
    /// The largest.
    pub high: f64,
    /// Whether equal ratios are equally likely, instead of equal differences.
    pub log: bool,
    /// Whether only whole numbers count.
    pub integer: bool,
}

impl Range {
    fn read(key: &str, given: &Map<String, Value>) -> Result<Self> {
        let wrong = |what: &str| {
            Error::new(ErrorKind::InvalidParameter, format!("search_params => \"{key}\" {what}"))
                .with_hint(format!("for example \"{key}\": {{\"low\": 0.001, \"high\": 1, \"log\": true}}"))
        };
        if let Some(unknown) = given.keys().find(|key| !["low", "high", "log", "integer"].contains(&key.as_str())) {
            return Err(wrong(&format!("has the unknown key \"{unknown}\"; a range has low, high, log and integer")));
        }
        let bound = |name: &str| given.get(name).and_then(Value::as_f64).filter(|x| x.is_finite());
        let (Some(low), Some(high)) = (bound("low"), bound("high")) else {
            return Err(wrong("is a range, which needs the numbers low and high"));
        };
        let flag = |name: &str, otherwise: bool| match given.get(name) {
            None => Ok(otherwise),
            Some(value) => value.as_bool().ok_or_else(|| wrong(&format!("has {name} {value}, which is no boolean"))),
        };
        // Whole bounds of a parameter like max_depth mean whole numbers.
        let whole = |name: &str| given.get(name).is_some_and(|x| x.is_i64() || x.is_u64());
        let log = flag("log", false)?;
        let range = Self { low, high, log, integer: flag("integer", whole("low") && whole("high"))? };
        if low >= high || (log && low <= 0.0) {
            return Err(wrong(if log {
                "has a range on a logarithmic scale, which needs 0 < low < high"
            } else {
                "has a range that needs low < high"
            }));
        }
        Ok(range)
    }

    /// The bounds on the scale on which numbers are drawn.
    pub fn scaled_bounds(self) -> (f64, f64) {
        // Half a step on either side, so that the outermost whole numbers are as likely as the others.
        let half = if self.integer { 0.5 } else { 0.0 };
        let (low, high) = (self.low - half, self.high + half);
        if self.log { (low.max(self.low / 2.0).ln(), high.ln()) } else { (low, high) }
    }

    /// The number that a point on that scale stands for.
    pub fn value(self, scaled: f64) -> Value {
        let x = if self.log { scaled.exp() } else { scaled };
        if self.integer {
            return json!(x.round().clamp(self.low, self.high) as i64);
        }
        json!(x.clamp(self.low, self.high))
    }
}

/// Every parameter with what it may be, in the order of `jsonb` keys: shorter ones first, then bytewise.
pub fn axes(request: &TrainRequest) -> Result<Vec<Axis>> {
    let fixed = |(key, value): (&String, &Value)| Axis { name: key.clone(), domain: Domain::List(vec![value.clone()]) };
    let mut axes: Vec<Axis> = request.hyperparams.iter().map(fixed).collect();
    for (key, values) in &request.search_params {
        if request.hyperparams.contains_key(key) {
            bail!(
                InvalidParameter,
                "`{key}` cannot be present in both hyperparams and search_params. Please choose one or the other."
            );
        }
        let domain = match values {
            Value::Array(values) if !values.is_empty() => Domain::List(values.clone()),
            Value::Object(range) => Domain::Range(Range::read(key, range)?),
            _ => bail!(
                InvalidParameter,
                "search_params => \"{key}\" is {values}, but must be an array of at least one value to try"
            ),
        };
        axes.push(Axis { name: key.clone(), domain });
    }
    axes.sort_by(|a, b| (a.name.len(), a.name.as_bytes()).cmp(&(b.name.len(), b.name.as_bytes())));
    Ok(axes)
}

/// How many combinations there are; `None` where a range makes them endless, or they are too many to count.
pub fn n_combinations(axes: &[Axis]) -> Option<u64> {
    axes.iter().try_fold(1_u64, |n, axis| match &axis.domain {
        Domain::List(values) => n.checked_mul(values.len() as u64),
        Domain::Range(_) => None,
    })
}

/// The combination number `index` of lists: the last parameter varies fastest.
pub fn combination(axes: &[Axis], mut index: u64) -> Map<String, Value> {
    let mut candidate = Map::new();
    for axis in axes.iter().rev() {
        let Domain::List(values) = &axis.domain else { continue };
        let n_values = values.len() as u64;
        candidate.insert(axis.name.clone(), values[(index % n_values) as usize].clone());
        index /= n_values;
    }
    candidate
}

/// All combinations.
///
/// # Errors
/// [`ErrorKind::InvalidParameter`] when there are too many, or endlessly many.
pub fn every_combination(axes: &[Axis]) -> Result<Vec<Map<String, Value>>> {
    if let Some(Axis { name, .. }) = axes.iter().find(|axis| matches!(axis.domain, Domain::Range(_))) {
        return Err(Error::new(
            ErrorKind::InvalidParameter,
            format!("search_params => \"{name}\" is a range, of which a grid cannot try every number"),
        )
        .with_hint("use search => 'random' or 'tpe', or give an array of values"));
    }
    match n_combinations(axes) {
        Some(total) if total <= MOST_CANDIDATES => Ok((0..total).map(|index| combination(axes, index)).collect()),
        _ => Err(Error::new(
            ErrorKind::InvalidParameter,
            format!("search_params has more than {MOST_CANDIDATES} combinations"),
        )
        .with_hint("use search => 'random' with \"n_iter\" in search_args")),
    }
}

/// `n_iter` combinations drawn by chance: different ones of lists, in ascending order (Floyd's algorithm).
pub fn draw(axes: &[Axis], n_iter: u64, run: &Run) -> Vec<Map<String, Value>> {
    let mut rng = run.rng(SEARCH_STREAM);
    let is_endless = axes.iter().any(|axis| matches!(axis.domain, Domain::Range(_)));
    if is_endless {
        return (0..n_iter.min(MOST_CANDIDATES)).map(|_| draw_one(axes, &mut rng)).collect();
    }
    let total = n_combinations(axes).unwrap_or(u64::MAX);
    let wanted = n_iter.min(total).min(MOST_CANDIDATES);
    let mut drawn = std::collections::BTreeSet::new();
    for upper in total - wanted..total {
        let x = rng.u64(0..=upper);
        if !drawn.insert(x) {
            drawn.insert(upper);
        }
    }
    drawn.into_iter().map(|index| combination(axes, index)).collect()
}

/// One combination drawn by chance.
pub fn draw_one(axes: &[Axis], rng: &mut fastrand::Rng) -> Map<String, Value> {
    let value = |axis: &Axis| match &axis.domain {
        Domain::List(values) => values[rng.usize(..values.len())].clone(),
        Domain::Range(range) => {
            let (low, high) = range.scaled_bounds();
            range.value(low + rng.f64() * (high - low))
        }
    };
    let values: Vec<Value> = axes.iter().map(value).collect();
    axes.iter().map(|axis| axis.name.clone()).zip(values).collect()
}
