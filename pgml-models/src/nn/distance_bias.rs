//! What is added to an attention score for the distance between query and key.

/// A bias that depends on the head and on how far the key stands from the query.
#[derive(Debug, Clone, Default)]
pub enum AttentionBias {
    /// Nothing.
    #[default]
    None,
    /// A slope per head times the distance, to both sides (ALiBi: Press, Smith, Lewis 2022).
    Alibi(Vec<f32>),
    /// A learnt value per head and bucket of distances (T5: Raffel et al. 2020; MPNet).
    Buckets {
        /// n_buckets × n_heads.
        table: Vec<f32>,
        /// How many buckets.
        n_buckets: usize,
        /// Distances from here on share the last bucket.
        max_distance: usize,
    },
}

impl AttentionBias {
    /// The slopes of ALiBi: powers of 2^(−8/n) for the power of two below n, then every second one of twice that.
    #[must_use]
    pub fn alibi(n_heads: usize) -> Self {
        let powers = |n: usize| (1..=n).map(move |i| 2_f32.powf(-8.0 * i as f32 / n as f32));
        let below = if n_heads.is_power_of_two() { n_heads } else { n_heads.next_power_of_two() / 2 };
        Self::Alibi(powers(below).chain(powers(2 * below).step_by(2).take(n_heads - below)).collect())
    }

    /// The same bias times `factor`.
    #[must_use]
    pub fn scaled(mut self, factor: f32) -> Self {
        match &mut self {
            Self::None => {}
            Self::Alibi(numbers) | Self::Buckets { table: numbers, .. } => {
                numbers.iter_mut().for_each(|x| *x *= factor)
            }
        }
        self
    }

    /// n_heads × (2 · longest − 1): for each head, the bias for query position − key position from `1 − longest` to
    /// `longest − 1`.
    #[must_use]
    pub fn by_distance(&self, n_heads: usize, longest: usize) -> Option<Vec<f32>> {
        let reach = longest as isize - 1;
        let distances = -reach..=reach;
        match self {
            Self::None => None,
            Self::Alibi(slopes) => Some(
                slopes
                    .iter()
                    .flat_map(|slope| distances.clone().map(move |d| -slope * d.unsigned_abs() as f32))
                    .collect(),
            ),
            Self::Buckets { table, n_buckets, max_distance } => {
                let buckets: Vec<usize> = distances.map(|d| bucket(-d, *n_buckets, *max_distance)).collect();
                Some((0..n_heads).flat_map(|head| buckets.iter().map(move |b| table[b * n_heads + head])).collect())
            }
        }
    }
}

/// T5's buckets: half of them for keys after the query; of each half, the first half exact, the rest logarithmic.
fn bucket(distance: isize, n_buckets: usize, max_distance: usize) -> usize {
    let half = n_buckets / 2;
    let side = if distance > 0 { half } else { 0 };
    let steps = distance.unsigned_abs();
    let exact = half / 2;
    if steps < exact {
        return side + steps;
    }
    let share = (steps as f32 / exact as f32).ln() / (max_distance as f32 / exact as f32).ln();
    side + (exact + (share * (half - exact) as f32) as usize).min(half - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_those_of_the_paper() {
        let AttentionBias::Alibi(eight) = AttentionBias::alibi(8) else { panic!("slopes") };
        assert_eq!(eight, [0.5, 0.25, 0.125, 0.0625, 0.031_25, 0.015_625, 0.007_812_5, 0.003_906_25]);
        let AttentionBias::Alibi(twelve) = AttentionBias::alibi(12) else { panic!("slopes") };
        assert_eq!(&twelve[..8], &eight[..]);
        assert!((twelve[8] - 0.707_106_77).abs() < 1e-6 && (twelve[9] - 0.353_553_4).abs() < 1e-6);
    }

    #[test]
    fn buckets_are_those_of_transformers() {
        // transformers 5.23, T5Attention._relative_position_bucket, bidirectional, 32 buckets, maximum 128.
        let want = [(0, 0), (-7, 7), (-8, 8), (-11, 8), (-12, 9), (-40, 12), (-200, 15), (1, 17), (8, 24), (127, 31)];
        for (distance, bucket_number) in want {
            assert_eq!(bucket(distance, 32, 128), bucket_number, "{distance}");
        }
    }
}
