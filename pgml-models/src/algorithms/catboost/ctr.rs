//! Target statistics: what earlier rows of the same category tell about the target.
//!
//! While training, each row sees only the rows before it in a permutation (Prokhorenkova et al. 2018, section 3.2), so that
//! its own target does not leak into its features. At prediction all training rows are counted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use pgml_core::{Result, Run};

use super::borders::least_entropy;
use super::ctr_info::{CtrChoice, CtrKind};
use super::data::TrainData;
use super::loss::Loss;
use super::projection::{Numbering, Projection};
use super::settings::Settings;

/// A statistic of one target.
#[derive(Debug, Clone)]
pub(super) struct CtrInfo {
    pub choice: CtrChoice,
    /// Which of the targets in classes.
    pub classifier: usize,
}

/// A target in classes `0..n_classes`.
#[derive(Debug)]
pub(super) struct Classes {
    pub of_rows: Vec<u32>,
    pub n_classes: usize,
}

/// All statistics that training may use.
#[derive(Debug)]
pub(super) struct Ctrs {
    simple: Vec<CtrInfo>,
    combined: Vec<CtrInfo>,
    pub classifiers: Vec<Classes>,
    keys: Mutex<HashMap<Projection, Arc<Keys>>>,
}

/// The number of each row's combination of values.
#[derive(Debug)]
pub(super) struct Keys {
    pub of_rows: Vec<u32>,
    pub n_keys: usize,
}

/// The statistics of one projection as the rows of one fold see them.
#[derive(Debug)]
pub(super) struct Online {
    pub n_keys: usize,
    pub columns: Vec<OnlineColumn>,
}

/// One statistic with one prior, in bins.
#[derive(Debug)]
pub(super) struct OnlineColumn {
    pub id: CtrId,
    pub kind: CtrKind,
    /// How many bins there are.
    pub n_bins: usize,
    pub bins: Vec<u8>,
}

/// Which statistic of a projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct CtrId {
    pub info: u32,
    pub target: u32,
    pub prior: u32,
}

/// Combinations whose statistics are kept.
pub(super) const KEPT_COMBINATIONS: usize = 50;

impl Ctrs {
    pub(super) fn new(data: &TrainData, settings: &Settings) -> Self {
        let classifiers: Vec<Classes> = match settings.loss {
            Loss::MultiClass | Loss::Logloss => {
                let of_rows = data.targets[0].iter().map(|y| *y as u32).collect();
                vec![Classes { of_rows, n_classes: data.n_classes }]
            }
            _ => data.targets.iter().map(|target| halves(target)).collect(),
        };
        let infos = |choices: &[CtrChoice]| {
            let of = |choice: &CtrChoice| -> Vec<CtrInfo> {
                // Counts do not depend on the target.
                let n = if choice.kind == CtrKind::Counter { 1 } else { classifiers.len() };
                (0..n).map(|classifier| CtrInfo { choice: choice.clone(), classifier }).collect()
            };
            choices.iter().flat_map(of).collect()
        };
        let (simple, combined) = (infos(&settings.simple_ctr), infos(&settings.combinations_ctr));
        Self { simple, combined, classifiers, keys: Mutex::default() }
    }

    /// The statistics of a projection.
    pub(super) fn infos(&self, projection: &Projection) -> &[CtrInfo] {
        if projection.is_single() { &self.simple } else { &self.combined }
    }

    /// Numbers the values of a projection; the numbers are kept for the next call.
    fn keys(&self, projection: &Projection, data: &TrainData) -> Arc<Keys> {
        let kept = || self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = kept().get(projection) {
            return Arc::clone(keys);
        }
        let mut numbering = Numbering::with_capacity(1024);
        let of_rows = projection.hashes(data).into_iter().map(|hash| numbering.number(hash)).collect();
        let keys = Arc::new(Keys { of_rows, n_keys: numbering.hashes().len() });
        let mut kept = kept();
        if kept.len() > KEPT_COMBINATIONS {
            kept.retain(|projection, _| projection.is_single());
        }
        kept.insert(projection.clone(), Arc::clone(&keys));
        keys
    }

    /// The statistics of a projection as rows see them that come in the given order, or one after another.
    pub(super) fn online(
        &self,
        projection: &Projection,
        order: Option<&[u32]>,
        data: &TrainData,
        run: &Run,
    ) -> Result<Online> {
        let keys = self.keys(projection, data);
        let mut columns = Vec::new();
        for (info, ctr) in self.infos(projection).iter().enumerate() {
            run.check()?;
            let classes = &self.classifiers[ctr.classifier];
            let first = columns.len();
            for target in 0..ctr.choice.kind.targets(classes.n_classes) {
                for prior in 0..ctr.choice.priors.len() {
                    let id = CtrId { info: info as u32, target: target as u32, prior: prior as u32 };
                    let n_bins = usize::from(ctr.choice.border_count) + 1;
                    let bins = vec![0; data.n_rows];
                    columns.push(OnlineColumn { id, kind: ctr.choice.kind, n_bins, bins });
                }
            }
            let columns = &mut columns[first..];
            match ctr.choice.kind {
                CtrKind::Counter => counter(&keys, &ctr.choice, columns),
                _ => shares(&keys, &ctr.choice, classes, order, columns),
            }
        }
        Ok(Online { n_keys: keys.n_keys, columns })
    }
}

/// A continuous target in two classes.
fn halves(target: &[f32]) -> Classes {
    let mut sorted = target.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    let border = least_entropy(&sorted).unwrap_or(f32::MAX);
    Classes { of_rows: target.iter().map(|y| u32::from(*y > border)).collect(), n_classes: 2 }
}

/// What is added to a statistic and what it is divided by, so that it lies between 0 and 1 whatever its prior.
pub(super) fn normalisation(prior: f32) -> (f32, f32) {
    let lowest = prior.min(0.0);
    (-lowest, prior.max(1.0) - lowest)
}

#[derive(Clone, Copy)]
struct Quantizer {
    prior: f32,
    shift: f32,
    norm: f32,
    border_count: f32,
}

impl Quantizer {
    fn new(prior: f32, border_count: u8) -> Self {
        let (shift, norm) = normalisation(prior);
        Self { prior, shift, norm, border_count: f32::from(border_count) }
    }

    #[inline]
    fn bin(self, good: f32, total: u32) -> u8 {
        let share = (good + self.prior) / (total + 1) as f32;
        ((share + self.shift) / self.norm * self.border_count) as u8
    }
}

fn quantizers(choice: &CtrChoice) -> Vec<Quantizer> {
    choice.priors.iter().map(|prior| Quantizer::new(*prior, choice.border_count)).collect()
}

fn counter(keys: &Keys, choice: &CtrChoice, columns: &mut [OnlineColumn]) {
    let mut totals = vec![0_u32; keys.n_keys];
    keys.of_rows.iter().for_each(|key| totals[*key as usize] += 1);
    let most = totals.iter().copied().max().unwrap_or(0);
    for (column, quantizer) in columns.iter_mut().zip(quantizers(choice)) {
        let bins: Vec<u8> = totals.iter().map(|total| quantizer.bin(*total as f32, most)).collect();
        column.bins.iter_mut().zip(&keys.of_rows).for_each(|(bin, key)| *bin = bins[*key as usize]);
    }
}

fn shares(keys: &Keys, choice: &CtrChoice, classes: &Classes, order: Option<&[u32]>, columns: &mut [OnlineColumn]) {
    let (n_classes, quantizers) = (classes.n_classes, quantizers(choice));
    let n_priors = quantizers.len();
    let mut counts = vec![0_u32; keys.n_keys * n_classes];
    for position in 0..keys.of_rows.len() {
        let row = order.map_or(position, |order| order[position] as usize);
        let of_key = &mut counts[keys.of_rows[row] as usize * n_classes..][..n_classes];
        let total: u32 = of_key.iter().sum();
        let mut above = total;
        for (target, columns) in columns.chunks_exact_mut(n_priors).enumerate() {
            above -= of_key[target];
            let good = match choice.kind {
                CtrKind::Buckets => of_key[target] as f32,
                CtrKind::BinarizedTargetMeanValue => mean_sum(of_key),
                _ => above as f32,
            };
            for (column, quantizer) in columns.iter_mut().zip(&quantizers) {
                column.bins[row] = quantizer.bin(good, total);
            }
        }
        of_key[classes.of_rows[row] as usize] += 1;
    }
}

/// The sum of classes, where the last class counts 1.
pub(super) fn mean_sum(counts: &[u32]) -> f32 {
    let last = (counts.len() - 1).max(1) as f32;
    counts.iter().enumerate().map(|(class, n)| class as f32 / last * *n as f32).sum()
}
