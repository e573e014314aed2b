//! From the trees of a training to a model that predicts.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::columns::{Columns, CtrBins, FloatBins, OneHotBin, Part};
use super::ctr::{CtrId, Ctrs};
use super::ctr_info::CtrKind;
use super::data::TrainData;
use super::forest::Forest;
use super::model::CatboostModel;
use super::projection::Projection;
use super::table::{Reading, Table};
use super::tree::{Split, Tree};

/// Makes models of trees; counts of all rows are made once.
#[derive(Debug)]
pub(super) struct Assembler<'a> {
    data: &'a TrainData,
    ctrs: &'a Ctrs,
    tables: HashMap<(Arc<Projection>, CtrKind, usize), Table>,
}

/// The columns that trees use, in the order of their kinds.
#[derive(Default)]
struct Used<'t> {
    /// Numeric columns with the bins that splits are at: only borders between those matter.
    floats: Vec<(u32, Vec<u8>)>,
    one_hots: Vec<(u32, u32)>,
    ctrs: Vec<(&'t Arc<Projection>, CtrId)>,
}

impl<'a> Assembler<'a> {
    pub(super) fn new(data: &'a TrainData, ctrs: &'a Ctrs) -> Self {
        Self { data, ctrs, tables: HashMap::new() }
    }

    /// The model of these trees.
    pub(super) fn model(&mut self, trees: &[Tree], start: &[f64]) -> CatboostModel {
        let used = Used::of(trees);
        let columns = self.columns(&used);
        let mut forest = Forest { dims: start.len(), scale: 1.0, start: start.to_vec(), ..Forest::default() };
        for tree in trees {
            forest.depths.push(tree.splits.len() as u8);
            for split in &tree.splits {
                let (column, bin) = used.place(split);
                forest.split_columns.push(column as u32);
                forest.split_bins.push(bin);
            }
            forest.leaf_values.extend_from_slice(&tree.values);
            forest.leaf_covers.extend_from_slice(&tree.covers);
        }
        let (n_features, n_classes) = (self.data.n_features, self.data.n_classes);
        CatboostModel { n_features, n_classes, columns, forest, best_iteration: None }
    }

    fn columns(&mut self, used: &Used<'_>) -> Columns {
        let floats = used.floats.iter().map(|(column, bins)| {
            let column = &self.data.floats[*column as usize];
            let borders = bins.iter().map(|bin| column.borders[usize::from(*bin)]).collect();
            FloatBins { feature: column.feature, nan_above: column.nan_above, borders }
        });
        let one_hots = used.one_hots.iter().map(|(column, index)| {
            let column = &self.data.cats[*column as usize];
            OneHotBin { feature: column.feature, hash: column.hashes[*index as usize] }
        });
        let mut columns = Columns { floats: floats.collect(), one_hots: one_hots.collect(), ..Columns::default() };
        let (mut projections, mut tables) = (HashMap::new(), HashMap::new());
        for (projection, id) in &used.ctrs {
            let info = &self.ctrs.infos(projection)[id.info as usize];
            let reading = Reading::new(info, id.target, info.choice.priors[id.prior as usize]);
            let projection_at = *projections.entry(*projection).or_insert_with(|| {
                columns.projections.push(self.parts(projection));
                columns.projections.len() as u32 - 1
            });
            let key = (Arc::clone(projection), info.choice.kind, info.classifier);
            let table = *tables.entry(key.clone()).or_insert_with(|| {
                let counted =
                    self.tables.entry(key).or_insert_with(|| Table::new(projection, info, self.ctrs, self.data));
                columns.tables.push(counted.clone());
                columns.tables.len() as u32 - 1
            });
            // A statistic is above bin b where it is at least b + 1: above the number before that, as CatBoost stores it.
            let borders = (1..=info.choice.border_count).map(|bin| f32::from(bin).next_down()).collect();
            columns.ctrs.push(CtrBins { projection: projection_at, table, reading, borders });
        }
        columns
    }

    fn parts(&self, projection: &Projection) -> Vec<Part> {
        let category = |cat: &u32| Part::Category { feature: self.data.cats[*cat as usize].feature };
        let above = |(column, bin): &(u32, u8)| {
            let column = &self.data.floats[*column as usize];
            let border = column.borders[usize::from(*bin)];
            Part::Above { feature: column.feature, border, nan_above: column.nan_above }
        };
        let is = |(column, index): &(u32, u32)| {
            let column = &self.data.cats[*column as usize];
            Part::Is { feature: column.feature, hash: column.hashes[*index as usize] }
        };
        let categories = projection.cats.iter().map(category);
        categories.chain(projection.floats.iter().map(above)).chain(projection.one_hots.iter().map(is)).collect()
    }
}

impl<'t> Used<'t> {
    fn of(trees: &'t [Tree]) -> Self {
        let mut used = Self::default();
        let mut floats = BTreeMap::<u32, BTreeSet<u8>>::new();
        for split in trees.iter().flat_map(|tree| &tree.splits) {
            match split {
                Split::Float { column, bin } => {
                    floats.entry(*column).or_default().insert(*bin);
                }
                Split::OneHot { column, index } => used.one_hots.push((*column, *index)),
                Split::Ctr { projection, id, .. } => used.ctrs.push((projection, *id)),
            }
        }
        used.floats = floats.into_iter().map(|(column, bins)| (column, bins.into_iter().collect())).collect();
        used.one_hots.sort_unstable();
        used.one_hots.dedup();
        used.ctrs.sort_unstable();
        used.ctrs.dedup();
        used
    }

    /// The column and the bin that a split asks for.
    fn place(&self, split: &'t Split) -> (usize, u8) {
        // Every split was collected before, so each search finds its place.
        let at = |found: Result<usize, usize>| found.unwrap_or_else(|at| at);
        match split {
            Split::Float { column, bin } => {
                let place = at(self.floats.binary_search_by_key(column, |(column, _)| *column));
                (place, at(self.floats[place].1.binary_search(bin)) as u8)
            }
            Split::OneHot { column, index } => {
                (self.floats.len() + at(self.one_hots.binary_search(&(*column, *index))), 0)
            }
            Split::Ctr { projection, id, bin } => {
                let before = self.floats.len() + self.one_hots.len();
                (before + at(self.ctrs.binary_search(&(projection, *id))), *bin)
            }
        }
    }
}
