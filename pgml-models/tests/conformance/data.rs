//! Data that the checks fit: small synthetic sets, built-in ones split in halves, and a big one to cancel on.

use std::sync::LazyLock;

use pgml_core::{Dataset, Feature, Floats, Task, Values, datasets};

/// A set to learn from and one to be judged on.
pub struct Split {
    pub train: Dataset,
    pub test: Dataset,
}

/// `n_rows × n_features` seeded numbers, with a target that depends on the first feature. Those to decompose are not
/// negative, as some decompositions demand.
impl Split {
    /// Both parts with features of mean 0 and deviation 1 over the training rows.
    pub fn standardised(&self) -> Self {
        let units: Vec<(f64, f64)> = self.train.features().iter().map(|f| moments(&f.values)).collect();
        Self { train: in_units(&self.train, &units), test: in_units(&self.test, &units) }
    }
}

/// Mean and standard deviation.
fn moments(values: &Floats) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt())
}

fn in_units(data: &Dataset, units: &[(f64, f64)]) -> Dataset {
    let scaled = |(feature, (mean, deviation)): (&Feature, &(f64, f64))| {
        let values: Vec<f64> = feature.values.iter().map(|x| (x - mean) / deviation).collect();
        Feature::new(feature.name.clone(), values)
    };
    let scaled = Dataset::new(data.features().iter().zip(units).map(scaled).collect());
    let target = data.target().expect("a target").to_vec();
    match data.n_classes() {
        0 => scaled.and_then(|scaled| scaled.with_target(target)),
        n => scaled.and_then(|scaled| scaled.with_classes(target, n)),
    }
    .expect("as many rows")
}

/// `n_rows × n_features` seeded numbers, with a target that depends on the first feature.
pub fn synthetic(task: Task, n_rows: usize, n_features: usize) -> Dataset {
    let mut rng = fastrand::Rng::with_seed(42);
    let least = if task == Task::Decomposition { 0.0 } else { -2.0 };
    let rows: Vec<f64> = (0..n_rows * n_features).map(|_| rng.f64() * 4.0 + least).collect();
    let noise: Vec<f64> = (0..n_rows).map(|_| rng.f64() - 0.5).collect();
    with_target(task, &rows, n_features, |row, i| row[0] * 3.0 + noise[i])
}

/// Gives rows a target for `task` (three classes for classification) made of a score per row.
pub fn with_target(task: Task, rows: &[f64], n_features: usize, score: impl Fn(&[f64], usize) -> f64) -> Dataset {
    let data = Dataset::from_rows(rows, n_features).expect("whole rows");
    let score: Vec<f64> = rows.chunks(n_features).enumerate().map(|(i, row)| score(row, i)).collect();
    match task {
        // Some algorithms learn positive targets alone.
        Task::Regression => data.with_target(score.iter().map(|s| s + 20.0).collect()),
        Task::Classification => {
            // Every class occurs however few rows there are: the first rows cycle through them.
            let n_classes = score.len().min(3);
            let by_score = |s: f64| if s < -2.0 { 0 } else { 1 + usize::from(s > 2.0) };
            let class = |(i, s): (usize, &f64)| if i < 3 { i } else { by_score(*s) };
            data.with_classes(score.iter().enumerate().map(class).map(|c| c as f64).collect(), n_classes)
        }
        _ => Ok(data),
    }
    .expect("one target per row")
}

/// The set that most checks fit.
pub fn small(task: Task) -> Dataset {
    synthetic(task, 90, 4)
}

/// 200,000 rows of 20 features, made once.
pub fn big(task: Task) -> &'static Dataset {
    static REGRESSION: LazyLock<Dataset> = LazyLock::new(|| synthetic(Task::Regression, 200_000, 20));
    static CLASSIFICATION: LazyLock<Dataset> = LazyLock::new(|| synthetic(Task::Classification, 200_000, 20));
    static DECOMPOSITION: LazyLock<Dataset> = LazyLock::new(|| synthetic(Task::Decomposition, 200_000, 20));
    static UNSUPERVISED: LazyLock<Dataset> = LazyLock::new(|| synthetic(Task::Clustering, 200_000, 20));
    match task {
        Task::Regression => &REGRESSION,
        Task::Classification => &CLASSIFICATION,
        Task::Decomposition => &DECOMPOSITION,
        _ => &UNSUPERVISED,
    }
}

/// A built-in set: even rows to learn from, odd ones to be judged on. Sets sorted by class stay balanced that way.
pub fn built_in(name: &str, task: Task) -> Split {
    let set = datasets::find(name).expect("built in");
    let table = set.table().expect("well-formed");
    let (labels, features): (Vec<_>, Vec<_>) =
        table.columns.into_iter().partition(|column| set.labels.contains(&column.name.as_str()));
    let feature = |column: pgml_core::TableColumn| Feature::new(column.name, numbers(column.values));
    let data = Dataset::new(features.into_iter().map(feature).collect()).expect("equal lengths");
    let target: Vec<f64> = labels.into_iter().next().map_or_else(Vec::new, |l| numbers(l.values).iter().collect());
    let n_classes = target.iter().fold(0.0, |most: f64, c| most.max(*c)) as usize + 1;
    let data = match task {
        Task::Regression => data.with_target(target),
        Task::Classification => data.with_classes(target, n_classes),
        _ => Ok(data),
    }
    .expect("one target per row");
    let every_other = |first: u32| (first..data.n_rows() as u32).step_by(2).collect::<Vec<u32>>();
    Split { train: data.select(&every_other(0)), test: data.select(&every_other(1)) }
}

fn numbers(values: Values) -> Floats {
    match values {
        Values::Number(numbers) => numbers,
        other => panic!("a column of scalars, not {other:?}"),
    }
}
