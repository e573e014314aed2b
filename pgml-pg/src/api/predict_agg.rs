//! Steps of the aggregates `pgml.predict_agg` and `pgml.predict_proba_agg`.

use pgrx::prelude::*;

use crate::array::ArrayOut;
use crate::predict_agg::{Answer, GroupRef, Subject, finish, step};
use crate::report::{Report, SqlResult};

macro_rules! steps {
    ($($name:ident: $subject:ident, $answer:ident;)+) => {$(
        #[pg_extern(sql = false)]
        fn $name(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<GroupRef> {
            // SAFETY: SQL declares it for a state, the subject and a value of any type.
            unsafe { step(fcinfo, Subject::$subject, Answer::$answer) }.report()
        }
    )+};
}

steps! {
    predict_agg_project: Project, Prediction;
    predict_agg_model: Model, Prediction;
    proba_agg_project: Project, Probabilities;
    proba_agg_model: Model, Probabilities;
}

/// The array of a group's predictions.
#[pg_extern(sql = false)]
fn predict_agg_final(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<ArrayOut<f32>> {
    // SAFETY: SQL declares it for a state alone.
    unsafe { finish(fcinfo) }.report()
}
