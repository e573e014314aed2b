//! Which classes are taken for which, and the scores counted from that.

/// How the scores of single classes become one number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Average {
    /// The score of this class alone.
    Binary(f64),
    /// The plain mean over the classes that occur among true or predicted labels.
    Macro,
    /// The score of all decisions counted together; with one label per row it is the accuracy.
    Micro,
}

/// Counts of true against predicted labels.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfusionMatrix {
    labels: Vec<f64>,
    counts: Vec<u64>,
}

impl ConfusionMatrix {
    /// Counts labels, which may be any numbers; rows and columns are the distinct ones in sorted order.
    ///
    /// # Panics
    /// When the lengths differ.
    #[must_use]
    pub fn new(y: &[f64], yhat: &[f64]) -> Self {
        assert_eq!(y.len(), yhat.len(), "one prediction per true label");
        let labels = distinct(y.iter().chain(yhat).copied());
        let n = labels.len();
        let position = |label: f64| labels.partition_point(|known| known.total_cmp(&plain_zero(label)).is_lt());
        let mut counts = vec![0; n * n];
        for (y, yhat) in y.iter().zip(yhat) {
            counts[position(*y) * n + position(*yhat)] += 1;
        }
        Self { labels, counts }
    }

    /// The distinct labels, sorted.
    #[must_use]
    pub fn labels(&self) -> &[f64] {
        &self.labels
    }

    /// How many rows of the true label at `row` were given the label at `column`.
    ///
    /// # Panics
    /// When there is no such label, as slices do.
    #[must_use]
    pub fn count(&self, row: usize, column: usize) -> u64 {
        self.counts[row * self.labels.len() + column]
    }

    /// Of the rows predicted as a class, the share that is of it; 0 when none was predicted.
    #[must_use]
    pub fn precision(&self, average: Average) -> f64 {
        self.score(average, |c| ratio(c.hits, c.predicted))
    }

    /// Of the rows of a class, the share that was found; 0 when there is none.
    #[must_use]
    pub fn recall(&self, average: Average) -> f64 {
        self.score(average, |c| ratio(c.hits, c.actual))
    }

    /// The harmonic mean of precision and recall; 0 when the class neither occurs nor is predicted.
    #[must_use]
    pub fn f1(&self, average: Average) -> f64 {
        self.score(average, |c| ratio(2 * c.hits, c.actual + c.predicted))
    }

    /// The share of rows whose label was predicted; NaN without rows.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        self.totals().hits as f64 / self.totals().actual as f64
    }

    /// Matthews' correlation coefficient, from -1 to 1, for any number of classes (Gorodkin 2004); 0 when all rows
    /// have one label, or are given one.
    #[must_use]
    pub fn mcc(&self) -> f64 {
        let classes: Vec<Counts> = (0..self.labels.len()).map(|label| self.counts_of(label)).collect();
        let product = |f: fn(&Counts) -> f64| classes.iter().map(f).sum::<f64>();
        let n = self.totals().actual as f64;
        let hits = self.totals().hits as f64;
        let covariance = hits * n - product(|c| c.actual as f64 * c.predicted as f64);
        let actual = n * n - product(|c| (c.actual as f64).powi(2));
        let predicted = n * n - product(|c| (c.predicted as f64).powi(2));
        if actual * predicted == 0.0 { 0.0 } else { covariance / (actual * predicted).sqrt() }
    }

    fn score(&self, average: Average, of: fn(Counts) -> f64) -> f64 {
        let n = self.labels.len();
        match average {
            Average::Binary(label) => {
                self.labels.iter().position(|l| *l == label).map_or(0.0, |label| of(self.counts_of(label)))
            }
            Average::Macro => (0..n).map(|label| of(self.counts_of(label))).sum::<f64>() / n as f64,
            Average::Micro => of(self.totals()),
        }
    }

    fn counts_of(&self, label: usize) -> Counts {
        let n = self.labels.len();
        Counts {
            hits: self.count(label, label),
            actual: (0..n).map(|other| self.count(label, other)).sum(),
            predicted: (0..n).map(|other| self.count(other, label)).sum(),
        }
    }

    fn totals(&self) -> Counts {
        let n: u64 = self.counts.iter().sum();
        let hits = (0..self.labels.len()).map(|label| self.count(label, label)).sum();
        Counts { hits, actual: n, predicted: n }
    }
}

/// What the scores of one class are made of.
#[derive(Debug, Clone, Copy)]
struct Counts {
    hits: u64,
    actual: u64,
    predicted: u64,
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The distinct values in sorted order.
pub(super) fn distinct(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.map(plain_zero).collect();
    values.sort_unstable_by(f64::total_cmp);
    values.dedup_by(|a, b| a.total_cmp(b).is_eq());
    values
}

/// -0.0 and 0.0 are one label, but differ in the total order.
fn plain_zero(label: f64) -> f64 {
    label + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_true_labels_and_columns_predicted_ones() {
        let matrix = ConfusionMatrix::new(&[2.0, 0.0, 2.0, 2.0], &[0.0, 0.0, 2.0, 0.0]);
        assert_eq!(matrix.labels(), [0.0, 2.0]);
        assert_eq!((matrix.count(0, 0), matrix.count(0, 1), matrix.count(1, 0), matrix.count(1, 1)), (1, 0, 2, 1));
        assert_eq!(matrix.precision(Average::Binary(2.0)), 1.0);
        assert_eq!(matrix.recall(Average::Binary(2.0)), 1.0 / 3.0);
    }

    #[test]
    fn micro_averages_are_the_accuracy() {
        let matrix = ConfusionMatrix::new(&[0.0, 1.0, 2.0, 2.0], &[0.0, 2.0, 2.0, 1.0]);
        for score in [matrix.f1(Average::Micro), matrix.precision(Average::Micro), matrix.recall(Average::Micro)] {
            assert_eq!(score, matrix.accuracy());
        }
    }

    #[test]
    fn negative_zero_is_the_label_zero() {
        assert_eq!(ConfusionMatrix::new(&[0.0, 1.0], &[-0.0, 1.0]).accuracy(), 1.0);
    }
}
