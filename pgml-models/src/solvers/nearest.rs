//! Distances between rows and centres, and which centre is nearest.

use super::kernels::{dot, for_each_cpu};

for_each_cpu! {
    /// The index of the centre (rows of `row.len()`) nearest to `row`, the first of equals, and its squared distance.
    pub fn nearest(row: &[f64], centres: &[f64]) -> (usize, f64) {
        let mut best = (0, f64::INFINITY);
        for (k, centre) in centres.chunks_exact(row.len()).enumerate() {
            let (a, a_rest) = row.as_chunks::<8>();
            let (b, b_rest) = centre.as_chunks::<8>();
            let mut lanes = [0.0; 8];
            for (x, y) in a.iter().zip(b) {
                for l in 0..8 {
                    let difference = x[l] - y[l];
                    lanes[l] += difference * difference;
                }
            }
            let rest: f64 = a_rest.iter().zip(b_rest).map(|(x, y)| (x - y) * (x - y)).sum();
            let distance = lanes.iter().sum::<f64>() + rest;
            if distance < best.1 {
                best = (k, distance);
            }
        }
        best
    }
}

for_each_cpu! {
    /// The squared distance of `point` to each row of a block that lies column after column. Sums run over the features
    /// in their order.
    pub fn squared_distances(columns: &[f64], point: &[f64], out: &mut [f64]) {
        let len = out.len();
        out.fill(0.0);
        let (quads, rest) = point.as_chunks::<4>();
        let (fours, ones) = columns.split_at(quads.len() * 4 * len);
        for (p, four) in quads.iter().zip(fours.chunks_exact(4 * len)) {
            let (first, second) = four.split_at(2 * len);
            let ((x0, x1), (x2, x3)) = (first.split_at(len), second.split_at(len));
            for ((((out, a), b), c), d) in out.iter_mut().zip(x0).zip(x1).zip(x2).zip(x3) {
                let (a, b, c, d) = (a - p[0], b - p[1], c - p[2], d - p[3]);
                *out = (((*out + a * a) + b * b) + c * c) + d * d;
            }
        }
        for (p, column) in rest.iter().zip(ones.chunks_exact(len)) {
            for (out, x) in out.iter_mut().zip(column) {
                *out += (x - p) * (x - p);
            }
        }
    }
}

/// Rows that are compared at once.
const LANES: usize = 8;
/// Centres that rows are compared with at once.
const FOUR: usize = 4;

/// Centres in the form in which blocks of rows are compared with them: by fours, feature by feature, times −2.
pub struct PackedCentres {
    d: usize,
    fours: Vec<[f64; FOUR]>,
    /// Squares of the lengths; infinite where the last four are fewer.
    norms: Vec<[f64; FOUR]>,
}

impl PackedCentres {
    /// Packs `centres`, rows of `d` numbers.
    #[must_use]
    pub fn new(centres: &[f64], d: usize) -> Self {
        let mut fours = Vec::with_capacity(centres.len() / FOUR + d);
        let mut norms = Vec::new();
        for group in centres.chunks(FOUR * d) {
            let (mut packed, mut norm) = (vec![[0.0; FOUR]; d], [f64::INFINITY; FOUR]);
            for (i, centre) in group.chunks_exact(d).enumerate() {
                packed.iter_mut().zip(centre).for_each(|(four, x)| four[i] = -2.0 * x);
                norm[i] = dot(centre, centre);
            }
            fours.extend(packed);
            norms.push(norm);
        }
        Self { d, fours, norms }
    }

    /// For rows in `columns` that lie column after column, as many as `lowest` is long: the lowest score
    /// `|c|² − 2 x·c`, whose centre that is (the first of equals), and the second lowest score.
    pub fn two_lowest(&self, columns: &[f64], lowest: &mut [f64], own: &mut [f64], second: &mut [f64]) {
        two_lowest(columns, self.d, &self.fours, &self.norms, lowest, own, second);
    }
}

for_each_cpu! {
    fn two_lowest(
        columns: &[f64],
        d: usize,
        fours: &[[f64; FOUR]],
        norms: &[[f64; FOUR]],
        lowest: &mut [f64],
        own: &mut [f64],
        second: &mut [f64],
    ) {
        let len = lowest.len();
        let whole = len / LANES * LANES;
        for first in (0..whole).step_by(LANES) {
            let load = |j: usize| columns[j * len + first..].first_chunk::<LANES>().copied().unwrap_or_default();
            let found = of_eight(d, fours, norms, load);
            lowest[first..first + LANES].copy_from_slice(&found[0]);
            own[first..first + LANES].copy_from_slice(&found[1]);
            second[first..first + LANES].copy_from_slice(&found[2]);
        }
        let rest = len - whole;
        if rest > 0 {
            let load = |j: usize| {
                let mut lanes = [0.0; LANES];
                lanes[..rest].copy_from_slice(&columns[j * len + whole..(j + 1) * len]);
                lanes
            };
            let found = of_eight(d, fours, norms, load);
            lowest[whole..].copy_from_slice(&found[0][..rest]);
            own[whole..].copy_from_slice(&found[1][..rest]);
            second[whole..].copy_from_slice(&found[2][..rest]);
        }
    }
}

/// Lowest score, its centre, and second lowest score of eight rows, whose feature `j` is `load(j)`.
#[inline(always)]
fn of_eight(
    d: usize,
    fours: &[[f64; FOUR]],
    norms: &[[f64; FOUR]],
    load: impl Fn(usize) -> [f64; LANES],
) -> [[f64; LANES]; 3] {
    let (mut lowest, mut own, mut second) = ([f64::INFINITY; LANES], [0.0; LANES], [f64::INFINITY; LANES]);
    for (group, (four, norm)) in fours.chunks_exact(d).zip(norms).enumerate() {
        let mut scores = norm.map(|norm| [norm; LANES]);
        for (j, centres) in four.iter().enumerate() {
            let x = load(j);
            for i in 0..FOUR {
                for l in 0..LANES {
                    scores[i][l] += centres[i] * x[l];
                }
            }
        }
        for (i, score) in scores.iter().enumerate() {
            let label = (FOUR * group + i) as f64;
            for l in 0..LANES {
                let is_lowest = score[l] < lowest[l];
                let higher = if is_lowest { lowest[l] } else { score[l] };
                second[l] = if higher < second[l] { higher } else { second[l] };
                own[l] = if is_lowest { label } else { own[l] };
                lowest[l] = if is_lowest { score[l] } else { lowest[l] };
            }
        }
    }
    [lowest, own, second]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_of_equals_is_the_first() {
        let centres = [3.0, 0.0, 1.0, 0.0, -1.0, 0.0];
        assert_eq!(nearest(&[0.0, 0.0], &centres), (1, 1.0));
    }

    #[test]
    fn packed_centres_find_the_two_lowest_scores_of_every_row() {
        let mut rng = fastrand::Rng::with_seed(3);
        for (len, d, k) in [(1, 1, 1), (8, 3, 4), (21, 5, 6), (7, 2, 9)] {
            let columns: Vec<f64> = (0..len * d).map(|_| f64::from(rng.i32(-9..9))).collect();
            let centres: Vec<f64> = (0..k * d).map(|_| f64::from(rng.i32(-9..9))).collect();
            let (mut lowest, mut own, mut second) = (vec![0.0; len], vec![0.0; len], vec![0.0; len]);
            PackedCentres::new(&centres, d).two_lowest(&columns, &mut lowest, &mut own, &mut second);
            for i in 0..len {
                let score = |c: &[f64]| (0..d).map(|j| c[j] * (c[j] - 2.0 * columns[j * len + i])).sum::<f64>();
                let mut scores: Vec<(f64, usize)> = centres.chunks(d).map(score).zip(0..).collect();
                scores.sort_by(|a, b| a.0.total_cmp(&b.0));
                assert_eq!((lowest[i], own[i]), (scores[0].0, scores[0].1 as f64), "{len} × {d}, {k}: row {i}");
                assert_eq!(second[i], scores.get(1).map_or(f64::INFINITY, |s| s.0), "{len} × {d}, {k}: row {i}");
            }
        }
    }
}
