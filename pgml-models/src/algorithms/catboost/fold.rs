//! A permutation of the rows, with the statistics and the scores that rows have in it.

use std::collections::HashMap;
use std::sync::Arc;

use pgml_core::{Error, ErrorKind, Result, Run};

use super::ctr::{CtrId, Ctrs, KEPT_COMBINATIONS, Online, OnlineColumn};
use super::data::TrainData;
use super::projection::Projection;
use super::scores::Scores;
use super::settings::Settings;
use super::tree::Split;

/// One permutation.
#[derive(Debug)]
pub(super) struct Fold {
    /// The order in which rows come; none when it is theirs.
    pub order: Option<Arc<[u32]>>,
    /// Scores by one model, or for ordered boosting by models of ever more rows.
    pub scores: Vec<Scores>,
    online: HashMap<Arc<Projection>, Arc<Online>>,
}

impl Fold {
    /// A fold for plain boosting: one model of all rows.
    pub(super) fn plain(order: Option<Arc<[u32]>>, start: &[f64], data: &TrainData, settings: &Settings) -> Self {
        let scores = vec![Scores::new(None, data.n_rows, data.n_rows, start, data, settings)];
        Self { order, scores, online: HashMap::new() }
    }

    /// A fold for ordered boosting: each model learns from the rows that the one before was judged by, too.
    pub(super) fn ordered(order: Option<Arc<[u32]>>, start: &[f64], data: &TrainData, settings: &Settings) -> Self {
        let n = data.n_rows;
        let mut body = if n > 500 { (n / 50).min(100) } else { 1 };
        let mut scores = Vec::new();
        while scores.is_empty() || body < n {
            let tail = ((body as f64 * settings.fold_multiplier).ceil() as usize).clamp(body, n);
            scores.push(Scores::new(order.clone(), body, tail, start, data, settings));
            // A multiplier just above 1 must still get on.
            body = tail.max(body + 1);
        }
        Self { order, scores, online: HashMap::new() }
    }

    /// The statistics of a projection as this fold's rows see them.
    pub(super) fn online(
        &mut self,
        projection: &Arc<Projection>,
        ctrs: &Ctrs,
        data: &TrainData,
        run: &Run,
    ) -> Result<Arc<Online>> {
        if let Some(known) = self.online.get(projection) {
            return Ok(Arc::clone(known));
        }
        let online = Arc::new(ctrs.online(projection, self.order.as_deref(), data, run)?);
        self.online.insert(Arc::clone(projection), Arc::clone(&online));
        Ok(online)
    }

    /// Forgets the statistics of combinations when there are many.
    pub(super) fn trim(&mut self) {
        if self.online.len() > KEPT_COMBINATIONS {
            self.online.retain(|projection, _| projection.is_single());
        }
    }

    /// Adds the bit of one more level to the leaf of each row.
    pub(super) fn descend(
        &mut self,
        split: &Split,
        level: usize,
        leaf: &mut [u32],
        ctrs: &Ctrs,
        data: &TrainData,
        run: &Run,
    ) -> Result<()> {
        match split {
            Split::Float { column, bin } => mark(leaf, level, &data.floats[*column as usize].bins, |x| x > bin),
            Split::OneHot { column, index } => mark(leaf, level, &data.cats[*column as usize].indices, |x| x == index),
            Split::Ctr { projection, id, bin } => {
                let online = self.online(projection, ctrs, data, run)?;
                mark(leaf, level, &column(&online, *id)?.bins, |x| x > bin);
            }
        }
        Ok(())
    }

    /// The leaf of each row in a tree.
    pub(super) fn leaves(&mut self, splits: &[Split], ctrs: &Ctrs, data: &TrainData, run: &Run) -> Result<Vec<u32>> {
        let mut leaf = vec![0; data.n_rows];
        for (level, split) in splits.iter().enumerate() {
            self.descend(split, level, &mut leaf, ctrs, data, run)?;
        }
        Ok(leaf)
    }
}

/// The column of this statistic.
pub(super) fn column(online: &Online, id: CtrId) -> Result<&OnlineColumn> {
    let unknown = || Error::new(ErrorKind::Internal, "a split by a statistic that its projection does not have");
    online.columns.iter().find(|column| column.id == id).ok_or_else(unknown)
}

fn mark<T>(leaf: &mut [u32], level: usize, values: &[T], side: impl Fn(&T) -> bool) {
    leaf.iter_mut().zip(values).for_each(|(leaf, value)| *leaf |= u32::from(side(value)) << level);
}
