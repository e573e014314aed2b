//! Rows of `pgml.deployments`: which model of a project is live. The newest row decides.

use std::fmt;
use std::str::FromStr;

use pgml_core::error::{did_you_mean, guess_or, unknown_name};
use pgml_core::{Error, ErrorKind, Result, bail};

use super::{ModelRow, Project, model, only, project};
use crate::{Port, queries};

/// Why a model became the live one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// It was just trained, and better.
    NewScore,
    /// It has the best target metric.
    BestScore,
    /// It is the newest.
    MostRecent,
    /// It was live before.
    Rollback,
    /// The user named it.
    Specific,
}

impl Strategy {
    const ALL: [Self; 5] = [Self::NewScore, Self::BestScore, Self::MostRecent, Self::Rollback, Self::Specific];

    /// The SQL name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NewScore => "new_score",
            Self::BestScore => "best_score",
            Self::MostRecent => "most_recent",
            Self::Rollback => "rollback",
            Self::Specific => "specific",
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Strategy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|strategy| strategy.name() == text).ok_or_else(|| {
            unknown_name(ErrorKind::InvalidParameter, "strategy", text, Self::ALL.iter().map(|s| s.name()))
        })
    }
}

/// The model of `project` that `strategy` chooses, optionally among those of one algorithm.
///
/// `best_score` compares the target metric of the project's task as a number; models without one come last, and the
/// newest of equals wins. `rollback` takes the newest deployment of another model than the live one, so two rollbacks in
/// a row return to the first.
///
/// # Errors
/// [`ErrorKind::InvalidParameter`] for a strategy that does not choose, [`ErrorKind::NotFound`] when no model qualifies.
pub fn candidate(
    port: &mut dyn Port,
    project: &Project,
    strategy: Strategy,
    algorithm: Option<&str>,
) -> Result<ModelRow> {
    let rows = match strategy {
        Strategy::BestScore => best_score(port, project, algorithm)?,
        Strategy::MostRecent => port.query(queries::CANDIDATE_MOST_RECENT, &[&project.id, &algorithm])?,
        Strategy::Rollback => port.query(queries::CANDIDATE_ROLLBACK, &[&project.id, &algorithm])?,
        Strategy::NewScore | Strategy::Specific => {
            return Err(Error::new(ErrorKind::InvalidParameter, format!("invalid strategy \"{strategy}\""))
                .with_detail("known: best_score, most_recent, rollback")
                .with_hint("to deploy a certain model, pass its id: pgml.deploy(model_id)"));
        }
    };
    match rows.first() {
        Some(row) => model(port, row.get(0)?),
        None => Err(no_candidate(project, strategy, algorithm, &algorithms(port, project)?)),
    }
}

/// The algorithms that the project has models of.
fn algorithms(port: &mut dyn Port, project: &Project) -> Result<Vec<String>> {
    port.query(queries::ALGORITHMS_OF_PROJECT, &[&project.id])?.iter().map(|row| row.get(0)).collect()
}

fn best_score(port: &mut dyn Port, project: &Project, algorithm: Option<&str>) -> Result<Vec<crate::Row>> {
    let Some((metric, higher_is_better)) = project.task.target_metric() else {
        bail!(NotSupported, "task {} has no metric to choose the best model by", project.task);
    };
    let sql = if higher_is_better { queries::CANDIDATE_HIGHEST } else { queries::CANDIDATE_LOWEST };
    port.query(sql, &[&project.id, &algorithm, &metric])
}

fn no_candidate(project: &Project, strategy: Strategy, algorithm: Option<&str>, known: &[String]) -> Error {
    let of = algorithm.map_or_else(String::new, |name| format!(" of algorithm \"{name}\""));
    let message = format!("no qualified models exist for this deployment of project \"{}\"", project.name);
    let error = Error::new(ErrorKind::NotFound, message).with_detail(match strategy {
        Strategy::Rollback => format!("no other model{of} than the live one was ever deployed"),
        _ => format!("the project has no successfully trained model{of}"),
    });
    match algorithm {
        Some(given) if !known.is_empty() && !known.iter().any(|name| name == given) => {
            let guess = did_you_mean(given, known.iter().map(String::as_str));
            error.with_hint(guess_or(guess, &format!("its models are of: {}", known.join(", "))))
        }
        _ => error,
    }
}

/// Makes `model` the live one of its project and tells the deployment's id. Seen by others when the transaction commits.
///
/// # Errors
/// Whatever the database says.
pub fn deploy(port: &mut dyn Port, model: &ModelRow, strategy: Strategy) -> Result<i64> {
    let rows = port.query(queries::DEPLOYMENT_INSERT, &[&model.project_id, &model.id, &strategy.name()])?;
    only(rows)?.get(0)
}

/// The id of the live model of the project of this name.
///
/// # Errors
/// [`ErrorKind::NotFound`] when there is no such project, [`ErrorKind::NotReady`] when none of its models is deployed.
pub fn deployed_model(port: &mut dyn Port, name: &str) -> Result<i64> {
    if let Some(row) = port.query(queries::DEPLOYED_BY_NAME, &[&name])?.first() {
        return row.get(0);
    }
    project(port, name)?;
    Err(Error::new(ErrorKind::NotReady, format!("no deployed model exists for the project named \"{name}\""))
        .with_hint("deploy one: SELECT * FROM pgml.deploy('<project>', 'most_recent')"))
}

/// The id of the live model of a project, if it has one.
///
/// # Errors
/// Whatever the database says.
pub fn deployed_model_of(port: &mut dyn Port, project_id: i64) -> Result<Option<i64>> {
    port.query(queries::DEPLOYED_BY_PROJECT, &[&project_id])?.first().map(|row| row.get(0)).transpose()
}

#[cfg(test)]
mod tests {
    use pgml_core::Task;
    use postgres_types::Type;

    use super::*;
    use crate::fake::{Fake, row};

    fn of(task: Task) -> Project {
        Project { id: 3, name: "p".to_owned(), task }
    }

    #[test]
    fn every_strategy_reads_back_from_its_name() {
        for strategy in Strategy::ALL {
            assert_eq!(strategy.name().parse(), Ok(strategy));
        }
        let error = "best_scor".parse::<Strategy>().expect_err("a misspelling");
        assert_eq!(error.message(), "unknown strategy \"best_scor\"; did you mean \"best_score\"?");
    }

    #[test]
    fn the_best_score_is_the_lowest_perplexity_but_the_highest_f1() {
        for (task, sql) in
            [(Task::TextGeneration, queries::CANDIDATE_LOWEST), (Task::Classification, queries::CANDIDATE_HIGHEST)]
        {
            let mut port = Fake::default().expect(sql, vec![]).expect(queries::ALGORITHMS_OF_PROJECT, vec![]);
            let error = candidate(&mut port, &of(task), Strategy::BestScore, None).expect_err("no model");
            assert_eq!(error.kind(), ErrorKind::NotFound);
        }
    }

    #[test]
    fn a_misspelt_algorithm_is_guessed_among_those_of_the_project() {
        for (given, hint) in [
            ("xgbost", Some("did you mean \"xgboost\"?")),
            ("svm", Some("its models are of: linear, xgboost")),
            ("linear", None),
        ] {
            let known = ["linear", "xgboost"].map(|name| row(&[(Type::TEXT, &name)])).to_vec();
            let mut port = Fake::default()
                .expect(queries::CANDIDATE_MOST_RECENT, vec![])
                .expect(queries::ALGORITHMS_OF_PROJECT, known);
            let found = candidate(&mut port, &of(Task::Regression), Strategy::MostRecent, Some(given));
            let error = found.expect_err("no model");
            assert_eq!((error.kind(), error.hint()), (ErrorKind::NotFound, hint));
        }
    }

    #[test]
    fn strategies_that_do_not_choose_are_refused() {
        for strategy in [Strategy::NewScore, Strategy::Specific] {
            let error = candidate(&mut Fake::default(), &of(Task::Regression), strategy, None).expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::InvalidParameter);
        }
    }

    #[test]
    fn a_missing_project_and_a_missing_deployment_are_told_apart() {
        let missing = || Fake::default().expect(queries::DEPLOYED_BY_NAME, vec![]);
        let mut port = missing().expect(queries::PROJECT_BY_NAME, vec![]).expect(queries::PROJECT_LIST, vec![]);
        assert_eq!(deployed_model(&mut port, "p").map_err(|e| e.kind()), Err(ErrorKind::NotFound));
        let stored = row(&[(Type::INT8, &3_i64), (Type::TEXT, &"p"), (Type::TEXT, &"regression")]);
        let mut port = missing().expect(queries::PROJECT_BY_NAME, vec![stored]);
        assert_eq!(deployed_model(&mut port, "p").map_err(|e| e.kind()), Err(ErrorKind::NotReady));
    }
}
