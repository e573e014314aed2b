//! What a level may be split by.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use pgml_core::{Result, Run};

use super::ctr::{CtrId, Ctrs, Online};
use super::ctr_info::CtrKind;
use super::data::TrainData;
use super::fold::Fold;
use super::projection::Projection;
use super::settings::Settings;
use super::tree::Split;

/// A column that splits are sought in.
#[derive(Debug, Clone)]
pub(super) enum Candidate {
    /// A numeric column.
    Float(u32),
    /// A categorical column of few values, in bins.
    OneHot(u32, Arc<[u8]>),
    /// A statistic: its projection, which of its columns.
    Ctr(Arc<Projection>, Arc<Online>, usize),
}

/// What tells columns apart from level to level.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum ColumnId {
    Float(u32),
    OneHot(u32),
    Ctr(Arc<Projection>, CtrId),
}

impl Candidate {
    pub(super) fn id(&self) -> ColumnId {
        match self {
            Self::Float(column) => ColumnId::Float(*column),
            Self::OneHot(column, _) => ColumnId::OneHot(*column),
            Self::Ctr(projection, online, at) => ColumnId::Ctr(Arc::clone(projection), online.columns[*at].id),
        }
    }

    /// The bin of each row, and how many bins there are.
    pub(super) fn bins<'a>(&'a self, data: &'a TrainData) -> (&'a [u8], usize) {
        match self {
            Self::Float(column) => {
                let column = &data.floats[*column as usize];
                (&column.bins, column.borders.len() + 1)
            }
            Self::OneHot(column, bins) => (bins, data.cats[*column as usize].hashes.len()),
            Self::Ctr(_, online, at) => (&online.columns[*at].bins, online.columns[*at].n_bins),
        }
    }

    /// Whether splits separate one bin from the others.
    pub(super) fn is_one_hot(&self) -> bool {
        matches!(self, Self::OneHot(..))
    }

    /// The split at a bin.
    pub(super) fn split(&self, bin: u8) -> Split {
        match self {
            Self::Float(column) => Split::Float { column: *column, bin },
            Self::OneHot(column, _) => Split::OneHot { column: *column, index: u32::from(bin) },
            Self::Ctr(projection, online, at) => {
                Split::Ctr { projection: Arc::clone(projection), id: online.columns[*at].id, bin }
            }
        }
    }

    /// What new statistics of many values are punished for: the projection, its kind and how many values it has.
    pub(super) fn size(&self) -> Option<(&Arc<Projection>, CtrKind, usize)> {
        match self {
            Self::Ctr(projection, online, at) => Some((projection, online.columns[*at].kind, online.n_keys)),
            _ => None,
        }
    }
}

/// Lists candidates.
#[derive(Debug)]
pub(super) struct Candidates<'a> {
    data: &'a TrainData,
    settings: &'a Settings,
    ctrs: &'a Ctrs,
    one_hot: Vec<(u32, Arc<[u8]>)>,
    /// Categorical columns that are used through their statistics.
    counted: Vec<u32>,
}

impl<'a> Candidates<'a> {
    pub(super) fn new(data: &'a TrainData, settings: &'a Settings, ctrs: &'a Ctrs) -> Self {
        let (mut one_hot, mut counted) = (Vec::new(), Vec::new());
        for (at, column) in data.cats.iter().enumerate() {
            match column.hashes.len() {
                n if n > settings.one_hot_max_size => counted.push(at as u32),
                0 | 1 => {}
                _ => one_hot.push((at as u32, column.indices.iter().map(|index| *index as u8).collect())),
            }
        }
        Self { data, settings, ctrs, one_hot, counted }
    }

    /// Whether there are columns that are used through their statistics.
    pub(super) fn has_ctrs(&self) -> bool {
        !self.counted.is_empty()
    }

    /// The candidates for the next level of a tree with these splits.
    pub(super) fn list(
        &self,
        splits: &[Split],
        fold: &mut Fold,
        rng: &mut fastrand::Rng,
        run: &Run,
    ) -> Result<Vec<Candidate>> {
        let rsm = self.settings.rsm;
        let mut chosen = || rsm >= 1.0 || rng.f64() <= rsm;
        let mut list = Vec::new();
        for (at, column) in self.data.floats.iter().enumerate() {
            if !column.borders.is_empty() && chosen() {
                list.push(Candidate::Float(at as u32));
            }
        }
        for (column, bins) in &self.one_hot {
            if chosen() {
                list.push(Candidate::OneHot(*column, Arc::clone(bins)));
            }
        }
        let mut projections: Vec<Projection> = Vec::new();
        projections.extend(self.counted.iter().filter(|_| chosen()).map(|cat| Projection::single(*cat)));
        let mut seen: HashSet<Projection> = HashSet::new();
        for base in bases(splits) {
            for cat in self.counted.iter().filter(|_| chosen()) {
                let Some(wider) = base.and(*cat) else { continue };
                if wider.complexity() <= self.settings.max_ctr_complexity && seen.insert(wider.clone()) {
                    projections.push(wider);
                }
            }
        }
        for projection in projections {
            let projection = Arc::new(projection);
            let online = fold.online(&projection, self.ctrs, self.data, run)?;
            let columns = 0..online.columns.len();
            list.extend(columns.map(|at| Candidate::Ctr(Arc::clone(&projection), Arc::clone(&online), at)));
        }
        Ok(list)
    }
}

/// What categorical features are combined with: all the tree's splits by values together, and each of its statistics.
fn bases(splits: &[Split]) -> BTreeSet<Projection> {
    let mut values = Projection::default();
    let mut bases = BTreeSet::new();
    for split in splits {
        match split {
            Split::Float { column, bin } => values.floats.push((*column, *bin)),
            Split::OneHot { column, index } => values.one_hots.push((*column, *index)),
            Split::Ctr { projection, .. } => {
                bases.insert((**projection).clone());
            }
        }
    }
    values.floats.sort_unstable();
    values.one_hots.sort_unstable();
    if !values.is_empty() {
        bases.insert(values);
    }
    bases
}
