//! Bounds on the distances of rows to centres (Hamerly 2010): most rows keep their centre, and need no comparison to
//! know it.

use pgml_core::{Result, Run};

use super::sums::Sums;
use super::{BLOCK, Points};
use crate::solvers::nearest::PackedCentres;

/// How far each centre moved.
pub(super) struct Moves {
    distances: Vec<f64>,
}

impl Moves {
    pub(super) fn none(k: usize) -> Self {
        Self { distances: vec![0.0; k] }
    }

    pub(super) fn between(before: &[f64], after: &[f64], d: usize) -> Self {
        let distance = |(a, b): (&[f64], &[f64])| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
        Self { distances: before.chunks_exact(d).zip(after.chunks_exact(d)).map(distance).collect() }
    }

    /// These moves and then others.
    pub(super) fn and(mut self, then: Self) -> Self {
        self.distances.iter_mut().zip(then.distances).for_each(|(a, b)| *a += b);
        self
    }

    /// For each centre the farthest move of any other.
    fn of_others(&self) -> Vec<f64> {
        let most = self.distances.iter().enumerate().fold((0, 0.0), |a, (k, x)| if *x > a.1 { (k, *x) } else { a });
        let rest = self.distances.iter().enumerate().filter(|(k, _)| *k != most.0);
        let second = rest.fold(0.0_f64, |a, (_, x)| a.max(*x));
        (0..self.distances.len()).map(|k| if k == most.0 { second } else { most.1 }).collect()
    }
}

/// What is known of the rows of a piece.
#[derive(Default)]
pub(super) struct Known {
    /// The nearest centre of each row; empty before the first comparison.
    pub(super) labels: Vec<u32>,
    /// At most this far from the own centre.
    upper: Vec<f64>,
    /// At least this far from every other.
    lower: Vec<f64>,
}

/// Room for one block of rows.
struct Scratch {
    columns: Vec<f64>,
    lowest: [f64; BLOCK],
    own: [f64; BLOCK],
    second: [f64; BLOCK],
    doubtful: Vec<usize>,
}

impl Known {
    /// Compares the rows whose centre may have changed; returns how many did, and what that changes in the sums.
    #[allow(clippy::too_many_arguments)] // one call, of what a pass over the rows consists of
    pub(super) fn update(
        &mut self,
        points: &Points,
        squares: &[f64],
        piece: usize,
        packed: &PackedCentres,
        moves: &Moves,
        slack: f64,
        sums: &mut Sums,
        run: &Run,
    ) -> Result<usize> {
        let is_first = self.labels.is_empty();
        let others = moves.of_others();
        let (mut begin, mut changed) = (0, 0);
        let mut scratch = Scratch {
            columns: vec![0.0; BLOCK * points.d],
            lowest: [0.0; BLOCK],
            own: [0.0; BLOCK],
            second: [0.0; BLOCK],
            doubtful: Vec::with_capacity(BLOCK),
        };
        for (rows, columns) in points.blocks(piece) {
            run.check()?;
            let len = rows.len();
            if is_first {
                self.labels.resize(begin + len, 0);
                self.upper.resize(begin + len, 0.0);
                self.lower.resize(begin + len, 0.0);
            }
            scratch.doubtful.clear();
            for i in 0..len {
                let label = self.labels[begin + i] as usize;
                let (upper, lower) = (&mut self.upper[begin + i], &mut self.lower[begin + i]);
                *upper += moves.distances[label];
                *lower -= others[label];
                if is_first || *upper + slack >= *lower {
                    scratch.doubtful.push(i);
                }
            }
            scratch.compare(packed, columns, len);
            let (squares, weight) = (&squares[rows.clone()], &points.weight[rows.clone()]);
            for (at, i) in scratch.doubtful.iter().enumerate() {
                let (to, from) = (scratch.own[at] as u32, self.labels[begin + i]);
                self.upper[begin + i] = (squares[*i] + scratch.lowest[at]).max(0.0).sqrt();
                self.lower[begin + i] = (squares[*i] + scratch.second[at]).max(0.0).sqrt();
                self.labels[begin + i] = to;
                if !is_first && to != from {
                    changed += 1;
                    sums.transfer(columns, len, *i, weight[*i], from, to);
                }
            }
            if is_first {
                changed += len;
                sums.add(columns, &self.labels[begin..begin + len], weight);
            }
            begin += len;
        }
        Ok(changed)
    }
}

impl Scratch {
    /// Compares the doubtful rows of a block: `lowest`, `own` and `second` are theirs, in their order.
    fn compare(&mut self, packed: &PackedCentres, columns: &[f64], len: usize) {
        let n = self.doubtful.len();
        if n == 0 {
            return;
        }
        let (lowest, own, second) = (&mut self.lowest[..n], &mut self.own[..n], &mut self.second[..n]);
        if n == len {
            packed.two_lowest(columns, lowest, own, second);
            return;
        }
        let d = columns.len() / len;
        let gathered = &mut self.columns[..n * d];
        for (to, column) in gathered.chunks_exact_mut(n).zip(columns.chunks_exact(len)) {
            to.iter_mut().zip(&self.doubtful).for_each(|(to, i)| *to = column[*i]);
        }
        packed.two_lowest(gathered, lowest, own, second);
    }
}
