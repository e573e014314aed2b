//! The class whose centre is nearest.

use pgml_core::estimator::expect_shape;
use pgml_core::finite::require_finite;
use pgml_core::{Classifier, Dataset, Estimator, MatrixRef, Model, Parts, Result, Run, Task, bail, hyperparams};
use serde_json::Value;

use crate::linear_model::Classes;
use crate::solvers::class_priors::priors;
use crate::solvers::discriminants::{Largest, softmax};
use crate::solvers::kernels::multiply;
use crate::solvers::packets::{pack, sizes, squares};

hyperparams! {
    /// Parameters of `nearest_centroid`.
    pub struct NearestCentroidParams {
        /// Distance to the centre, which is the mean for euclidean and the median for manhattan.
        metric: String = "euclidean".to_owned(), choices: ["euclidean", "manhattan"];
        /// How far centres move towards the mean of all rows, in deviations; features that all centres then share do not count.
        shrink_threshold: Option<f64> = None, range: above(0.0);
        /// How probable classes are: "uniform", "empirical" (their share of rows), or an array with a number per class.
        priors: Value = Value::from("uniform");
    }
}

/// Nearest centroid classification.
pub struct NearestCentroid;

impl Estimator for NearestCentroid {
    const NAME: &'static str = "nearest_centroid";
    const DESCRIPTION: &'static str = "Answers with the class whose centre is nearest; scale the features.";
    const SOURCE: &'static str = "Tibshirani, Hastie, Narasimhan, Chu 2002; scikit-learn 1.9 NearestCentroid";
    const TASKS: &'static [Task] = &[Task::Classification];
    const VERSION: u32 = 1;
    type Params = NearestCentroidParams;
    type Model = NearestCentroidModel;

    fn fit(params: &NearestCentroidParams, data: &Dataset, _: Task, run: &Run) -> Result<NearestCentroidModel> {
        data.require_finite()?;
        if data.weight().is_some() {
            bail!(NotSupported, "nearest_centroid knows no weights of rows");
        }
        let target = data.target()?;
        let classes = Classes::seen_in(target, data.n_classes())?;
        let priors = priors(&params.priors, target, &classes)?;
        let manhattan = params.metric == "manhattan";
        let k = classes.seen.len();
        let positions = classes.positions(target);
        let mut counts = vec![0.0; k];
        positions.iter().for_each(|class| counts[*class as usize] += 1.0);
        let centring = Centring { positions: &positions, counts: &counts, median: manhattan };
        let _memory = run.reserve(16 * data.n_rows() as u64, "a column of features")?;
        let columns: Vec<Column> = data
            .features()
            .iter()
            .map(|f| centring.column(&f.values.iter().collect::<Vec<_>>(), run))
            .collect::<Result<_>>()?;
        if columns.iter().all(|column| column.is_constant) {
            bail!(InvalidData, "every feature is constant: there is nothing to tell classes by");
        }
        let mut centres: Vec<f64> = (0..k).flat_map(|c| columns.iter().map(move |column| column.centres[c])).collect();
        if let Some(threshold) = params.shrink_threshold {
            shrink(&mut centres, &columns, &counts, threshold);
        }
        // As in scikit-learn, equal priors mean distances in the features' own units, others in deviations.
        let weighed = priors.iter().any(|p| (p - 1.0 / k as f64).abs() > 1e-8);
        let unit = |column: &Column| if weighed && column.deviation > 0.0 { 1.0 / column.deviation } else { 1.0 };
        let units: Vec<f64> = columns.iter().map(unit).collect();
        let model = NearestCentroidModel::new(classes, centres, units, weighed.then_some(priors), manhattan);
        if model.is_finite() { Ok(model) } else { bail!(InvalidData, "the centres overflow: scale the features") }
    }

    fn decode(parts: &Parts) -> Result<NearestCentroidModel> {
        let classes = Classes::decode(parts)?;
        let units = parts.array::<f64>("units")?.to_vec();
        let Some(n_values) = units.len().checked_mul(classes.seen.len()).filter(|n| *n > 0) else {
            bail!(Corrupted, "stored nearest_centroid has {} features", units.len());
        };
        let priors = parts.array::<f64>("priors")?.to_vec();
        let centres = parts.array_of::<f64>("centers", n_values)?.to_vec();
        let priors = (!priors.is_empty()).then_some(priors);
        let model = NearestCentroidModel::new(classes, centres, units, priors, parts.meta("manhattan")?);
        let priors_fit = |p: &Vec<f64>| {
            p.len() == model.classes.seen.len()
                && p.iter().all(|p| (0.0..=1.0).contains(p))
                && p.iter().any(|p| *p > 0.0)
        };
        if !model.is_finite() || !model.priors.as_ref().is_none_or(priors_fit) {
            bail!(Corrupted, "stored nearest_centroid has a value that is not finite, or priors that are none");
        }
        Ok(model)
    }
}

/// What is known of one feature.
struct Column {
    /// One per class.
    centres: Vec<f64>,
    mean: f64,
    /// Pooled over the classes.
    deviation: f64,
    is_constant: bool,
}

struct Centring<'a> {
    positions: &'a [u32],
    counts: &'a [f64],
    median: bool,
}

impl Centring<'_> {
    fn column(&self, values: &[f64], run: &Run) -> Result<Column> {
        run.check()?;
        let n = self.positions.len();
        let (mut centres, mut total) = (vec![0.0; self.counts.len()], 0.0);
        for (class, x) in self.positions.iter().zip(values) {
            centres[*class as usize] += x;
            total += x;
        }
        centres.iter_mut().zip(self.counts).for_each(|(sum, count)| *sum /= count);
        if self.median {
            centres = self.medians(values);
        }
        let squares: f64 =
            self.positions.iter().zip(values).map(|(class, x)| (x - centres[*class as usize]).powi(2)).sum();
        let freedom = n.saturating_sub(self.counts.len()).max(1) as f64;
        let (low, high) =
            values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)));
        Ok(Column { centres, mean: total / n as f64, deviation: (squares / freedom).sqrt(), is_constant: low == high })
    }

    fn medians(&self, values: &[f64]) -> Vec<f64> {
        let mut by_class: Vec<Vec<f64>> = self.counts.iter().map(|count| Vec::with_capacity(*count as usize)).collect();
        self.positions.iter().zip(values).for_each(|(class, x)| by_class[*class as usize].push(*x));
        by_class.iter_mut().map(|values| median(values)).collect()
    }
}

/// The mean of the two middle values. `values` are reordered.
fn median(values: &mut [f64]) -> f64 {
    let n = values.len();
    let (below, middle, _) = values.select_nth_unstable_by(n / 2, f64::total_cmp);
    if n % 2 == 1 {
        return *middle;
    }
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (lower + *middle) / 2.0
}

/// Moves each centre towards the mean of all rows by `threshold` deviations, at most onto it.
fn shrink(centres: &mut [f64], columns: &[Column], counts: &[f64], threshold: f64) {
    let typical = median(&mut columns.iter().map(|column| column.deviation).collect::<Vec<f64>>());
    let n: f64 = counts.iter().sum();
    for (centre, count) in centres.chunks_exact_mut(columns.len()).zip(counts) {
        let m = (1.0 / count - 1.0 / n).sqrt();
        for (x, column) in centre.iter_mut().zip(columns) {
            let (unit, distance) = (m * (column.deviation + typical), *x - column.mean);
            *x = column.mean + distance.signum() * (distance.abs() - threshold * unit).max(0.0);
        }
    }
}

/// Centres of the classes.
pub struct NearestCentroidModel {
    classes: Classes,
    /// One row of features per class that was seen.
    centres: Vec<f64>,
    /// What features are multiplied with before they are compared.
    units: Vec<f64>,
    /// Of the classes that were seen, where they differ.
    priors: Option<Vec<f64>>,
    manhattan: bool,
    /// The centres in those units, to be compared with rows.
    packets: Vec<f64>,
}

impl NearestCentroidModel {
    fn new(classes: Classes, centres: Vec<f64>, units: Vec<f64>, priors: Option<Vec<f64>>, manhattan: bool) -> Self {
        let scaled: Vec<f64> = centres.iter().zip(units.iter().cycle()).map(|(x, unit)| x * unit).collect();
        let mut packets = Vec::new();
        pack(&scaled, units.len(), &mut packets);
        Self { classes, centres, units, priors, manhattan, packets }
    }

    fn is_finite(&self) -> bool {
        self.centres.iter().chain(&self.units).all(|x| x.is_finite())
    }

    /// Calls `take` with each row's scores, one per class that was seen, and its `width` numbers of `out`. A score is the
    /// logarithm of a probability, up to a constant: `2 ln prior − distance²`.
    fn each_row(&self, rows: MatrixRef<'_>, out: &mut [f64], width: usize, take: impl Fn(&[f64], &mut [f64])) {
        let priors = |class: usize| self.priors.as_ref().map_or(0.0, |priors| 2.0 * priors[class].ln());
        let priors: Vec<f64> = (0..self.classes.seen.len()).map(priors).collect();
        let (mut scaled, mut scores) = (vec![0.0; self.units.len()], vec![0.0; self.packets.len() / self.units.len()]);
        for (row, out) in rows.rows().zip(out.chunks_exact_mut(width)) {
            multiply(row, &self.units, &mut scaled);
            if self.manhattan {
                sizes(&self.packets, &scaled, &mut scores);
                scores.iter_mut().for_each(|size| *size *= *size);
            } else {
                squares(&self.packets, &scaled, &mut scores);
            }
            scores.iter_mut().zip(&priors).for_each(|(score, prior)| *score = prior - *score);
            take(&scores[..priors.len()], out);
        }
    }
}

impl Model for NearestCentroidModel {
    fn n_features(&self) -> usize {
        self.units.len()
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features(), out, 1)?;
        require_finite(&rows)?;
        self.each_row(rows, out, 1, |scores, out| {
            out[0] = f64::from(self.classes.seen[scores.iter().copied().largest()]);
        });
        Ok(())
    }

    fn encode(&self) -> Result<Parts> {
        let shape = vec![self.classes.seen.len(), self.units.len()];
        self.classes
            .encode(Parts::new())?
            .with_shape("centers", shape, self.centres.clone())
            .with("units", self.units.clone())
            .with("priors", self.priors.clone().unwrap_or_default())
            .with_meta("manhattan", &self.manhattan)
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + 8 * (self.centres.len() + self.units.len() + self.packets.len())
    }

    // Where all classes are as probable, scikit-learn's probabilities (in deviations) contradict its predictions (in the
    // features' units): there are none then.
    fn classifier(&self) -> Option<&dyn Classifier> {
        (self.priors.is_some() && !self.manhattan).then_some(self)
    }
}

impl Classifier for NearestCentroidModel {
    fn n_classes(&self) -> usize {
        self.classes.n_classes
    }

    fn predict_proba_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features(), out, self.classes.n_classes)?;
        require_finite(&rows)?;
        self.each_row(rows, out, self.classes.n_classes, |scores, out| {
            softmax(&self.classes.seen, |class| scores[class], out);
        });
        Ok(())
    }
}
