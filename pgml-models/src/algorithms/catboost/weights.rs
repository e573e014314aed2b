//! Weights of rows: those of the data, times factors by class.

use pgml_core::{Dataset, Result, Task, bail};

use super::params::CatboostParams;
use crate::algorithms::task_params::{refuse_other_tasks, regression_targets};
use crate::solvers::class_weight;

/// Refuses targets that cannot be learnt, and parameters of the other task.
pub(super) fn check_target(params: &CatboostParams, data: &Dataset, task: Task) -> Result<()> {
    if task == Task::Regression {
        regression_targets(data)?;
        let names = ["class_weights", "auto_class_weights", "scale_pos_weight"];
        return refuse_other_tasks("catboost", params, task, &names);
    }
    data.target()?;
    if data.n_classes() < 2 {
        bail!(InvalidData, "there is one class only; catboost needs at least two to tell apart");
    }
    Ok(())
}

/// The weight of each row, in single precision as CatBoost's; none when all weigh 1.
pub(super) fn of_rows(params: &CatboostParams, data: &Dataset, task: Task) -> Result<Option<Vec<f32>>> {
    let given = data.weight();
    let plain = || given.map(|weight| weight.iter().map(|w| *w as f32).collect());
    let chosen =
        !params.class_weights.is_null() || params.auto_class_weights.is_some() || params.scale_pos_weight.is_some();
    if task == Task::Regression || !chosen {
        return Ok(plain());
    }
    let classes = data.target()?;
    let mut factors = class_weight::factors(&params.class_weights, classes, data.n_classes(), given)?;
    if let Some(kind) = &params.auto_class_weights {
        let mut totals = vec![0.0; data.n_classes()];
        classes.iter().enumerate().for_each(|(row, class)| totals[*class as usize] += given.map_or(1.0, |w| w[row]));
        let most = totals.iter().fold(0.0_f64, |a, b| a.max(*b));
        for (factor, total) in factors.iter_mut().zip(totals).filter(|(_, total)| *total > 0.0) {
            let balance: f64 = most / total;
            *factor *= if kind == "SqrtBalanced" { balance.sqrt() } else { balance };
        }
    }
    if let Some(factor) = params.scale_pos_weight {
        if data.n_classes() != 2 {
            bail!(InvalidParameter, "scale_pos_weight of catboost is for two classes, not for {}", data.n_classes());
        }
        factors[1] *= factor;
    }
    let weight =
        classes.iter().enumerate().map(|(row, class)| given.map_or(1.0, |w| w[row]) * factors[*class as usize]);
    let weight: Vec<f32> = weight.map(|w| w as f32).collect();
    if !weight.iter().any(|w| *w > 0.0) {
        bail!(InvalidData, "all rows weigh nothing");
    }
    Ok(Some(weight))
}
