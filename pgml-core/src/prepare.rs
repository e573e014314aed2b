//! From a relation to data sets: split, learn the preprocessing from the training rows, apply it to both parts.

use crate::labels::Labels;
use crate::parallel::map_parallel;
use crate::plan::plan;
use crate::preprocess::{CategoricalColumn, Role, Step, column_steps, fit_column};
use crate::run::Reservation;
use crate::sampling::{Rows, content_hashes};
use crate::schema::{ColumnSchema, Schema};
use crate::score::HeldOut;
use crate::targets::{PartTargets, SplitTargets, Targets, expect_finite};
use crate::train::TrainRequest;
use crate::{Dataset, Feature, Floats, Result, Run, Table, TableColumn, Task, Values, bail};

/// A relation ready to learn from.
#[derive(Debug)]
pub struct Prepared {
    /// All columns, with what preprocessing learnt from the training rows.
    pub schema: Schema,
    /// The classes, for classification.
    pub labels: Option<Labels>,
    /// The training rows.
    pub train: Dataset,
    /// The test rows.
    pub test: HeldOut,
    /// The training rows before preprocessing, one entry per raw feature, where folds must learn their own.
    raw: Option<Vec<Vec<Floats>>>,
    /// The first label of the training rows as users know it, for target encoding.
    first_label: Option<Vec<f64>>,
    _memory: Vec<Reservation>,
}

/// Columns by what they are for.
struct Sorted {
    features: Vec<(usize, TableColumn)>,
    labels: Vec<TableColumn>,
    weight: Option<TableColumn>,
    group: Option<Vec<u32>>,
}

/// A feature column, ready.
struct Ready {
    schema: ColumnSchema,
    raw: Option<Vec<Floats>>,
    train: Vec<Feature>,
    test: Vec<Feature>,
    memory: Reservation,
}

/// Splits and preprocesses `table`, which is consumed column by column to save memory. With `keep_raw`, the training
/// rows are kept as they were where preprocessing learns from them.
///
/// # Errors
/// When request and table do not fit together, or the data cannot be learnt from.
pub fn prepare(request: &TrainRequest, mut table: Table, keep_raw: bool, run: &Run) -> Result<Prepared> {
    let mut columns = plan(request, &table)?;
    drop_ignored(&mut columns, &mut table);
    let n_rows = table.n_rows;
    // Eight bytes for each row's hash, four for its place, and eight for its target.
    let memory = run.reserve(20 * n_rows as u64, "splitting the rows")?;
    let hashes = content_hashes(&table.columns, n_rows, run)?;
    let sorted = sort_columns(&columns, &request.labels, table)?;
    let targets = Targets::read(sorted.labels, request.task)?;
    let rows = request.split.rows(&hashes, targets.classes(), sorted.group.as_deref(), run)?;
    drop(hashes);
    let targets = targets.split(&rows, request.labels.first().map_or("", String::as_str))?;
    targets.describe(&mut columns, &request.labels);
    announce_split(request.task, &columns, &targets, &rows, run);
    let first_label = targets.train.columns.first().map(|target| targets.named_values(target));
    let ready = ready_features(sorted.features, &columns, &rows, first_label.as_deref(), keep_raw, run)?;
    let mut prepared = assemble(columns, ready, targets, first_label)?;
    prepared._memory.push(memory);
    prepared.train = attach(prepared.train, sorted.weight, sorted.group, &rows.train)?;
    announce_columns(&prepared.schema, run);
    Ok(prepared)
}

fn drop_ignored(columns: &mut Vec<ColumnSchema>, table: &mut Table) {
    let mut kept = columns.iter().map(|c| c.role != Role::Ignore);
    table.columns.retain(|_| kept.next().unwrap_or(true));
    columns.retain(|c| c.role != Role::Ignore);
}

fn sort_columns(columns: &[ColumnSchema], labels: &[String], table: Table) -> Result<Sorted> {
    let mut sorted = Sorted { features: Vec::new(), labels: Vec::new(), weight: None, group: None };
    for (index, column) in table.columns.into_iter().enumerate() {
        match columns[index].role {
            Role::Feature | Role::Categorical => sorted.features.push((index, column)),
            Role::Label => sorted.labels.push(column),
            Role::Weight => sorted.weight = Some(column),
            Role::Group => sorted.group = Some(groups(&column)?),
            Role::Ignore => {}
        }
    }
    // Joint targets come in the order in which they were named.
    sorted.labels.sort_by_key(|c| labels.iter().position(|name| *name == c.name));
    Ok(sorted)
}

/// A small number for the group of each row.
fn groups(column: &TableColumn) -> Result<Vec<u32>> {
    let mut known = std::collections::HashMap::new();
    let mut number = |key: u64| {
        let next = known.len() as u32;
        *known.entry(key).or_insert(next)
    };
    let (groups, nulls): (Vec<u32>, usize) = match &column.values {
        Values::Text { codes, .. } => {
            (codes.iter().map(|code| number(u64::from(*code))).collect(), codes.iter().filter(|c| **c == 0).count())
        }
        Values::Number(values) => {
            (values.iter().map(|x| number((x + 0.0).to_bits())).collect(), values.iter().filter(|x| x.is_nan()).count())
        }
        Values::Array(_) => bail!(WrongType, "column \"{}\" is an array and cannot be a group", column.name),
    };
    if nulls > 0 {
        bail!(InvalidData, "group column \"{}\" is NULL in {nulls} rows", column.name);
    }
    Ok(groups)
}

fn announce_split(task: Task, columns: &[ColumnSchema], targets: &SplitTargets, rows: &Rows, run: &Run) {
    let features: usize = columns.iter().filter(|c| c.is_feature()).map(|c| c.size).sum();
    let classes = targets.labels.as_ref().map_or(0, Labels::n_classes);
    let (train, test) = (rows.train.len(), rows.test.len());
    run.info(&format!(
        "Dataset {{ num_features: {features}, num_labels: {}, num_distinct_labels: {classes}, num_rows: {}, \
         num_train_rows: {train}, num_test_rows: {test} }}",
        targets.train.columns.len(),
        train + test,
    ));
    if targets.n_classes > classes {
        run.warn(&format!(
            "{} classes of the test rows have no training row; every prediction for them counts as wrong",
            targets.n_classes - classes
        ));
    }
    if test == 0 && task.is_supervised() {
        run.warn("there are no test rows: the metrics of this model are unknown");
    }
}

/// One line per column, labels first. Wide relations keep their lines short.
fn announce_columns(schema: &Schema, run: &Run) {
    const WIDE: usize = 50;
    let wide = schema.columns.len() > WIDE;
    for column in schema.labels().chain(schema.features()) {
        let statistics = &column.statistics;
        let shown = if wide { statistics.clone().without_distribution() } else { statistics.clone() };
        run.info(&format!("Column \"{}\": {shown}", column.name));
    }
}

fn ready_features(
    features: Vec<(usize, TableColumn)>,
    columns: &[ColumnSchema],
    rows: &Rows,
    target: Option<&[f64]>,
    keep_raw: bool,
    run: &Run,
) -> Result<Vec<Ready>> {
    let keep_raw = keep_raw && features.iter().any(|(index, _)| columns[*index].is_fitted());
    let total = features.len() as u64;
    let done = std::sync::atomic::AtomicU64::new(0);
    map_parallel(features, run, |(index, column)| {
        run.check()?;
        let ready = ready_feature(column, columns[index].clone(), rows, target, keep_raw, run);
        run.progress("preparing", 1 + done.fetch_add(1, std::sync::atomic::Ordering::Relaxed), total);
        ready
    })
}

fn ready_feature(
    column: TableColumn,
    mut schema: ColumnSchema,
    rows: &Rows,
    target: Option<&[f64]>,
    keep_raw: bool,
    run: &Run,
) -> Result<Ready> {
    expect_finite(&column)?;
    let before = column.values.bytes();
    let (raw_train, raw_test) = gather(column, &mut schema, rows)?;
    fit_column(&mut schema, &raw_train, target, run)?;
    let steps = column_steps(&schema)?;
    let values: usize = steps.iter().map(Step::n_features).sum::<usize>() * (rows.train.len() + rows.test.len());
    let width = if steps.iter().any(Step::widens) { 8 } else { 4 };
    let kept = if keep_raw { raw_train.iter().map(Floats::bytes).sum() } else { 0 };
    let after = (values * width) as u64 + kept;
    let memory = run.reserve(after.saturating_sub(before), &format!("preprocessing column \"{}\"", schema.name))?;
    let raw = keep_raw.then(|| raw_train.clone());
    let (train, test) = (transform(&steps, raw_train)?, transform(&steps, raw_test)?);
    Ok(Ready { schema, raw, train, test, memory })
}

/// The raw features of both parts; of a categorical column its codes. Each source is dropped as soon as it was read.
fn gather(column: TableColumn, schema: &mut ColumnSchema, rows: &Rows) -> Result<(Vec<Floats>, Vec<Floats>)> {
    let categorical = schema.role == Role::Categorical || matches!(column.values, Values::Text { .. });
    if categorical {
        let fitted = CategoricalColumn::fit(column, &rows.train, &schema.preprocessor.encode)?;
        let parts = (vec![fitted.codes(&rows.train)], vec![fitted.codes(&rows.test)]);
        schema.statistics.categories = Some(fitted.categories);
        return Ok(parts);
    }
    let elements = match column.values {
        Values::Number(values) => vec![values],
        Values::Array(elements) => elements,
        Values::Text { .. } => Vec::new(),
    };
    Ok(elements.into_iter().map(|values| (values.select(&rows.train), values.select(&rows.test))).unzip())
}

fn transform(steps: &[Step], raw: Vec<Floats>) -> Result<Vec<Feature>> {
    let features: Vec<Vec<Feature>> =
        steps.iter().zip(raw).map(|(s, values)| s.column(values)).collect::<Result<_>>()?;
    Ok(features.into_iter().flatten().collect())
}

fn assemble(
    mut columns: Vec<ColumnSchema>,
    ready: Vec<Ready>,
    targets: SplitTargets,
    first_label: Option<Vec<f64>>,
) -> Result<Prepared> {
    let (mut train, mut test, mut raw, mut memory) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for feature in ready {
        if let Some(place) = columns.iter_mut().find(|c| c.name == feature.schema.name) {
            *place = feature.schema;
        }
        train.extend(feature.train);
        test.extend(feature.test);
        raw.extend(feature.raw);
        memory.push(feature.memory);
    }
    let n_known = targets.labels.as_ref().map_or(0, Labels::n_classes);
    Ok(Prepared {
        schema: Schema { columns },
        train: with_targets(Dataset::new(train)?, targets.train, n_known)?,
        test: HeldOut { rows: Dataset::new(test)?, targets: targets.test.columns, n_classes: targets.n_classes },
        labels: targets.labels,
        raw: (!raw.is_empty()).then_some(raw),
        first_label,
        _memory: memory,
    })
}

fn with_targets(mut data: Dataset, targets: PartTargets, n_classes: usize) -> Result<Dataset> {
    for target in targets.columns {
        data = if n_classes > 0 { data.with_classes(target, n_classes)? } else { data.with_target(target)? };
    }
    Ok(data)
}

fn attach(mut data: Dataset, weight: Option<TableColumn>, group: Option<Vec<u32>>, rows: &[u32]) -> Result<Dataset> {
    if let Some(TableColumn { values: Values::Number(weights), name, .. }) = weight {
        let weights: Vec<f64> = weights.select(rows).iter().collect();
        if weights.iter().any(|w| w.is_nan()) {
            bail!(InvalidData, "weight column \"{name}\" is NULL in training rows");
        }
        data = data.with_weight(weights)?;
    }
    if let Some(groups) = group {
        data = data.with_group(renumber(rows.iter().map(|row| groups[*row as usize])))?;
    }
    Ok(data)
}

/// Groups numbered by their first appearance, so that the numbers do not depend on the order of a scan.
fn renumber(groups: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut known = std::collections::HashMap::new();
    groups
        .map(|group| {
            let next = known.len() as u32;
            *known.entry(group).or_insert(next)
        })
        .collect()
}

impl Prepared {
    /// Two parts of the training rows, one to fit and one to score. Preprocessing is learnt from the first alone.
    ///
    /// # Errors
    /// As preprocessing, and when the run is cancelled.
    pub fn fold(&self, fit: &[u32], score: &[u32], run: &Run) -> Result<(Dataset, HeldOut)> {
        let all = &self.train;
        let held_out = |rows: Dataset| HeldOut {
            targets: all.targets().iter().map(|t| score.iter().map(|row| t[*row as usize]).collect()).collect(),
            n_classes: all.n_classes(),
            rows,
        };
        let Some(raw) = &self.raw else {
            return Ok((all.select(fit), held_out(all.select(score))));
        };
        let target: Option<Vec<f64>> =
            self.first_label.as_ref().map(|label| fit.iter().map(|row| label[*row as usize]).collect());
        let (mut fit_features, mut score_features) = (Vec::new(), Vec::new());
        for (column, raw) in self.schema.features().zip(raw) {
            run.check()?;
            let mut column = column.clone();
            let pick = |rows: &[u32]| raw.iter().map(|values| values.select(rows)).collect::<Vec<Floats>>();
            let fit_raw = pick(fit);
            fit_column(&mut column, &fit_raw, target.as_deref(), run)?;
            let steps = column_steps(&column)?;
            fit_features.extend(transform(&steps, fit_raw)?);
            score_features.extend(transform(&steps, pick(score))?);
        }
        let fitted = all.select_targets(Dataset::new(fit_features)?, fit)?;
        Ok((fitted, held_out(Dataset::new(score_features)?)))
    }

    /// Forgets what only [`Prepared::fold`] needs.
    pub fn forget_raw(&mut self) {
        self.raw = None;
        self.first_label = None;
    }
}

impl Dataset {
    /// Gives `to` the targets, weights and groups that this has for `rows`.
    fn select_targets(&self, mut to: Dataset, rows: &[u32]) -> Result<Dataset> {
        let pick = |values: &[f64]| rows.iter().map(|row| values[*row as usize]).collect::<Vec<f64>>();
        let columns = self.targets().iter().map(|target| pick(target)).collect();
        to = with_targets(to, PartTargets { columns }, self.n_classes())?;
        if let Some(weight) = self.weight() {
            to = to.with_weight(pick(weight))?;
        }
        if let Some(group) = self.group() {
            to = to.with_group(rows.iter().map(|row| group[*row as usize]).collect())?;
        }
        Ok(to)
    }
}
