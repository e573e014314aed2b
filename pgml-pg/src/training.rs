//! The way of one `pgml.train`: find what to train on, train on a thread of its own, store, deploy if better.

use std::sync::Arc;
use std::time::Duration;

use pgml_core::deploy::{Decision, decide};
use pgml_core::preprocess::Settings;
use pgml_core::run::{Level, Reservation};
use pgml_core::sampling::Split;
use pgml_core::schema::Schema;
use pgml_core::search::Search;
use pgml_core::train::{Candidate, TrainRequest, Trained, Training};
use pgml_core::{Algorithm, Error, ErrorKind, Result, Run, Task, bail};
use pgml_store::Artifact;
use pgml_store::catalog::{self, NewModel, NewSnapshot, Privilege, Project, Snapshot, Strategy};
use pgrx::Spi;
use pgrx::spi::quote_identifier;
use serde_json::{Map, Value, json};

use crate::compute::run_on_thread;
use crate::owner::as_owner;
use crate::privilege::Role;
use crate::relation::{Column, Relation, spi_error};
use crate::spi_port::SpiPort;
use crate::{guc, message, progress};

/// What `pgml.train` was called with.
pub struct Arguments {
    pub project: String,
    pub task: Option<Task>,
    pub relation: Option<String>,
    pub labels: Vec<String>,
    pub algorithm: String,
    pub hyperparams: Map<String, Value>,
    pub search: Option<Search>,
    pub search_params: Map<String, Value>,
    pub search_args: Map<String, Value>,
    pub split: Split,
    pub runtime: Option<String>,
    pub automatic_deploy: bool,
    pub materialize: bool,
    pub preprocess: Map<String, Value>,
    pub group_by: Option<String>,
}

/// What `pgml.train` returns.
pub struct Outcome {
    pub project: String,
    pub task: Task,
    pub algorithm: &'static str,
    pub deployed: bool,
    pub metrics: Map<String, Value>,
}

/// What is trained on: the arguments' relation, or the snapshot that the project was last trained on.
struct Source {
    /// The snapshot's row, when it is written already.
    snapshot: Option<i64>,
    /// As the user named it.
    relation_name: String,
    relation: Relation,
    labels: Vec<String>,
    split: Split,
    preprocess: Map<String, Value>,
    seed: u64,
}

/// Trains a model, stores it, and deploys it if it is better than the deployed one.
///
/// # Errors
/// For arguments and data that cannot be trained on; for a project that the caller may not train into; on cancel. Nothing
/// is left behind then.
pub fn train(arguments: Arguments) -> Result<Outcome> {
    let caller = Role::current();
    let known = as_owner(|| catalog::find_project(&mut SpiPort::new(), &arguments.project))?;
    if known.is_some() {
        as_owner(|| may_train(caller, &arguments.project))?;
    }
    let task = agree_on_task(&arguments, known.as_ref())?;
    let portfolio = Portfolio::choose(&arguments, task)?;
    check_runtime(arguments.runtime.as_deref())?;
    let _shown = progress::Work::begin(&arguments.project, &arguments.algorithm);
    let source = Source::find(&arguments, known.as_ref(), task)?;

    let fitted = fit(&arguments, &source, &portfolio, task)?;
    let owner = caller.name();
    as_owner(|| {
        let project =
            catalog::find_or_create_project(&mut SpiPort::new(), &arguments.project, Some(task), Some(&owner))?;
        // Another session may have made it, or changed its grants, during the fit.
        may_train(caller, &project.name)?;
        store(&arguments, project, &source, &fitted)
    })
}

/// Refuses a caller who may not train into the project. Runs as the catalog's owner.
fn may_train(caller: Role, project: &str) -> Result<()> {
    caller.require(Privilege::Train, &catalog::grants_of_project(&mut SpiPort::new(), project)?)
}

fn agree_on_task(arguments: &Arguments, known: Option<&Project>) -> Result<Task> {
    match (known, arguments.task) {
        (None, None) => as_owner(|| {
            let name = &arguments.project;
            let otherwise = "for example task => 'regression' or task => 'classification'";
            let hint = catalog::unknown_project(&mut SpiPort::new(), name, otherwise)?;
            let message =
                format!("project \"{name}\" does not exist; to create a new project, you must specify a task");
            Err(Error::new(ErrorKind::NotFound, message).with_hint(hint.hint().unwrap_or(otherwise)))
        }),
        (Some(project), Some(task)) if project.task != task => Err(Error::new(
            ErrorKind::AlreadyExists,
            format!("project \"{}\" already exists with a different task: {}", project.name, project.task),
        )
        .with_hint("create a new project instead, or leave the task out")),
        (Some(project), _) => Ok(project.task),
        (None, Some(task)) => Ok(task),
    }
}

/// What is to be trained: one algorithm, or several of which the best is kept.
struct Portfolio {
    candidates: Vec<Candidate>,
    /// How long candidates may be tried, for `auto`.
    limit: Option<Duration>,
    /// The search's settings: of `auto`, only how many folds.
    search_args: Map<String, Value>,
}

/// How long `auto` tries algorithms unless told.
const AUTO_SECONDS: f64 = 60.0;
/// How many folds `auto` scores them on unless told.
const AUTO_FOLDS: u64 = 5;

impl Portfolio {
    fn choose(arguments: &Arguments, task: Task) -> Result<Self> {
        if arguments.algorithm != "auto" {
            let algorithm = choose_algorithm(&arguments.algorithm, task)?;
            let candidate = Candidate { algorithm, hyperparams: arguments.hyperparams.clone() };
            return Ok(Self { candidates: vec![candidate], limit: None, search_args: arguments.search_args.clone() });
        }
        if !arguments.hyperparams.is_empty() || !arguments.search_params.is_empty() || arguments.search.is_some() {
            return Err(Error::new(ErrorKind::InvalidParameter, "algorithm => 'auto' chooses hyperparameters itself")
                .with_hint("leave out hyperparams, search and search_params, or name an algorithm"));
        }
        let mut search_args = arguments.search_args.clone();
        let seconds = search_args.remove("max_seconds").unwrap_or_else(|| json!(AUTO_SECONDS));
        let Some(seconds) = seconds.as_f64().filter(|x| (0.0..=1e9).contains(x)) else {
            bail!(InvalidParameter, "search_args => \"max_seconds\" is {seconds}, but must be a number of at least 0");
        };
        search_args.entry("cv").or_insert_with(|| json!(AUTO_FOLDS));
        let candidates = pgml_models::portfolio(task)?;
        Ok(Self { candidates, limit: Some(Duration::from_secs_f64(seconds)), search_args })
    }
}

/// A model that was fitted, not stored yet.
struct Fitted {
    id: i64,
    algorithm: &'static dyn Algorithm,
    trained: Trained,
}

/// The default `linear` means what is simplest for the task.
fn choose_algorithm(name: &str, task: Task) -> Result<&'static dyn Algorithm> {
    let algorithm = pgml_models::algorithm(match (name, task) {
        ("linear", Task::Clustering) => "kmeans",
        ("linear", Task::Decomposition) => "pca",
        ("linear", Task::AnomalyDetection) => "isolation_forest",
        (name, _) => name,
    })?;
    if pgml_models::ALGORITHMS.iter().any(|algorithm| algorithm.tasks().contains(&task)) {
        if !algorithm.tasks().contains(&task) {
            let others = pgml_models::ALGORITHMS.iter().filter(|a| a.tasks().contains(&task)).map(|a| a.name());
            return Err(Error::new(ErrorKind::NotSupported, format!("{} does not support {task}", algorithm.name()))
                .with_detail(format!("these do: {}", others.collect::<Vec<_>>().join(", "))));
        }
        return Ok(algorithm);
    }
    bail!(NotSupported, "pgml.train does not train for {task}; use pgml.tune for transformers")
}

/// Runtimes are accepted for compatibility: everything is native.
fn check_runtime(runtime: Option<&str>) -> Result<()> {
    match runtime {
        None | Some("rust" | "python") => Ok(()),
        Some("openai") => bail!(NotSupported, "the OpenAI runtime is not supported for training or inference"),
        Some(other) => {
            Err(pgml_core::error::unknown_name(ErrorKind::InvalidParameter, "runtime", other, ["rust", "python"]))
        }
    }
}

impl Source {
    fn find(arguments: &Arguments, known: Option<&Project>, task: Task) -> Result<Self> {
        let Some(relation_name) = &arguments.relation else { return Self::reuse(known) };
        if task.is_supervised() && arguments.labels.is_empty() {
            bail!(
                InvalidParameter,
                "you must pass a y_column_name when you pass a relation_name for a supervised task"
            );
        }
        message::info(&format!("Snapshotting table \"{relation_name}\", this may take a little while..."));
        let relation = Relation::find(relation_name)?;
        relation.require_columns(&arguments.labels)?;
        let source = Self {
            snapshot: None,
            relation_name: relation_name.clone(),
            relation,
            labels: arguments.labels.clone(),
            split: arguments.split,
            preprocess: arguments.preprocess.clone(),
            seed: 0,
        };
        if arguments.materialize { source.materialized() } else { Ok(source) }
    }

    /// The newest snapshot that the project was trained on, with the settings it was made with.
    fn reuse(known: Option<&Project>) -> Result<Self> {
        let snapshot = match known {
            Some(project) => as_owner(|| catalog::newest_snapshot(&mut SpiPort::new(), project.id))?,
            None => None,
        };
        let Some(snapshot) = snapshot else {
            bail!(
                InvalidParameter,
                "you must pass a relation_name and y_column_name to snapshot the first time you train a model"
            );
        };
        message::info(&format!("Using existing snapshot {} of \"{}\"", snapshot.id, snapshot.relation_name));
        Self::of_snapshot(snapshot)
    }

    fn of_snapshot(snapshot: Snapshot) -> Result<Self> {
        let schema: Schema = serde_json::from_value(snapshot.columns.unwrap_or_default())
            .map_err(|e| Error::new(ErrorKind::Corrupted, format!("snapshot {} is malformed: {e}", snapshot.id)))?;
        let table = if snapshot.materialized { snapshot_table(snapshot.id) } else { snapshot.relation_name.clone() };
        let mut relation = Relation::find(&table)?;
        relation.require_columns_of(&schema)?;
        // Ignored when the snapshot was made, or not there yet.
        relation.columns.retain(|column| schema.columns.iter().any(|known| known.name == column.name));
        Ok(Self {
            snapshot: Some(snapshot.id),
            relation,
            relation_name: snapshot.relation_name,
            labels: snapshot.y_column_name.unwrap_or_default(),
            split: Split { test_size: snapshot.test_size, sampling: snapshot.test_sampling.parse()? },
            preprocess: schema.preprocess(),
            seed: snapshot.seed as u64,
        })
    }

    /// Copies the relation into a table of its own, with the rows that the caller sees.
    fn materialized(mut self) -> Result<Self> {
        let settings = Settings::parse(&self.preprocess)?;
        let ignored: Vec<&str> = settings.ignored().collect();
        let columns: Vec<&Column> =
            self.relation.columns.iter().filter(|c| !ignored.contains(&c.name.as_str())).collect();
        let list = |part: &dyn Fn(&Column) -> String| columns.iter().map(|c| part(c)).collect::<Vec<_>>().join(", ");
        let id = as_owner(|| {
            let id = catalog::insert_snapshot(&mut SpiPort::new(), &self.row(true))?;
            let definitions = list(&|c| format!("{} {}", quote_identifier(&c.name), c.declared));
            run_command(&format!("CREATE TABLE {} ({definitions})", snapshot_table(id)))?;
            Ok(id)
        })?;
        let table = snapshot_table(id);
        let names = list(&|c| quote_identifier(&c.name));
        fill_as_caller(&table, &format!("INSERT INTO {table} ({names}) SELECT {names} FROM {}", self.relation.quoted))?;
        message::info(&format!(
            "Snapshot of table \"{}\" created and saved in \"pgml\".\"snapshot_{id}\"",
            self.relation_name
        ));
        self.relation = Relation::find(&table)?;
        self.preprocess.retain(|column, _| !ignored.contains(&column.as_str()));
        self.snapshot = Some(id);
        Ok(self)
    }

    fn row(&self, materialized: bool) -> NewSnapshot {
        NewSnapshot {
            relation_name: self.relation_name.clone(),
            y_column_name: (!self.labels.is_empty()).then(|| self.labels.clone()),
            test_size: self.split.test_size,
            test_sampling: self.split.sampling.name().to_owned(),
            columns: json!([]),
            analysis: json!({}),
            materialized,
            seed: self.seed as i64,
        }
    }
}

/// Fills a table of the catalog's owner as the caller, whose relations the owner may not read. The caller goes on reading
/// it, for later trainings, and may write it during the statement alone: the rows are a record of what was trained on.
fn fill_as_caller(table: &str, insert: &str) -> Result<()> {
    let caller = Role::current();
    let name = quote_identifier(caller.name());
    as_owner(|| run_command(&format!("GRANT SELECT, INSERT ON {table} TO {name}")))?;
    run_command(insert)?;
    as_owner(|| match Role::current() == caller {
        true => Ok(()),
        false => run_command(&format!("REVOKE INSERT ON {table} FROM {name}")),
    })
}

/// Runs a statement that was put together from quoted names alone.
fn run_command(command: &str) -> Result<()> {
    Spi::connect_mut(|client| client.update(command, None, &[]).map(|_| ())).map_err(spi_error)
}

fn snapshot_table(id: i64) -> String {
    format!("pgml.snapshot_{id}")
}

/// Reads the relation and trains on it, on a thread of its own. A model's id is drawn between preparing the data and the
/// fit, so that it can be told before: drawing it writes no row and locks nothing, and data that cannot be learnt from cost no
/// id.
fn fit(arguments: &Arguments, source: &Source, portfolio: &Portfolio, task: Task) -> Result<Vec<Fitted>> {
    let settings = Settings::parse(&source.preprocess)?;
    let ignored: Vec<String> = settings.ignored().map(str::to_owned).collect();
    let run = Run::new()
        .with_seed(source.seed)
        .with_threads(guc::max_threads())
        .with_memory_limit(guc::memory_limit())
        .with_reporter(Arc::new(progress::MainThread));
    crate::libraries::prepare();
    let (table, memory) = source.relation.read(&ignored, &run)?;
    let first = &portfolio.candidates[0];
    let request = TrainRequest {
        algorithm: first.algorithm,
        task,
        hyperparams: first.hyperparams.clone(),
        search: arguments.search,
        search_params: arguments.search_params.clone(),
        search_args: portfolio.search_args.clone(),
        split: source.split,
        labels: source.labels.clone(),
        preprocess: source.preprocess.clone(),
        group_by: arguments.group_by.clone(),
    };
    // The reservation goes where the data go: a cancelled session leaves both to the thread.
    let (training, memory) = run_on_thread(&run, move |run| Ok((Training::prepare(request, table, run)?, memory)))?;
    let fitted = match portfolio.limit {
        None => fit_one(training, memory, first.algorithm, task, &run),
        Some(limit) => fit_all(training, memory, portfolio.candidates.clone(), limit, &run),
    };
    pgml_models::foreign::give_back_memory();
    fitted
}

fn fit_one(
    training: Training,
    memory: Vec<Reservation>,
    algorithm: &'static dyn Algorithm,
    task: Task,
    run: &Run,
) -> Result<Vec<Fitted>> {
    let id = as_owner(|| catalog::next_model_id(&mut SpiPort::new()))?;
    let name = algorithm.name();
    message::info(&format!("Training Model {{ id: {id}, task: {task}, algorithm: {name}, runtime: rust }}"));
    let trained = run_on_thread(run, move |run| {
        let trained = training.fit(run);
        drop(memory);
        trained
    });
    Ok(vec![Fitted { id, algorithm, trained: trained? }])
}

/// The one with the best cross-validated score comes first.
fn fit_all(
    training: Training,
    memory: Vec<Reservation>,
    candidates: Vec<Candidate>,
    limit: Duration,
    run: &Run,
) -> Result<Vec<Fitted>> {
    let tried = run_on_thread(run, move |run| {
        let tried = training.fit_each(&candidates, limit, run);
        drop(memory);
        tried
    })?;
    let mut fitted = Vec::new();
    for (candidate, trained) in tried {
        let id = as_owner(|| catalog::next_model_id(&mut SpiPort::new()))?;
        fitted.push(Fitted { id, algorithm: candidate.algorithm, trained });
    }
    // Both metrics that decide, r2 and f1, are better when higher; an undefined one is worst.
    let score =
        |fitted: &Fitted| Some(fitted.trained.cross_validated()).filter(|x| !x.is_nan()).unwrap_or(f64::NEG_INFINITY);
    fitted.sort_by(|a, b| score(b).total_cmp(&score(a)));
    for Fitted { id, algorithm, trained } in &fitted {
        message::info(&format!("Model {id}: {} with a mean score of {}", algorithm.name(), trained.cross_validated()));
    }
    Ok(fitted)
}

/// Writes everything after the fit, so that two trainings of one project do not wait for each other. The first of `fitted` may
/// be deployed.
fn store(arguments: &Arguments, project: Project, source: &Source, fitted: &[Fitted]) -> Result<Outcome> {
    let port = &mut SpiPort::new();
    let snapshot = match source.snapshot {
        Some(id) => id,
        None => catalog::insert_snapshot(port, &source.row(false))?,
    };
    let [best, ..] = fitted else { bail!(Internal, "nothing was fitted") };
    let columns = serde_json::to_value(best.trained.predictor.schema())
        .map_err(|e| Error::new(ErrorKind::Internal, format!("the schema has no JSON form: {e}")))?;
    let analysis = json!({"samples": best.trained.n_train + best.trained.n_test});
    catalog::analyse_snapshot(port, snapshot, &columns, &analysis)?;
    for Fitted { id, algorithm, trained } in fitted {
        let model = NewModel {
            project_id: project.id,
            snapshot_id: Some(snapshot),
            num_features: i32::try_from(trained.n_features).unwrap_or(i32::MAX),
            search: arguments.search.map(|s| s.name().to_owned()),
            search_params: Value::Object(arguments.search_params.clone()),
            search_args: Value::Object(arguments.search_args.clone()),
        };
        catalog::insert_model(port, *id, &model, &Artifact::of_trained(trained, *algorithm)?)?;
    }
    let deployed = deploy_if_better(arguments, &project, best.id, &best.trained)?;
    let metrics = best.trained.metrics.clone();
    Ok(Outcome { project: project.name, task: project.task, algorithm: best.algorithm.name(), deployed, metrics })
}

fn deploy_if_better(arguments: &Arguments, project: &Project, id: i64, trained: &Trained) -> Result<bool> {
    let port = &mut SpiPort::new();
    let live = match catalog::deployed_model_of(port, project.id)? {
        Some(live) => Some(catalog::model(port, live)?),
        None => None,
    };
    let old = live.as_ref().map(|model| model.metrics.as_ref().unwrap_or(&Value::Null));
    let new = Value::Object(trained.metrics.clone());
    let verdict = decide(project.task, &new, old, arguments.automatic_deploy);
    for (level, text) in verdict.messages {
        match level {
            Level::Info => message::info(&text),
            Level::Warning => message::warning(&text),
        }
    }
    if verdict.decision == Decision::Keep {
        return Ok(false);
    }
    message::info(&format!("Deploying model id: {id}"));
    let model = catalog::model(port, id)?;
    catalog::deploy(port, &model, Strategy::NewScore)?;
    Ok(true)
}

/// Copies a relation into `pgml.snapshot_<id>`.
///
/// # Errors
/// For a relation or column that does not exist.
pub fn snapshot(relation: &str, label: &str, split: Split, preprocess: &Map<String, Value>) -> Result<()> {
    let arguments = Arguments {
        project: String::new(),
        task: None,
        relation: Some(relation.to_owned()),
        labels: vec![label.to_owned()],
        algorithm: String::new(),
        hyperparams: Map::new(),
        search: None,
        search_params: Map::new(),
        search_args: Map::new(),
        split,
        runtime: None,
        automatic_deploy: false,
        materialize: true,
        preprocess: preprocess.clone(),
        group_by: None,
    };
    Source::find(&arguments, None, Task::Regression).map(|_| ())
}
