//! The answers of one group, and the array that they become.

use std::cell::RefCell;
use std::rc::Rc;

use pgml_core::predictor::Predictor;
use pgml_core::run::Reservation;
use pgml_core::{Error, ErrorKind, MatrixRef, Result, Run, bail};
use pgrx::callconv::{BoxRet, FcInfo};
use pgrx::pg_sys;

use super::argument::Arguments;
use super::site::{Site, over_budget};
use crate::array::{ArrayOut, MAX_BYTES};
use crate::cache::Loaded;

/// What is asked of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Values, classes or clusters.
    Prediction,
    /// The probability of each class.
    Probabilities,
}

impl Answer {
    /// Numbers per row.
    pub fn width(self, predictor: &Predictor) -> usize {
        match self {
            Self::Prediction => predictor.n_outputs(),
            Self::Probabilities => predictor.n_classes(),
        }
    }

    /// Predicts rows into `out`, [`Answer::width`] numbers each.
    ///
    /// # Errors
    /// As [`Predictor::predict`] and [`Predictor::predict_proba`].
    pub fn predict(self, predictor: &Predictor, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        match self {
            Self::Prediction => predictor.predict(rows, out),
            Self::Probabilities => predictor.predict_proba(rows, out),
        }
    }

    /// Fails for a model that has no such answer.
    pub fn require(self, model: &Loaded) -> Result<()> {
        let predictor = &model.predictor;
        // A question about no rows says why there is no answer.
        let none = vec![0.0; predictor.n_raw_features()];
        match self {
            Self::Probabilities if predictor.n_classes() == 0 => {
                predictor.predict_proba(MatrixRef::new(&none, none.len())?, &mut [])
            }
            _ => Ok(()),
        }
    }
}

/// One group of the aggregate.
pub struct Group {
    site: Rc<Site>,
    answers: Rc<RefCell<Answers>>,
}

impl Group {
    /// A group without rows.
    pub fn new(site: Rc<Site>) -> Self {
        Self { site, answers: Rc::default() }
    }
}

/// A group where the executor keeps it.
#[derive(Clone, Copy)]
pub struct GroupRef(*mut Group);

impl GroupRef {
    /// A group that lives in the executor's memory.
    pub fn new(group: *mut Group) -> Self {
        Self(group)
    }

    /// Takes a row in.
    ///
    /// # Errors
    /// As [`Site::add`].
    ///
    /// # Safety
    /// The group lives.
    pub unsafe fn add(self, arguments: &Arguments<'_>) -> Result<()> {
        // SAFETY: as promised by the caller; states are only ever shared.
        let group = unsafe { &*self.0 };
        group.site.add(arguments, &group.answers)
    }
}

// SAFETY: the pointer is what a state of type `internal` is.
unsafe impl BoxRet for GroupRef {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> pgrx::datum::Datum<'fcx> {
        // SAFETY: as above.
        unsafe { fcinfo.return_raw_datum(pg_sys::Datum::from(self.0)) }
    }
}

/// The answers of a group as an array: of one dimension, or a row per row of the group where a row has several.
///
/// # Errors
/// Those of predicting the rows that still wait, and when the array is larger than an array can be.
///
/// # Safety
/// The call's argument is a state of the aggregate or NULL.
pub unsafe fn finish(fcinfo: pg_sys::FunctionCallInfo) -> Result<ArrayOut<f32>> {
    // SAFETY: as promised by the caller.
    let state = unsafe { (*fcinfo).args.as_slice(1)[0] };
    if state.isnull {
        return Ok(ArrayOut::from_values(&[]));
    }
    // SAFETY: as promised by the caller.
    let group = unsafe { &*state.value.cast_mut_ptr::<Group>() };
    group.site.finish()?;
    group.answers.borrow().to_array()
}

/// Predictions in the order of the group's rows.
#[derive(Default)]
pub struct Answers {
    /// The model that all of them come from.
    model: Option<i64>,
    /// Numbers per row; 0 before the first row that is not NULL.
    width: usize,
    n_rows: usize,
    values: Vec<f32>,
    /// Rows that have no prediction, in ascending order.
    nulls: Vec<usize>,
    reserved: Vec<Reservation>,
}

impl Answers {
    /// Adds a row without a prediction.
    pub fn skip(&mut self, run: &Run) -> Result<()> {
        self.nulls.push(self.n_rows);
        self.grow(run).map(drop)
    }

    /// Adds a row whose prediction will be taken later, and gives its number.
    pub fn expect(&mut self, model: &Loaded, answer: Answer, run: &Run) -> Result<usize> {
        match self.model {
            Some(id) if id == model.id => {}
            None => {
                self.width = answer.width(&model.predictor);
                self.model = Some(model.id);
                // Rows before were NULL.
                self.grow_to(self.n_rows, run)?;
            }
            Some(_) => {
                return Err(Error::new(ErrorKind::InvalidParameter, "predict_agg was given two models for one array")
                    .with_hint("GROUP BY the project or the model, or call it for each of them"));
            }
        }
        self.grow(run)
    }

    fn grow(&mut self, run: &Run) -> Result<usize> {
        self.grow_to(self.n_rows + 1, run)?;
        self.n_rows += 1;
        Ok(self.n_rows - 1)
    }

    /// Makes room for so many rows.
    #[inline]
    fn grow_to(&mut self, n_rows: usize, run: &Run) -> Result<()> {
        let needed = n_rows * self.width;
        if needed > self.values.capacity() {
            self.more_room(needed, run)?;
        }
        self.values.resize(needed, f32::NAN);
        Ok(())
    }

    /// Doubles the room, within the statement's budget.
    fn more_room(&mut self, needed: usize, run: &Run) -> Result<()> {
        const FEWEST: usize = 16;
        let bytes = |values: usize| (values * size_of::<f32>()) as u64;
        let capacity = needed.max(2 * self.values.capacity()).max(FEWEST);
        if bytes(needed) > MAX_BYTES as u64 {
            bail!(InvalidData, "{needed} predictions are more than an array can hold");
        }
        let more = bytes(capacity - self.values.capacity());
        self.reserved.push(run.reserve(more, "predict_agg").map_err(over_budget)?);
        self.values.reserve_exact(capacity - self.values.len());
        Ok(())
    }

    /// Takes the predictions of rows from number `first` on.
    pub fn take(&mut self, first: usize, predicted: &[f64]) -> Result<()> {
        let Some(values) = self.values.get_mut(first * self.width..first * self.width + predicted.len()) else {
            bail!(Internal, "{} predictions from row {first} on, but {} were expected", predicted.len(), self.n_rows);
        };
        values.iter_mut().zip(predicted).for_each(|(to, from)| *to = *from as f32);
        Ok(())
    }

    fn to_array(&self) -> Result<ArrayOut<f32>> {
        let width = self.width.max(1);
        let per_row = (width > 1).then_some(width);
        let nulls = self.nulls.iter().flat_map(|row| row * width..(row + 1) * width);
        if self.width == 0 {
            return ArrayOut::with_nulls(&vec![f32::NAN; self.n_rows], nulls, None);
        }
        ArrayOut::with_nulls(&self.values, nulls, per_row)
    }
}
