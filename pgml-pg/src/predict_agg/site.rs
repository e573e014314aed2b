//! What the calls of one aggregate in one statement share: the model, and the block of rows that wait for it.

use std::cell::RefCell;
use std::rc::Rc;

use pgml_core::{Error, ErrorKind, MatrixRef, Result, Run, bail};
use pgrx::{check_for_interrupts, pg_sys};

use super::argument::{Arguments, Asked};
use super::group::{Answer, Answers};
use crate::datum::{self, NumberType, PlainArray};
use crate::{features, guc, row};

/// Rows that are predicted together: their features stay in the cache, and a cancel is heard between.
const BLOCK_ROWS: usize = 512;
/// Fewer rows when these are wide.
const BLOCK_VALUES: usize = 64 * 1024;

/// How the rows are given.
#[derive(Debug, Clone, Copy)]
enum Form {
    Row,
    Array(NumberType),
}

/// See the module.
pub struct Site {
    form: Form,
    answer: Answer,
    /// The memory that the answers of all groups may take.
    pub run: Run,
    waiting: RefCell<Waiting>,
}

/// Rows that wait for their predictions.
#[derive(Default)]
struct Waiting {
    asked: Option<Rc<Asked>>,
    /// `n_rows × n_raw_features`.
    raw: Vec<f64>,
    n_rows: usize,
    /// Whose rows they are: for each run of neighbours the group, and its first row's number.
    runs: Vec<(Rc<RefCell<Answers>>, usize, usize)>,
    out: Vec<f64>,
}

impl Site {
    /// For calls of this function, which is asked for `answer`.
    ///
    /// # Safety
    /// The function is called as a step of an aggregate over a value of any type.
    pub unsafe fn new(function: *mut pg_sys::FmgrInfo, answer: Answer) -> Result<Self> {
        // SAFETY: catalog look-ups by the type that the call site says.
        let form = unsafe {
            let given = pg_sys::getBaseType(pg_sys::get_fn_expr_argtype(function, 2));
            let element = match pg_sys::get_element_type(given) {
                pg_sys::InvalidOid => pg_sys::InvalidOid,
                element => pg_sys::getBaseType(element),
            };
            match NumberType::from_oid(element) {
                Some(number) => Form::Array(number),
                None if row::is_composite(given) => Form::Row,
                None => return Err(row::no_row("predict_agg")),
            }
        };
        let run = Run::new().with_memory_limit(guc::memory_limit());
        Ok(Self { form, answer, run, waiting: RefCell::default() })
    }

    /// Lets a row of a group wait for its prediction.
    ///
    /// # Errors
    /// Those of loading the model, reading the row and predicting the block.
    pub fn add(&self, arguments: &Arguments<'_>, answers: &Rc<RefCell<Answers>>) -> Result<()> {
        let mut waiting = self.waiting.borrow_mut();
        let Some(asked) = waiting.model(arguments, self)? else {
            return answers.borrow_mut().skip(&self.run);
        };
        let Some(datum) = arguments.row() else {
            return answers.borrow_mut().skip(&self.run);
        };
        let place = answers.borrow_mut().expect(&asked.model, self.answer, &self.run)?;
        let width = asked.model.predictor.n_raw_features();
        self.read(datum, &asked, &mut waiting.raw)?;
        waiting.belongs_to(answers, place);
        if waiting.n_rows >= BLOCK_ROWS.min(BLOCK_VALUES / width).max(1) {
            waiting.predict(self)?;
        }
        Ok(())
    }

    /// Gives every row that waits its prediction.
    ///
    /// # Errors
    /// Those of predicting.
    pub fn finish(&self) -> Result<()> {
        self.waiting.borrow_mut().predict(self)
    }

    /// Appends the features of one row.
    #[inline]
    fn read(&self, given: pg_sys::Datum, asked: &Asked, raw: &mut Vec<f64>) -> Result<()> {
        let number = match self.form {
            // SAFETY: the argument is a row.
            Form::Row => return unsafe { row::encode_datum(given, &asked.model, raw) },
            Form::Array(number) => number,
        };
        let before = raw.len();
        // SAFETY: the argument is an array of such numbers.
        unsafe {
            let array = datum::detoasted_array(given);
            match PlainArray::of(array, number) {
                Some(plain) => plain.append(0, plain.len(), raw),
                None => datum::elements_into(array, number, raw),
            }
        }
        features::expect_one_row(raw.len() - before, &asked.model)
    }
}

impl Waiting {
    /// The model that is asked for; rows that wait for another one get their predictions first.
    fn model(&mut self, arguments: &Arguments<'_>, site: &Site) -> Result<Option<Rc<Asked>>> {
        if let Some(asked) = &self.asked {
            match asked.is_meant(arguments) {
                Some(true) => return Ok(Some(Rc::clone(asked))),
                Some(false) => self.predict(site)?,
                None => return Ok(None),
            }
        }
        let asked = Asked::find(arguments)?.map(Rc::new);
        if let Some(asked) = &asked {
            site.answer.require(&asked.model)?;
            self.asked = Some(Rc::clone(asked));
        }
        Ok(asked)
    }

    /// Notes that the row read last is number `place` of this group.
    fn belongs_to(&mut self, answers: &Rc<RefCell<Answers>>, place: usize) {
        self.n_rows += 1;
        match self.runs.last_mut() {
            Some((last, first, n)) if Rc::ptr_eq(last, answers) && *first + *n == place => *n += 1,
            _ => self.runs.push((Rc::clone(answers), place, 1)),
        }
    }

    fn predict(&mut self, site: &Site) -> Result<()> {
        check_for_interrupts!();
        let Some(asked) = self.asked.as_ref().filter(|_| self.n_rows > 0) else { return Ok(()) };
        let predictor = &asked.model.predictor;
        let rows = MatrixRef::new(&self.raw, predictor.n_raw_features())?;
        if rows.n_rows() != self.n_rows {
            bail!(Internal, "{} rows wait, but {} were read", self.n_rows, rows.n_rows());
        }
        let width = site.answer.width(predictor);
        self.out.clear();
        self.out.resize(self.n_rows * width, 0.0);
        site.answer.predict(predictor, rows, &mut self.out)?;
        let mut start = 0;
        for (answers, first, n) in self.runs.drain(..) {
            answers.borrow_mut().take(first, &self.out[start * width..(start + n) * width])?;
            start += n;
        }
        self.raw.clear();
        self.n_rows = 0;
        Ok(())
    }
}

/// A budget of memory says what it is for.
pub fn over_budget(error: Error) -> Error {
    match error.kind() {
        ErrorKind::OutOfMemory => error.with_hint("raise pgml.memory_limit, or predict fewer rows in one statement"),
        _ => error,
    }
}
