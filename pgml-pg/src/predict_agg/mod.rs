//! The aggregate `pgml.predict_agg`: rows go straight from the executor into blocks of features, and blocks through the
//! model.
//!
//! Rows of all groups share one block, because there may be millions of groups; each group holds only its answers, in the
//! order in which its rows came.

mod argument;
mod group;
mod site;

pub use argument::Subject;
pub use group::{Answer, Group, GroupRef, finish};

use std::rc::Rc;

use pgml_core::{Error, ErrorKind, Result};
use pgrx::{PgMemoryContexts, pg_sys};

use argument::Arguments;
use site::Site;

/// Takes a row in: the step of the aggregate.
///
/// # Errors
/// When called outside an aggregate, and those of loading the model, reading the row and predicting.
///
/// # Safety
/// The call's arguments are a state of this aggregate or NULL, a `subject`, and a value of any type.
pub unsafe fn step(fcinfo: pg_sys::FunctionCallInfo, subject: Subject, answer: Answer) -> Result<GroupRef> {
    // SAFETY: as promised by the caller.
    unsafe {
        let arguments = Arguments::of(fcinfo, subject);
        let group = match arguments.state() {
            Some(group) => group,
            None => begin(fcinfo, answer)?,
        };
        group.add(&arguments)?;
        Ok(group)
    }
}

/// A group without rows yet. It lives as long as the executor's memory for it.
unsafe fn begin(fcinfo: pg_sys::FunctionCallInfo, answer: Answer) -> Result<GroupRef> {
    let mut context = std::ptr::null_mut();
    // SAFETY: valid call data; the answer is 0 outside an aggregate, else the context outlives the group.
    unsafe {
        if pg_sys::AggCheckCallContext(fcinfo, &raw mut context) == 0 {
            return Err(Error::new(
                ErrorKind::NotSupported,
                "this function is a step of the aggregate pgml.predict_agg",
            )
            .with_hint("call SELECT pgml.predict_agg('project', t) FROM t"));
        }
        let group = Group::new(Site::of(fcinfo, answer)?);
        Ok(GroupRef::new(PgMemoryContexts::For(context).leak_and_drop_on_delete(group)))
    }
}

/// What the calls of one aggregate in one statement share, kept with the function's call data.
impl Site {
    unsafe fn of(fcinfo: pg_sys::FunctionCallInfo, answer: Answer) -> Result<Rc<Self>> {
        // SAFETY: `fn_extra` is this function's own; what it points to lives in `fn_mcxt`.
        unsafe {
            let function = (*fcinfo).flinfo;
            if (*function).fn_extra.is_null() {
                let site = Rc::new(Self::new(function, answer)?);
                let kept = PgMemoryContexts::For((*function).fn_mcxt).leak_and_drop_on_delete(site);
                (*function).fn_extra = kept.cast();
            }
            Ok(Rc::clone(&*(*function).fn_extra.cast::<Rc<Self>>()))
        }
    }
}
