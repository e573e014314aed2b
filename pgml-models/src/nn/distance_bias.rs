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
        /// Whether half of the buckets are for keys after the query; otherwise all are for those before it.
        both_sides: bool,
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
            Self::Buckets { table, n_buckets, max_distance, both_sides } => {
                let bucket = |d: isize| match both_sides {
                    true => bucket(-d, *n_buckets, *max_distance),
                    false => bucket_before(d, *n_buckets, *max_distance),
                };
                let buckets: Vec<usize> = distances.map(bucket).collect();
                Some((0..n_heads).flat_map(|head| buckets.iter().map(move |b| table[b * n_heads + head])).collect())
            }
        }
    }
}

/// T5's buckets: half of them for keys after the query.
fn bucket(distance: isize, n_buckets: usize, max_distance: usize) -> usize {
    let half = n_buckets / 2;
    let side = if distance > 0 { half } else { 0 };
    side + of_steps(distance.unsigned_abs(), half, max_distance)
}

/// The buckets of T5's decoder, whose keys stand `distance` before the query; the others are hidden from it.
fn bucket_before(distance: isize, n_buckets: usize, max_distance: usize) -> usize {
    of_steps(distance.max(0).unsigned_abs(), n_buckets, max_distance)
}

/// The first half of the buckets exact, the rest logarithmic.
fn of_steps(steps: usize, n_buckets: usize, max_distance: usize) -> usize {
    let exact = n_buckets / 2;
    if steps < exact {
        return steps;
    }
    let share = (steps as f32 / exact as f32).ln() / (max_distance as f32 / exact as f32).ln();
    (exact + (share * (n_buckets - exact) as f32) as usize).min(n_buckets - 1)
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
        // The same of the decoder, not bidirectional.
        let want = [(-3, 0), (0, 0), (1, 1), (15, 15), (16, 16), (20, 17), (40, 23), (127, 31), (400, 31)];
        for (distance, bucket_number) in want {
            assert_eq!(bucket_before(distance, 32, 128), bucket_number, "{distance}");
        }
    }
}
