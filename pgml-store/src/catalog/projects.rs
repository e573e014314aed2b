//! Rows of `pgml.projects`.

use pgml_core::error::{did_you_mean, guess_or};
use pgml_core::{Error, ErrorKind, Result, Task};

use crate::{Port, Row, queries};

/// A project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its id.
    pub id: i64,
    /// Its unique name.
    pub name: String,
    /// What its models are trained for.
    pub task: Task,
}

impl Project {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self { id: row.get(0)?, name: row.get(1)?, task: row.get::<String>(2)?.parse()? })
    }
}

/// The project of this name, if there is one.
///
/// # Errors
/// Whatever the database says.
pub fn find_project(port: &mut dyn Port, name: &str) -> Result<Option<Project>> {
    port.query(queries::PROJECT_BY_NAME, &[&name])?.first().map(Project::read).transpose()
}

/// The project of this name.
///
/// # Errors
/// [`ErrorKind::NotFound`] when there is none.
pub fn project(port: &mut dyn Port, name: &str) -> Result<Project> {
    match find_project(port, name)? {
        Some(project) => Ok(project),
        None => Err(not_found(port, name)?),
    }
}

/// The error for a project that does not exist. Its hint is a guess which one was meant, or else `otherwise`.
///
/// # Errors
/// Whatever the database says.
pub fn unknown_project(port: &mut dyn Port, name: &str, otherwise: &str) -> Result<Error> {
    let known = list_projects(port)?;
    let guess = did_you_mean(name, known.iter().map(|project| project.name.as_str()));
    Ok(Error::new(ErrorKind::NotFound, format!("project \"{name}\" does not exist"))
        .with_hint(guess_or(guess, otherwise)))
}

/// As [`unknown_project`], with the usual way out.
pub(super) fn not_found(port: &mut dyn Port, name: &str) -> Result<Error> {
    unknown_project(port, name, "SELECT name FROM pgml.projects lists the projects")
}

/// The project of this name, created for `task` if there is none. `task` may be left out when it exists. A new project
/// belongs to the role `owner`; without one, to the connection's user.
///
/// Two sessions that create the same project at once both get it: the second waits for the first to commit.
///
/// # Errors
/// [`ErrorKind::NotFound`] when there is none and no task is given, [`ErrorKind::AlreadyExists`] when it is for another
/// task.
pub fn find_or_create_project(
    port: &mut dyn Port,
    name: &str,
    task: Option<Task>,
    owner: Option<&str>,
) -> Result<Project> {
    let found = match (find_project(port, name)?, task) {
        (Some(project), _) => project,
        (None, Some(task)) => create(port, name, task, owner)?,
        (None, None) => {
            return Err(Error::new(ErrorKind::NotFound, format!("project \"{name}\" does not exist"))
                .with_hint("to create a new project, specify a task, for instance task => 'regression'"));
        }
    };
    match task {
        Some(task) if task != found.task => Err(Error::new(
            ErrorKind::AlreadyExists,
            format!("project \"{name}\" already exists with a different task: {}", found.task),
        )
        .with_hint("create a new project instead, or leave out the task")),
        _ => Ok(found),
    }
}

fn create(port: &mut dyn Port, name: &str, task: Task, owner: Option<&str>) -> Result<Project> {
    match owner {
        Some(owner) => port.execute(queries::PROJECT_CREATE_OWNED, &[&name, &task.name(), &owner])?,
        None => port.execute(queries::PROJECT_CREATE, &[&name, &task.name()])?,
    };
    project(port, name)
}

/// Every project, by name.
///
/// # Errors
/// Whatever the database says.
pub fn list_projects(port: &mut dyn Port) -> Result<Vec<Project>> {
    port.query(queries::PROJECT_LIST, &[])?.iter().map(Project::read).collect()
}

#[cfg(test)]
mod tests {
    use postgres_types::Type;

    use super::*;
    use crate::fake::{Fake, row};

    fn stored(task: &str) -> Vec<Row> {
        vec![row(&[(Type::INT8, &3_i64), (Type::TEXT, &"p"), (Type::TEXT, &task)])]
    }

    #[test]
    fn a_project_that_exists_is_found_without_writing() {
        let mut port = Fake::default().expect(queries::PROJECT_BY_NAME, stored("regression"));
        let project = find_or_create_project(&mut port, "p", None, None).expect("found");
        assert_eq!(project, Project { id: 3, name: "p".to_owned(), task: Task::Regression });
    }

    #[test]
    fn a_project_that_another_session_creates_meanwhile_is_taken() {
        let mut port = Fake::default()
            .expect(queries::PROJECT_BY_NAME, vec![])
            .expect(queries::PROJECT_CREATE, vec![])
            .expect(queries::PROJECT_BY_NAME, stored("classification"));
        let error = find_or_create_project(&mut port, "p", Some(Task::Regression), None).expect_err("another task");
        port.assert_done();
        assert_eq!(error.message(), "project \"p\" already exists with a different task: classification");
    }

    #[test]
    fn a_new_project_belongs_to_the_role_that_is_named() {
        let mut port = Fake::default()
            .expect(queries::PROJECT_BY_NAME, vec![])
            .expect(queries::PROJECT_CREATE_OWNED, vec![])
            .expect(queries::PROJECT_BY_NAME, stored("regression"));
        find_or_create_project(&mut port, "p", Some(Task::Regression), Some("ada")).expect("created");
        port.assert_done();
        assert_eq!(port.bound[1][2].as_deref(), Some(b"ada".as_slice()));
    }

    #[test]
    fn the_dashed_task_of_an_upgraded_database_is_understood() {
        let mut port = Fake::default().expect(queries::PROJECT_BY_NAME, stored("text-pair-classification"));
        assert_eq!(project(&mut port, "p").map(|p| p.task), Ok(Task::TextPairClassification));
    }

    #[test]
    fn a_misspelt_project_is_guessed() {
        for (given, hint) in [("pp", "did you mean \"p\"?"), ("q", "otherwise")] {
            let mut port = Fake::default().expect(queries::PROJECT_LIST, stored("regression"));
            let error = unknown_project(&mut port, given, "otherwise").expect("no failure");
            assert_eq!(error.hint(), Some(hint));
        }
    }

    #[test]
    fn a_new_project_needs_a_task() {
        let mut port = Fake::default().expect(queries::PROJECT_BY_NAME, vec![]);
        let error = find_or_create_project(&mut port, "p", None, None).expect_err("no task");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.hint().is_some_and(|hint| hint.contains("specify a task")));
    }
}
