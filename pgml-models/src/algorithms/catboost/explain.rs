//! What features add to CatBoost's scores.
//!
//! The trees are laid out flat, over the columns that they ask, and explained as all trees are. A column of a numeric feature
//! is that feature; what a target statistic adds counts for the features that it is made of, in equal parts.

use pgml_core::{Explain, Result, Run, bail};

use super::columns::{Columns, Part};
use super::forest::Forest;
use super::model::CatboostModel;
use crate::trees::{FlatBuilder, FlatForest, SourceNode, SourceTree, Test};

impl Explain for CatboostModel {
    fn unit(&self) -> &'static str {
        match (self.n_classes, self.forest.dims) {
            (0, _) => "value",
            (_, 1) => "log-odds",
            _ => "score",
        }
    }

    fn explain_row(
        &self,
        row: &[f64],
        _typical: &[f64],
        output: usize,
        contributions: &mut [f64],
        run: &Run,
    ) -> Result<f64> {
        let shared = self.n_classes > 0 && self.forest.dims == 1;
        let score = if shared { 0 } else { output };
        let Some(start) = self.forest.start.get(score) else {
            bail!(WrongDimension, "the model has no score number {output}");
        };
        let mut bins = vec![0; self.columns.len()];
        self.columns.write(row, self.n_features, &mut bins, &mut Vec::new());
        let bins: Vec<f64> = bins.into_iter().map(f64::from).collect();
        let mut by_column = vec![0.0; self.columns.len()];
        let base = self.forest.flat(self.columns.len())?.explain(&bins, score, &mut by_column, run)?;
        // Two classes share the score of the second.
        let sign = if shared && output == 0 { -1.0 } else { 1.0 };
        contributions.copy_from_slice(&self.columns.to_features(&by_column, self.n_features));
        contributions.iter_mut().for_each(|x| *x *= sign * self.forest.scale);
        Ok(sign * (base * self.forest.scale + start))
    }

    fn importance(&self, _deviations: &[f64]) -> Result<Vec<f64>> {
        let by_column = self.forest.flat(self.columns.len())?.importance()?;
        Ok(pgml_core::explain::shares(self.columns.to_features(&by_column, self.n_features)))
    }
}

impl Columns {
    /// Amounts of columns as amounts of the features that the columns are made of.
    fn to_features(&self, by_column: &[f64], n_features: usize) -> Vec<f64> {
        let mut by_feature = vec![0.0; n_features];
        let mut amounts = by_column.iter();
        for (feature, amount) in
            self.floats.iter().map(|f| f.feature).chain(self.one_hots.iter().map(|o| o.feature)).zip(&mut amounts)
        {
            by_feature[feature as usize] += amount;
        }
        for (ctr, amount) in self.ctrs.iter().zip(amounts) {
            let parts = &self.projections[ctr.projection as usize];
            for part in parts {
                let (Part::Category { feature } | Part::Above { feature, .. } | Part::Is { feature, .. }) = part;
                by_feature[*feature as usize] += amount / parts.len() as f64;
            }
        }
        by_feature
    }
}

impl Forest {
    /// The same trees over `n_columns` columns of bins, with the weights of their nodes.
    fn flat(&self, n_columns: usize) -> Result<FlatForest<f32, f64>> {
        let mut builder = FlatBuilder::new(n_columns, self.dims, self.dims);
        let (mut split, mut leaf) = (0, 0);
        for depth in &self.depths {
            let (levels, leaves) = (usize::from(*depth), 1_usize << depth);
            let columns = &self.split_columns[split..split + levels];
            let bins = &self.split_bins[split..split + levels];
            let values = &self.leaf_values[leaf * self.dims..(leaf + leaves) * self.dims];
            builder.push(&source_tree(columns, bins, values, &self.leaf_covers[leaf..leaf + leaves]))?;
            (split, leaf) = (split + levels, leaf + leaves);
        }
        builder.finish()
    }
}

/// A symmetric tree as nodes: level by level, each node named by the answers so far, which are the low bits of its leaves.
fn source_tree(columns: &[u32], bins: &[u8], values: &[f64], covers: &[f64]) -> SourceTree<f32, f64> {
    let depth = columns.len();
    let mut tree = SourceTree { values: values.to_vec(), ..SourceTree::default() };
    for level in 0..=depth {
        let first_below = (2_u32 << level) - 1;
        for answers in 0..1_usize << level {
            tree.covers.push(covers.iter().skip(answers).step_by(1 << level).sum::<f64>() as f32);
            tree.nodes.push(match columns.get(level).zip(bins.get(level)) {
                None => SourceNode::Leaf(answers as u32),
                Some((column, bin)) => SourceNode::Split {
                    feature: *column,
                    test: Test::AtMost(f32::from(*bin)),
                    missing_left: true,
                    left: first_below + answers as u32,
                    right: first_below + (answers | 1 << level) as u32,
                },
            });
        }
    }
    tree
}
