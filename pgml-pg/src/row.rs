//! Rows as `predict` gets them: arrays of raw features, or composite values.
//!
//! A composite of a named type (a table's row) is matched to the model's columns by name: other columns, the label among
//! them, are ignored. An anonymous `ROW(…)` has no names, so its values stand in the order of the training columns. The
//! row of a subquery is anonymous too, but its columns have names: they count when all the model's columns are there.

use std::ffi::CStr;
use std::ops::Range;
use std::rc::Rc;

use pgml_core::predictor::Cell;
use pgml_core::{Error, ErrorKind, Result, bail};
use pgrx::{AnyElement, pg_sys};

use crate::cache::Loaded;
use crate::datum::{self, NumberType};

/// Where a model's columns are found in values of one composite type.
#[derive(Clone)]
pub struct RowPlan {
    /// PostgreSQL's number for this form of the type; ALTER TABLE gives it another one.
    row_type: u64,
    fields: Rc<[Field]>,
}

/// One attribute of the composite that the model reads.
#[derive(Debug, Clone, Copy)]
struct Field {
    attribute: usize,
    kind: FieldKind,
}

#[derive(Debug, Clone, Copy)]
enum FieldKind {
    Number(NumberType),
    Numbers(NumberType),
    /// A vector of pgvector's, and the function that casts it to `real[]`.
    Vector(pg_sys::Oid),
    Text,
    Output(pg_sys::Oid),
}

/// Turns a composite value into the model's raw features, appended to `out`.
///
/// # Errors
/// [`ErrorKind::WrongType`] when the value is no row or a column has another type than in training,
/// [`ErrorKind::UndefinedColumn`] when a named row lacks a column of the model.
pub fn encode(value: &AnyElement, model: &Loaded, out: &mut Vec<f64>) -> Result<()> {
    // SAFETY: the datum is of the type that the call site says; composite values are tuples of their header's type.
    unsafe {
        if !is_composite(value.oid()) {
            return Err(Error::new(
                ErrorKind::WrongType,
                "predict takes an array of features, a row, or a table's row variable",
            )
            .with_hint("write pgml.predict('project', ARRAY[…]), ROW(…), or the alias of a table"));
        }
        let header = pg_sys::pg_detoast_datum(value.datum().cast_mut_ptr()).cast::<pg_sys::HeapTupleHeaderData>();
        let type_oid = (*header).t_choice.t_datum.datum_typeid;
        let typmod = (*header).t_choice.t_datum.datum_typmod;
        let descriptor = Descriptor::of(type_oid, typmod);
        let plan = plan(model, type_oid, typmod, &descriptor)?;

        let natts = (*descriptor.0).natts as usize;
        let mut tuple = pg_sys::HeapTupleData {
            t_len: datum_length(header),
            t_self: pg_sys::ItemPointerData::default(),
            t_tableOid: pg_sys::InvalidOid,
            t_data: header,
        };
        let (mut values, mut nulls) = (vec![pg_sys::Datum::null(); natts], vec![true; natts]);
        pg_sys::heap_deform_tuple(&mut tuple, descriptor.0, values.as_mut_ptr(), nulls.as_mut_ptr());

        let mut numbers = Vec::new();
        let slots: Vec<Slot> = plan
            .fields
            .iter()
            .map(|field| {
                let datum = (!nulls[field.attribute]).then_some(values[field.attribute]);
                Slot::read(field.kind, datum, &mut numbers)
            })
            .collect();
        model.predictor.encode_row(&mut |column| Ok(slots[column].cell(&numbers)), out)
    }
}

/// A value of the row, read before it is encoded; arrays lie one after another in a buffer of their own.
enum Slot {
    Null,
    Number(f64),
    Borrowed(&'static str),
    Owned(String),
    Numbers(Range<usize>),
}

impl Slot {
    /// Reads a datum of this kind.
    ///
    /// # Safety
    /// The slot must not outlive the row.
    unsafe fn read(kind: FieldKind, datum: Option<pg_sys::Datum>, numbers: &mut Vec<f64>) -> Self {
        let Some(datum) = datum else { return Self::Null };
        // SAFETY: the plan's kinds are those of the row's attributes.
        unsafe {
            match kind {
                FieldKind::Number(number) => Self::Number(number.read(datum)),
                FieldKind::Text => Self::Borrowed(datum::text(datum)),
                FieldKind::Output(oid) => Self::Owned(datum::output(oid, datum)),
                FieldKind::Numbers(number) => {
                    let start = numbers.len();
                    datum::array_into(datum, number, numbers);
                    Self::Numbers(start..numbers.len())
                }
                FieldKind::Vector(cast) => {
                    let start = numbers.len();
                    datum::vector_into(datum, cast, numbers);
                    Self::Numbers(start..numbers.len())
                }
            }
        }
    }

    fn cell<'a>(&'a self, numbers: &'a [f64]) -> Cell<'a> {
        match self {
            Self::Null => Cell::Null,
            Self::Number(x) => Cell::Number(*x),
            Self::Borrowed(text) => Cell::Text(text),
            Self::Owned(text) => Cell::Text(text.trim_end_matches(' ')),
            Self::Numbers(range) => Cell::Numbers(&numbers[range.clone()]),
        }
    }
}

/// The plan for this model and type: rows of one statement come one after another with the same.
unsafe fn plan(model: &Loaded, type_oid: pg_sys::Oid, typmod: i32, descriptor: &Descriptor) -> Result<RowPlan> {
    // SAFETY: the type is that of a composite value.
    let row_type = unsafe { pg_sys::assign_record_type_identifier(type_oid, typmod) };
    if let Some(plan) = model.row_plan.borrow().as_ref().filter(|plan| plan.row_type == row_type) {
        return Ok(plan.clone());
    }
    // SAFETY: the descriptor is pinned by the caller.
    let attributes = unsafe { descriptor.attributes() };
    let columns: Vec<&str> = model.predictor.schema().features().map(|c| c.name.as_str()).collect();
    let named = type_oid != pg_sys::RECORDOID || are_names(&columns, &attributes);
    let fields = if named { by_name(&columns, &attributes)? } else { by_position(&columns, &attributes)? };
    let plan = RowPlan { row_type, fields: fields.into() };
    model.row_plan.replace(Some(plan.clone()));
    Ok(plan)
}

/// Whether an anonymous row's columns have the model's names; `ROW(…)` calls its values f1, f2 and so on.
fn are_names(columns: &[&str], attributes: &[Attribute]) -> bool {
    let numbered = attributes.iter().enumerate().all(|(i, a)| a.name == format!("f{}", i + 1));
    !numbered && columns.iter().all(|name| attributes.iter().any(|a| a.name == *name))
}

fn by_name(columns: &[&str], attributes: &[Attribute]) -> Result<Vec<Field>> {
    columns
        .iter()
        .map(|name| {
            let attribute = attributes.iter().find(|a| a.name == *name).ok_or_else(|| {
                let known: Vec<&str> = attributes.iter().map(|a| a.name.as_str()).collect();
                Error::new(
                    ErrorKind::UndefinedColumn,
                    format!("the row has no column \"{name}\", which the model needs"),
                )
                .with_detail(format!("its columns: {}", known.join(", ")))
            })?;
            attribute.field()
        })
        .collect()
}

fn by_position(columns: &[&str], attributes: &[Attribute]) -> Result<Vec<Field>> {
    if attributes.len() != columns.len() {
        return Err(Error::new(
            ErrorKind::WrongDimension,
            format!("the model takes a row of {} columns, but {} were given", columns.len(), attributes.len()),
        )
        .with_detail(format!("its columns: {}", columns.join(", "))));
    }
    attributes.iter().map(Attribute::field).collect()
}

/// A live attribute of a composite type.
struct Attribute {
    index: usize,
    name: String,
    type_oid: pg_sys::Oid,
}

impl Attribute {
    fn field(&self) -> Result<Field> {
        // SAFETY: catalog look-ups by type.
        let kind = unsafe {
            let base = pg_sys::getBaseType(self.type_oid);
            let element = match pg_sys::get_element_type(base) {
                pg_sys::InvalidOid => pg_sys::InvalidOid,
                element => pg_sys::getBaseType(element),
            };
            if let Some(number) = NumberType::from_oid(base) {
                FieldKind::Number(number)
            } else if let Some(number) = NumberType::from_oid(element) {
                FieldKind::Numbers(number)
            } else if base == pg_sys::TEXTOID || base == pg_sys::VARCHAROID {
                FieldKind::Text
            } else if matches!(base, pg_sys::BPCHAROID | pg_sys::NAMEOID | pg_sys::UNKNOWNOID)
                || pg_sys::get_typtype(base) == b'e' as i8
            {
                FieldKind::Output(base)
            } else if let Some(cast) = datum::vector_cast(base) {
                FieldKind::Vector(cast)
            } else {
                let type_name = CStr::from_ptr(pg_sys::format_type_be(self.type_oid)).to_string_lossy();
                bail!(
                    WrongType,
                    "column \"{}\" of the row has type {type_name}, which cannot be predicted from",
                    self.name
                )
            }
        };
        Ok(Field { attribute: self.index, kind })
    }
}

/// A pinned row type.
struct Descriptor(pg_sys::TupleDesc);

impl Descriptor {
    unsafe fn of(type_oid: pg_sys::Oid, typmod: i32) -> Self {
        // SAFETY: the type is that of a composite value; the pin is released on drop.
        Self(unsafe { pg_sys::lookup_rowtype_tupdesc(type_oid, typmod) })
    }

    unsafe fn attributes(&self) -> Vec<Attribute> {
        // SAFETY: a descriptor has `natts` attributes.
        unsafe {
            let tuple = pgrx::PgTupleDesc::from_pg_is_copy(pg_sys::CreateTupleDescCopyConstr(self.0));
            tuple
                .iter()
                .enumerate()
                .filter(|(_, a)| !a.attisdropped)
                .map(|(index, a)| Attribute { index, name: a.name().to_owned(), type_oid: a.atttypid })
                .collect()
        }
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: releases the pin of `of`; only reference-counted descriptors have one.
        unsafe {
            if (*self.0).tdrefcount >= 0 {
                pg_sys::DecrTupleDescRefCount(self.0);
            }
        }
    }
}

unsafe fn is_composite(type_oid: pg_sys::Oid) -> bool {
    // SAFETY: a catalog look-up.
    unsafe { pg_sys::type_is_rowtype(type_oid) }
}

/// The length of a composite value, from its varlena header.
unsafe fn datum_length(header: *mut pg_sys::HeapTupleHeaderData) -> u32 {
    // SAFETY: a detoasted composite begins with a four-byte varlena header.
    unsafe { pgrx::varsize_any(header.cast::<pg_sys::varlena>()) as u32 }
}
