//! What each column of a relation is for, decided before any value is looked at.

use crate::error::{did_you_mean, guess_or};
use crate::preprocess::{Preprocessor, Role, Settings, check_preprocessor};
use crate::schema::ColumnSchema;
use crate::statistics::Statistics;
use crate::train::TrainRequest;
use crate::{Error, ErrorKind, Result, Table, TableColumn, Task, Values, bail};

/// Describes every column of `table`: its role and how it is preprocessed, as `request` says.
///
/// # Errors
/// [`ErrorKind::UndefinedColumn`] for a name that the table does not have, [`ErrorKind::InvalidParameter`] for roles or
/// preprocessing that make no sense.
pub fn plan(request: &TrainRequest, table: &Table) -> Result<Vec<ColumnSchema>> {
    let settings = Settings::parse(&request.preprocess)?;
    check_names(request, &settings, table)?;
    let columns: Vec<ColumnSchema> =
        table.columns.iter().enumerate().map(|(i, c)| describe(request, &settings, i, c)).collect::<Result<_>>()?;
    for role in [Role::Weight, Role::Group] {
        let names: Vec<&str> = columns.iter().filter(|c| c.role == role).map(|c| c.name.as_str()).collect();
        if names.len() > 1 {
            bail!(InvalidParameter, "more than one column has this role in preprocess: {}", names.join(", "));
        }
    }
    if !columns.iter().any(ColumnSchema::is_feature) {
        bail!(InvalidData, "there is no feature column to learn from: every column is a label or has another role");
    }
    Ok(columns)
}

fn check_names(request: &TrainRequest, settings: &Settings, table: &Table) -> Result<()> {
    if matches!(request.task, Task::Regression | Task::Classification) && request.labels.is_empty() {
        bail!(
            InvalidParameter,
            "You must pass a `y_column_name` when you pass a `relation_name` for a supervised task."
        );
    }
    for (i, label) in request.labels.iter().enumerate() {
        if !table.columns.iter().any(|c| c.name == *label) {
            let known: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
            let message = format!("Column `{label}` not found. Did you pass the correct `y_column_name`?");
            let guess = did_you_mean(label, known.iter().copied());
            return Err(Error::new(ErrorKind::UndefinedColumn, message)
                .with_detail(format!("known: {}", known.join(", ")))
                .with_hint(guess_or(guess, "name a column of the relation")));
        }
        if request.labels[..i].contains(label) {
            bail!(InvalidParameter, "column \"{label}\" is named twice in y_column_name");
        }
    }
    if let Some(column) = &request.group_by {
        let position = table.position(column)?;
        if matches!(table.columns[position].values, Values::Array(_)) {
            return Err(Error::new(
                ErrorKind::WrongType,
                format!("column \"{column}\" is an array and cannot be grouped by"),
            ));
        }
    }
    if request.task == Task::Classification && request.labels.len() > 1 {
        bail!(NotSupported, "classification learns one label column, not {}", request.labels.len());
    }
    // Ignored columns need not have been read.
    let mut named = settings.columns.iter().filter(|(_, c)| c.role != Some(Role::Ignore));
    named.try_for_each(|(name, _)| table.position(name).map(|_| ()))
}

fn describe(request: &TrainRequest, settings: &Settings, index: usize, column: &TableColumn) -> Result<ColumnSchema> {
    let label = request.labels.contains(&column.name);
    let settings = settings.column(&column.name);
    let role = match (label, settings.role) {
        (false, role) => role.unwrap_or_default(),
        (true, None) => Role::Label,
        (true, Some(_)) => {
            bail!(InvalidParameter, "column \"{}\" is the label and has another role in preprocess too", column.name)
        }
    };
    let is_group = request.group_by.as_deref() == Some(column.name.as_str());
    let role = if is_group { group_role(column, role, &settings.preprocessor)? } else { role };
    check_role(column, role)?;
    check_untransformed(column, role, &settings.preprocessor)?;
    let categorical = role == Role::Categorical || matches!(column.values, Values::Text { .. });
    if matches!(role, Role::Feature | Role::Categorical) {
        check_preprocessor(&column.name, categorical, &settings.preprocessor)?;
    }
    let array = matches!(column.values, Values::Array(_));
    Ok(ColumnSchema {
        name: column.name.clone(),
        pg_type: if array { format!("{}[]", column.pg_type) } else { column.pg_type.clone() },
        nullable: column.nullable,
        label,
        position: index + 1,
        size: column.values.size(),
        array,
        role,
        preprocessor: settings.preprocessor,
        statistics: Statistics::default(),
        elements: Vec::new(),
    })
}

/// The column to group by is a category, as it is.
fn group_role(column: &TableColumn, role: Role, preprocessor: &Preprocessor) -> Result<Role> {
    let name = &column.name;
    match role {
        _ if *preprocessor != Preprocessor::default() => {
            crate::bail!(
                InvalidParameter,
                "column \"{name}\" is to group by, which preprocess cannot encode, impute or scale"
            )
        }
        Role::Feature | Role::Categorical => Ok(Role::Categorical),
        _ => crate::bail!(InvalidParameter, "column \"{name}\" is to group by and has another role too"),
    }
}

/// Labels, weights and groups are taken as they are: accepting a setting silently would promise an effect.
fn check_untransformed(column: &TableColumn, role: Role, preprocessor: &Preprocessor) -> Result<()> {
    let what = match role {
        Role::Label => "the label",
        Role::Weight => "the weight",
        Role::Group => "the group",
        Role::Feature | Role::Categorical | Role::Ignore => return Ok(()),
    };
    if *preprocessor == Preprocessor::default() {
        return Ok(());
    }
    let message = format!("column \"{}\" is {what}, which preprocess cannot encode, impute or scale", column.name);
    Err(Error::new(ErrorKind::InvalidParameter, message)
        .with_hint("leave the column out of preprocess; what it should be instead is computed in a view"))
}

fn check_role(column: &TableColumn, role: Role) -> Result<()> {
    let name = &column.name;
    match (role, &column.values) {
        (Role::Categorical, Values::Array(_)) => {
            bail!(WrongType, "column \"{name}\" is an array and cannot be categorical")
        }
        (Role::Weight, Values::Text { .. } | Values::Array(_)) => {
            bail!(WrongType, "column \"{name}\" of type {} cannot be a weight, which is one number", column.pg_type)
        }
        (Role::Group, Values::Array(_)) => bail!(WrongType, "column \"{name}\" is an array and cannot be a group"),
        (Role::Feature | Role::Label, Values::Array(elements)) if elements.is_empty() => {
            bail!(WrongDimension, "the arrays of column \"{name}\" have no elements")
        }
        _ => Ok(()),
    }
}
