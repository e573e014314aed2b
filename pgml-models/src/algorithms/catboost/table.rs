//! What all training rows tell about the target of each value of a projection, for predictions.

use super::ctr::{CtrInfo, Ctrs, mean_sum, normalisation};
use super::ctr_info::CtrKind;
use super::data::TrainData;
use super::projection::{Numbering, Projection};

/// Counts by hash.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub kind: CtrKind,
    pub numbering: Numbering,
    /// How many numbers each hash has: one per class, one for a counter, and two (sum, count) for a mean.
    pub width: usize,
    pub numbers: Vec<f32>,
    /// What counts are divided by.
    pub denominator: f32,
}

/// How one statistic of a table becomes a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reading {
    pub target: u32,
    pub prior: f32,
    pub prior_denominator: f32,
    pub shift: f32,
    pub scale: f32,
}

impl Reading {
    /// As training read it.
    pub(super) fn new(info: &CtrInfo, target: u32, prior: f32) -> Self {
        let (shift, norm) = normalisation(prior);
        Self { target, prior, prior_denominator: 1.0, shift, scale: f32::from(info.choice.border_count) / norm }
    }
}

impl Table {
    /// Counts all training rows.
    pub(super) fn new(projection: &Projection, info: &CtrInfo, ctrs: &Ctrs, data: &TrainData) -> Self {
        let classes = &ctrs.classifiers[info.classifier];
        let kind = info.choice.kind;
        let mut numbering = Numbering::with_capacity(1024);
        let keys: Vec<u32> = projection.hashes(data).into_iter().map(|hash| numbering.number(hash)).collect();
        let n_classes = if kind == CtrKind::Counter { 1 } else { classes.n_classes };
        let mut counts = vec![0_u32; numbering.hashes().len() * n_classes];
        for (row, key) in keys.iter().enumerate() {
            let class = if kind == CtrKind::Counter { 0 } else { classes.of_rows[row] as usize };
            counts[*key as usize * n_classes + class] += 1;
        }
        let (width, numbers) = match kind {
            CtrKind::BinarizedTargetMeanValue => {
                let mean = |counts: &[u32]| [mean_sum(counts), counts.iter().sum::<u32>() as f32];
                (2, counts.chunks_exact(n_classes).flat_map(mean).collect())
            }
            _ => (n_classes, counts.iter().map(|n| *n as f32).collect()),
        };
        let most = counts.iter().copied().max().unwrap_or(0);
        let denominator = if kind == CtrKind::Counter { most as f32 } else { 0.0 };
        Self { kind, numbering, width, numbers, denominator }
    }

    /// The statistic of a hash. One that training never saw has no rows.
    #[inline]
    pub(super) fn read(&self, hash: u64, reading: &Reading) -> f32 {
        let numbers = self.numbering.find(hash).map(|at| &self.numbers[at * self.width..][..self.width]);
        let sum = |numbers: &[f32]| numbers.iter().sum::<f32>();
        let target = reading.target as usize;
        let (good, total) = match (self.kind, numbers) {
            (CtrKind::Counter, numbers) => (numbers.map_or(0.0, |numbers| numbers[0]), self.denominator),
            (_, None) => (0.0, 0.0),
            (CtrKind::Borders, Some(numbers)) => (sum(&numbers[target + 1..]), sum(numbers)),
            (CtrKind::Buckets, Some(numbers)) => (numbers[target], sum(numbers)),
            (CtrKind::BinarizedTargetMeanValue, Some(numbers)) => (numbers[0], numbers[1]),
        };
        let share = (good + reading.prior) / (total + reading.prior_denominator);
        (share + reading.shift) * reading.scale
    }

    /// Whether the numbers fit the hashes, and whether a reading may ask for this target.
    pub(super) fn is_sound(&self) -> bool {
        let wide = match self.kind {
            CtrKind::Counter => self.width == 1,
            CtrKind::BinarizedTargetMeanValue => self.width == 2,
            CtrKind::Borders | CtrKind::Buckets => self.width >= 1,
        };
        wide && self.numbers.len() == self.numbering.hashes().len() * self.width
    }

    /// Whether the table has such a target.
    pub(super) fn has_target(&self, target: u32) -> bool {
        match self.kind {
            CtrKind::Borders => (target as usize) + 1 < self.width,
            CtrKind::Buckets => (target as usize) < self.width,
            CtrKind::BinarizedTargetMeanValue | CtrKind::Counter => true,
        }
    }
}
