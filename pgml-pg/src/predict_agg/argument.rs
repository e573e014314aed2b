//! What a step is called with, read without a conversion per row.

use std::rc::Rc;

use pgml_core::Result;
use pgrx::{FromDatum, pg_sys};

use super::group::GroupRef;
use crate::cache::{self, Loaded};

/// What the first argument names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A project, whose deployed model answers.
    Project,
    /// A model.
    Model,
}

/// The arguments of one step.
pub struct Arguments<'a> {
    given: &'a [pg_sys::NullableDatum],
    subject: Subject,
}

impl Arguments<'_> {
    /// Those of this call.
    ///
    /// # Safety
    /// The call has three arguments, the second of them a `subject`, and they live as long as the result.
    pub unsafe fn of(fcinfo: pg_sys::FunctionCallInfo, subject: Subject) -> Self {
        // SAFETY: as promised by the caller.
        Self { given: unsafe { (*fcinfo).args.as_slice(3) }, subject }
    }

    /// The group's state, after its first row.
    pub fn state(&self) -> Option<GroupRef> {
        (!self.given[0].isnull).then(|| GroupRef::new(self.given[0].value.cast_mut_ptr()))
    }

    /// The row or array.
    pub fn row(&self) -> Option<pg_sys::Datum> {
        (!self.given[2].isnull).then_some(self.given[2].value)
    }

    fn named(&self) -> Option<pg_sys::Datum> {
        (!self.given[1].isnull).then_some(self.given[1].value)
    }
}

/// The model that was asked for last, remembered under the bytes that named it.
pub struct Asked {
    /// A project's name as it stood in memory, header included; empty for a model.
    name: Vec<u8>,
    id: i64,
    /// The model.
    pub model: Rc<Loaded>,
}

impl Asked {
    /// Whether these arguments ask for it again; nothing is asked when it is NULL.
    #[inline]
    pub fn is_meant(&self, arguments: &Arguments<'_>) -> Option<bool> {
        let datum = arguments.named()?;
        Some(match arguments.subject {
            Subject::Model => datum.value() as i64 == self.id,
            // SAFETY: the argument is a text.
            Subject::Project => !self.name.is_empty() && unsafe { bytes(datum) } == self.name,
        })
    }

    /// The model that they ask for, as the current statement sees it; `None` when they name none.
    pub fn find(arguments: &Arguments<'_>) -> Result<Option<Self>> {
        let Some(datum) = arguments.named() else { return Ok(None) };
        if arguments.subject == Subject::Model {
            let id = datum.value() as i64;
            return Ok(Some(Self { name: Vec::new(), id, model: cache::model(id)? }));
        }
        // SAFETY: the argument is a text, which lives during the call.
        unsafe {
            let project = <&str>::from_datum(datum, false).unwrap_or_default();
            Ok(Some(Self { name: bytes(datum).to_vec(), id: 0, model: cache::deployed(project)? }))
        }
    }
}

/// A text with its header, as it stands in memory: equal ones are the same text. Those stored elsewhere tell nothing.
unsafe fn bytes<'a>(datum: pg_sys::Datum) -> &'a [u8] {
    let pointer = datum.cast_mut_ptr::<pg_sys::varlena>();
    // SAFETY: the datum is a text, so its header tells its length.
    unsafe {
        if pgrx::varlena::varatt_is_1b_e(pointer) {
            return &[];
        }
        std::slice::from_raw_parts(pointer.cast::<u8>(), pgrx::varsize_any(pointer))
    }
}
