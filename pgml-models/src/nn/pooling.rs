//! One vector per sequence out of one per token (Reimers, Gurevych 2019).

use pgml_core::{Result, bail};

use super::{Matrix, PackedBatch};

/// How a sequence's vector is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The first token's.
    Cls,
    /// The mean of all.
    Mean,
    /// The largest value of each column.
    Max,
    /// The sum divided by the square root of the length.
    MeanSqrtLen,
    /// The last token's.
    LastToken,
    /// The mean, the i-th token weighing i.
    WeightedMean,
}

impl Pooling {
    /// By its name in `1_Pooling/config.json` since sentence-transformers 5.
    ///
    /// # Errors
    /// [`ErrorKind::NotSupported`](pgml_core::ErrorKind::NotSupported), listing those that are known.
    pub fn named(name: &str) -> Result<Self> {
        Ok(match name {
            "cls" => Self::Cls,
            "mean" => Self::Mean,
            "max" => Self::Max,
            "mean_sqrt_len_tokens" => Self::MeanSqrtLen,
            "lasttoken" => Self::LastToken,
            "weightedmean" => Self::WeightedMean,
            _ => bail!(
                NotSupported,
                "unknown pooling \"{name}\"; known: cls, mean, max, mean_sqrt_len_tokens, lasttoken, weightedmean"
            ),
        })
    }

    /// One vector per sequence; `without_prompt` leaves the tokens of prompts out.
    ///
    /// # Shapes
    /// - hidden: n_tokens × width
    /// - result: n_sequences vectors of width numbers; zeros for a sequence without tokens
    #[must_use]
    pub fn pool(self, hidden: &Matrix, batch: &PackedBatch, without_prompt: bool) -> Vec<Vec<f32>> {
        let pool = |(i, rows): (usize, std::ops::Range<usize>)| {
            let skipped = if without_prompt { batch.prompt(i).min(rows.len()) } else { 0 };
            let rows: Vec<&[f32]> = (rows.start + skipped..rows.end).map(|row| hidden.row(row)).collect();
            self.of_rows(&rows, hidden.width())
        };
        batch.sequences().enumerate().map(pool).collect()
    }

    fn of_rows(self, rows: &[&[f32]], width: usize) -> Vec<f32> {
        let n = rows.len() as f32;
        match self {
            _ if rows.is_empty() => vec![0.0; width],
            Self::Cls => rows[0].to_vec(),
            Self::LastToken => rows[rows.len() - 1].to_vec(),
            Self::Max => fold(rows, width, f32::NEG_INFINITY, |max, x, _| max.max(x)),
            Self::Mean => divided(fold(rows, width, 0.0, |sum, x, _| sum + x), n),
            Self::MeanSqrtLen => divided(fold(rows, width, 0.0, |sum, x, _| sum + x), n.sqrt()),
            Self::WeightedMean => {
                divided(fold(rows, width, 0.0, |sum, x, i| sum + x * (i + 1) as f32), n * (n + 1.0) / 2.0)
            }
        }
    }
}

fn fold(rows: &[&[f32]], width: usize, start: f32, step: impl Fn(f32, f32, usize) -> f32) -> Vec<f32> {
    let mut result = vec![start; width];
    for (i, row) in rows.iter().enumerate() {
        result.iter_mut().zip(*row).for_each(|(state, x)| *state = step(*state, *x, i));
    }
    result
}

fn divided(mut vector: Vec<f32>, by: f32) -> Vec<f32> {
    vector.iter_mut().for_each(|x| *x /= by);
    vector
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Team;
    use pgml_core::text::Tokens;
    use std::sync::Arc;

    #[test]
    fn every_pooling_is_computed_by_hand() {
        let tokens = Tokens { ids: vec![1, 2, 3, 4], prompt: 1, ..Tokens::default() };
        let empty = Tokens::default();
        let team = Arc::new(Team::new(1));
        let batch = PackedBatch::new(&[&tokens, &empty], &team);
        let hidden = Matrix::new(vec![1.0, 8.0, 2.0, -4.0, 3.0, 6.0, 4.0, 2.0], 2, &team);
        for (name, want) in [
            ("cls", [1.0, 8.0]),
            ("mean", [2.5, 3.0]),
            ("max", [4.0, 8.0]),
            ("mean_sqrt_len_tokens", [5.0, 6.0]),
            ("lasttoken", [4.0, 2.0]),
            ("weightedmean", [3.0, 2.6]),
        ] {
            let pooled = Pooling::named(name).expect("known").pool(&hidden, &batch, false);
            assert_eq!(pooled, [want.to_vec(), vec![0.0, 0.0]], "{name}");
        }
        let pooled = Pooling::Mean.pool(&hidden, &batch, true);
        assert_eq!(pooled[0], [3.0, 4.0 / 3.0]);
    }
}
