//! Steps of the element-wise aggregates over `real[]` (`_s`) and `double precision[]` (`_d`).
//!
//! The state is an array of the argument's type. Inside an aggregate it belongs to the aggregate and is changed in
//! place, so a group costs one allocation; called as ordinary functions the steps leave their arguments alone.

use pgml_core::{Result, vector};
use pgrx::PgMemoryContexts;
use pgrx::prelude::*;

use crate::array::{ArrayArg, ArrayOut, Element};
use crate::report::{SqlResult, sql};

type Arg<'a, T> = Option<ArrayArg<'a, T>>;

/// Adds a row to the state. `enter` turns an element into a state element, `op` joins two of those.
fn step<T: Element + vector::Real>(
    fcinfo: pg_sys::FunctionCallInfo,
    state: Arg<'_, T>,
    row: Arg<'_, T>,
    enter: impl Fn(T) -> T,
    op: impl Fn(T, T) -> T,
) -> SqlResult<Option<ArrayOut<T>>> {
    sql(|| {
        let Some(row) = row else { return Ok(state.map(ArrayOut::from)) };
        let row = row.values()?;
        let Some(state) = state else { return in_state_memory(fcinfo, row, enter).map(Some) };
        let mut state = owned(fcinfo, state)?;
        // SAFETY: `owned` has seen that there is no NULL in it.
        vector::accumulate(unsafe { state.values_mut() }, row, |state, x| op(state, enter(x)))?;
        Ok(Some(state))
    })
}

/// A new state: the first row of a group, in memory that lives as long as the group.
fn in_state_memory<T: Element>(
    fcinfo: pg_sys::FunctionCallInfo,
    row: &[T],
    enter: impl Fn(T) -> T,
) -> Result<ArrayOut<T>> {
    let fill = |out: &mut [T]| {
        out.iter_mut().zip(row).for_each(|(out, x)| *out = enter(*x));
        Ok(())
    };
    match aggregate_context(fcinfo) {
        // SAFETY: the executor's context for this group outlives the call.
        Some(context) => unsafe { PgMemoryContexts::For(context).switch_to(|_| ArrayOut::build(row.len(), fill)) },
        None => ArrayOut::build(row.len(), fill),
    }
}

/// The state to change: itself inside an aggregate, a copy elsewhere.
fn owned<T: Element>(fcinfo: pg_sys::FunctionCallInfo, state: ArrayArg<'_, T>) -> Result<ArrayOut<T>> {
    let values = state.values()?;
    match aggregate_context(fcinfo) {
        Some(_) => Ok(ArrayOut::from(state)),
        None => in_state_memory(fcinfo, values, |x| x),
    }
}

fn aggregate_context(fcinfo: pg_sys::FunctionCallInfo) -> Option<pg_sys::MemoryContext> {
    let mut context = std::ptr::null_mut();
    // SAFETY: valid call data; the answer is 0 outside an aggregate.
    let called_as = unsafe { pg_sys::AggCheckCallContext(fcinfo, &raw mut context) };
    (called_as != 0).then_some(context)
}

/// The result of a group: its state, or an empty array when it had no row.
fn finish<T: Element>(state: Arg<'_, T>) -> SqlResult<ArrayOut<T>> {
    Ok(state.map_or_else(|| ArrayOut::from_values(&[]), ArrayOut::from))
}

macro_rules! aggregates {
    ($($state:ident, $combine:ident, $finalize:ident: $float:ty = $enter:expr, $op:expr;)+) => {$(
        #[pg_extern(sql = false)]
        fn $state(
            this: Arg<'_, $float>,
            arg_one: Arg<'_, $float>,
            fcinfo: pg_sys::FunctionCallInfo,
        ) -> SqlResult<Option<ArrayOut<$float>>> {
            step(fcinfo, this, arg_one, $enter, $op)
        }

        #[pg_extern(sql = false)]
        fn $combine(
            this: Arg<'_, $float>,
            v: Arg<'_, $float>,
            fcinfo: pg_sys::FunctionCallInfo,
        ) -> SqlResult<Option<ArrayOut<$float>>> {
            step(fcinfo, this, v, |x| x, $op)
        }

        #[pg_extern(sql = false)]
        fn $finalize(this: Arg<'_, $float>) -> SqlResult<ArrayOut<$float>> {
            finish(this)
        }
    )+};
}

aggregates! {
    sum_s_state, sum_s_combine, sum_s_finalize: f32 = |x| x, |a, b| a + b;
    sum_d_state, sum_d_combine, sum_d_finalize: f64 = |x| x, |a, b| a + b;
    max_s_state, max_s_combine, max_s_finalize: f32 = |x| x, vector::larger;
    max_d_state, max_d_combine, max_d_finalize: f64 = |x| x, vector::larger;
    min_s_state, min_s_combine, min_s_finalize: f32 = |x| x, vector::smaller;
    min_d_state, min_d_combine, min_d_finalize: f64 = |x| x, vector::smaller;
    max_abs_s_state, max_abs_s_combine, max_abs_s_finalize: f32 = f32::abs, vector::larger;
    max_abs_d_state, max_abs_d_combine, max_abs_d_finalize: f64 = f64::abs, vector::larger;
    min_abs_s_state, min_abs_s_combine, min_abs_s_finalize: f32 = f32::abs, vector::smaller;
    min_abs_d_state, min_abs_d_combine, min_abs_d_finalize: f64 = f64::abs, vector::smaller;
}
