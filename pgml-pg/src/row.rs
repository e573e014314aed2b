//! Rows as `predict` gets them: arrays of raw features, or composite values.
//!
//! A composite of a named type (a table's row) is matched to the model's columns by name: other columns, the label among
//! them, are ignored. An anonymous `ROW(…)` has no names, so its values stand in the order of the training columns. The
//! row of a subquery is anonymous too, but its columns have names: they count when all the model's columns are there.

use std::cell::Cell;
use std::ffi::CStr;
use std::ops::Range;

use pgml_core::error::{did_you_mean, guess_or};
use pgml_core::predictor;
use pgml_core::{Error, ErrorKind, Result, bail};
use pgrx::{AnyElement, pg_sys};

use crate::cache::{self, Loaded};
use crate::datum::{self, NumberType};
use crate::encoding::to_utf8;
use crate::tuple::{self, Layout, Stored};

/// Where a model's columns are found in values of one composite type.
pub struct RowPlan {
    type_oid: pg_sys::Oid,
    typmod: i32,
    /// PostgreSQL's number for this form of the type; ALTER TABLE gives it another one.
    row_type: u64,
    /// How many relations had changed when that number was last asked for.
    changes: Cell<u64>,
    fields: Vec<Field>,
    layout: Layout,
    /// Whether the model's raw features are the fields' numbers, as they are.
    plain: bool,
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
            // A vector of pgvector's, as one array of features.
            if let Some(cast) = datum::vector_cast_of_last(value.oid()) {
                datum::vector_into(value.datum(), cast, out);
                return Ok(());
            }
            return Err(no_row("predict"));
        }
        encode_datum(value.datum(), model, out)
    }
}

/// What is said of an argument that is neither an array of numbers nor a row.
pub fn no_row(function: &str) -> Error {
    Error::new(ErrorKind::WrongType, format!("{function} takes an array of features, a row, or a table's row variable"))
        .with_hint(format!("write pgml.{function}('project', ARRAY[…]), ROW(…), or the alias of a table"))
}

/// As [`encode`], of a datum that is known to be a row.
///
/// # Errors
/// As [`encode`].
///
/// # Safety
/// The datum is a composite value and not NULL.
#[inline]
pub unsafe fn encode_datum(datum: pg_sys::Datum, model: &Loaded, out: &mut Vec<f64>) -> Result<()> {
    // SAFETY: a composite value is a tuple of its header's type.
    unsafe {
        let header = detoasted(datum);
        // Taken, not borrowed: a cast or an output function may come back here.
        let plan = match model.row_plan.take() {
            Some(plan) if plan.is_for(header) => plan,
            _ => RowPlan::new(model, header)?,
        };
        let encoded = plan.encode(header, model, out);
        model.row_plan.replace(Some(plan));
        encoded
    }
}

/// The tuple in a datum. Rows that an expression made are plain, which is seen without a call.
#[inline]
unsafe fn detoasted(datum: pg_sys::Datum) -> *mut pg_sys::HeapTupleHeaderData {
    let pointer = datum.cast_mut_ptr::<pg_sys::varlena>();
    // SAFETY: the caller's datum is a composite value, not NULL.
    unsafe {
        if pgrx::varlena::varatt_is_4b_u(pointer) { pointer.cast() } else { pg_sys::pg_detoast_datum(pointer).cast() }
    }
}

impl RowPlan {
    /// The plan for this model and the type of this value.
    unsafe fn new(model: &Loaded, header: *const pg_sys::HeapTupleHeaderData) -> Result<Self> {
        // SAFETY: the header is that of a composite value.
        unsafe {
            let (type_oid, typmod) = type_of(header);
            let changes = Cell::new(cache::relation_changes());
            let row_type = pg_sys::assign_record_type_identifier(type_oid, typmod);
            let (all, attributes) = Descriptor::of(type_oid, typmod).attributes();
            let schema = model.predictor.schema();
            let columns: Vec<&str> = schema.features().map(|c| c.name.as_str()).collect();
            let named = type_oid != pg_sys::RECORDOID || are_names(&columns, &attributes);
            let fields = if named { by_name(&columns, &attributes)? } else { by_position(&columns, &attributes)? };
            let wanted: Vec<usize> = fields.iter().map(|field| field.attribute).collect();
            let numbers = fields.iter().all(|field| matches!(field.kind, FieldKind::Number(_)));
            let plain = numbers && schema.features().all(|column| !column.is_categorical() && !column.array);
            let layout = Layout::new(&all, &wanted);
            Ok(Self { type_oid, typmod, row_type, changes, fields, layout, plain })
        }
    }

    /// Whether it is for values like this one.
    #[inline]
    unsafe fn is_for(&self, header: *const pg_sys::HeapTupleHeaderData) -> bool {
        // SAFETY: the header is that of a composite value.
        unsafe {
            let changes = cache::relation_changes();
            if type_of(header) != (self.type_oid, self.typmod) {
                return false;
            }
            if self.changes.get() != changes {
                if pg_sys::assign_record_type_identifier(self.type_oid, self.typmod) != self.row_type {
                    return false;
                }
                self.changes.set(changes);
            }
            true
        }
    }

    /// Appends the raw features of this row.
    #[inline]
    unsafe fn encode(
        &self,
        header: *mut pg_sys::HeapTupleHeaderData,
        model: &Loaded,
        out: &mut Vec<f64>,
    ) -> Result<()> {
        if !self.plain {
            // SAFETY: as here.
            return unsafe { self.encode_cells(header, model, out) };
        }
        // SAFETY: the plan is for this row's type.
        unsafe {
            if let Some((data, places)) = self.layout.places(header) {
                out.extend(self.fields.iter().zip(places).map(|(field, (stored, offset))| match field.kind {
                    FieldKind::Number(number) => number.read(tuple::datum(data.add(*offset), *stored)),
                    _ => f64::NAN,
                }));
                return Ok(());
            }
            let start = out.len();
            out.resize(start + self.fields.len(), f64::NAN);
            let features = &mut out[start..];
            self.each_datum(header, |field, datum| {
                if let (FieldKind::Number(number), Some(datum)) = (self.fields[field].kind, datum) {
                    features[field] = number.read(datum);
                }
            });
        }
        Ok(())
    }

    /// As `encode`, for texts, arrays, and columns whose numbers stand for something else.
    unsafe fn encode_cells(
        &self,
        header: *mut pg_sys::HeapTupleHeaderData,
        model: &Loaded,
        out: &mut Vec<f64>,
    ) -> Result<()> {
        let mut numbers = Vec::new();
        let mut slots: Vec<Slot> = self.fields.iter().map(|_| Slot::Null).collect();
        // SAFETY: the plan is for this row's type, and the slots do not outlive the row.
        unsafe {
            self.each_datum(header, |field, datum| {
                slots[field] = Slot::read(self.fields[field].kind, datum, &mut numbers);
            });
        }
        model.predictor.encode_row(&mut |column| Ok(slots[column].cell(&numbers)), out)
    }

    /// Calls `each` with every field's number and datum.
    unsafe fn each_datum(
        &self,
        header: *mut pg_sys::HeapTupleHeaderData,
        mut each: impl FnMut(usize, Option<pg_sys::Datum>),
    ) {
        // SAFETY: the plan is for this row's type.
        unsafe {
            if !self.layout.read(header, &mut each) {
                self.each_datum_of_old(header, each);
            }
        }
    }

    /// Of a row that was stored before its type got all its columns: PostgreSQL knows what stands for the missing ones.
    unsafe fn each_datum_of_old(
        &self,
        header: *mut pg_sys::HeapTupleHeaderData,
        mut each: impl FnMut(usize, Option<pg_sys::Datum>),
    ) {
        // SAFETY: the descriptor is that of the row's type.
        unsafe {
            let descriptor = Descriptor::of(self.type_oid, self.typmod);
            let natts = (*descriptor.0).natts as usize;
            let mut tuple = pg_sys::HeapTupleData {
                t_len: datum_length(header),
                t_self: pg_sys::ItemPointerData::default(),
                t_tableOid: pg_sys::InvalidOid,
                t_data: header,
            };
            let (mut values, mut nulls) = (vec![pg_sys::Datum::null(); natts], vec![true; natts]);
            pg_sys::heap_deform_tuple(&mut tuple, descriptor.0, values.as_mut_ptr(), nulls.as_mut_ptr());
            for (number, field) in self.fields.iter().enumerate() {
                each(number, (!nulls[field.attribute]).then_some(values[field.attribute]));
            }
        }
    }
}

/// The type of a composite value.
#[inline]
unsafe fn type_of(header: *const pg_sys::HeapTupleHeaderData) -> (pg_sys::Oid, i32) {
    // SAFETY: a composite value carries its type in its header.
    unsafe { ((*header).t_choice.t_datum.datum_typeid, (*header).t_choice.t_datum.datum_typmod) }
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

    fn cell<'a>(&'a self, numbers: &'a [f64]) -> predictor::Cell<'a> {
        match self {
            Self::Null => predictor::Cell::Null,
            Self::Number(x) => predictor::Cell::Number(*x),
            Self::Borrowed(text) => predictor::Cell::Text(text),
            Self::Owned(text) => predictor::Cell::Text(text.trim_end_matches(' ')),
            Self::Numbers(range) => predictor::Cell::Numbers(&numbers[range.clone()]),
        }
    }
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
                .with_hint(guess_or(
                    did_you_mean(name, known.iter().copied()),
                    "rename or add the column in a subquery",
                ))
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

    /// How each attribute is stored, dropped ones too, and the live attributes.
    unsafe fn attributes(&self) -> (Vec<Stored>, Vec<Attribute>) {
        // SAFETY: a descriptor has `natts` attributes.
        unsafe {
            let tuple = pgrx::PgTupleDesc::from_pg_is_copy(pg_sys::CreateTupleDescCopyConstr(self.0));
            let live = tuple
                .iter()
                .enumerate()
                .filter(|(_, a)| !a.attisdropped)
                .map(|(index, a)| Attribute { index, name: attribute_name(a), type_oid: a.atttypid })
                .collect();
            (tuple.iter().map(Stored::of).collect(), live)
        }
    }
}

fn attribute_name(attribute: &pg_sys::FormData_pg_attribute) -> String {
    // SAFETY: a name in the database's encoding, which ends in a zero byte.
    unsafe { to_utf8(CStr::from_ptr(attribute.attname.data.as_ptr()).to_bytes()) }.to_owned()
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

/// Whether values of this type are rows.
///
/// # Safety
/// Called in a transaction.
pub unsafe fn is_composite(type_oid: pg_sys::Oid) -> bool {
    // SAFETY: a catalog look-up.
    unsafe { pg_sys::type_is_rowtype(type_oid) }
}

/// The length of a composite value, from its varlena header.
unsafe fn datum_length(header: *mut pg_sys::HeapTupleHeaderData) -> u32 {
    // SAFETY: a detoasted composite begins with a four-byte varlena header.
    unsafe { pgrx::varsize_any(header.cast::<pg_sys::varlena>()) as u32 }
}
