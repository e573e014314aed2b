//! `pgml.deploy`, and dropping, exporting and importing of models.

use pgml_core::{Result, Task, bail};
use pgml_store::catalog::{self, ModelRow, Privilege, Strategy};
use pgml_store::files;
use pgml_store::transformers::ALGORITHM;
use pgrx::prelude::*;

use crate::labels::EnumLabel;
use crate::owner::as_owner;
use crate::privilege::Role;
use crate::report::{Report, SqlResult, sql};
use crate::spi_port::SpiPort;
use crate::{message, transfer, transformers};

type DeployResult = TableIterator<'static, (name!(project, String), name!(strategy, String), name!(algorithm, String))>;

fn deploy(model: &ModelRow, strategy: Strategy) -> Result<DeployResult> {
    message::info(&format!("Deploying model id: {}", model.id));
    catalog::deploy(&mut SpiPort::new(), model, strategy)?;
    Ok(TableIterator::once((model.project.clone(), strategy.name().to_owned(), model.algorithm.clone())))
}

#[pg_extern(sql = false)]
fn deploy_model(model_id: i64) -> SqlResult<DeployResult> {
    let caller = Role::current();
    as_owner(|| {
        caller.require(Privilege::Train, &catalog::grants_of_model(&mut SpiPort::new(), model_id)?)?;
        let model = catalog::model(&mut SpiPort::new(), model_id)?;
        // Loaded first, from its rows: what cannot predict, or could not on another server, must not go live. A model that
        // this statement has just imported can.
        check(&model)?;
        deploy(&model, Strategy::Specific)
    })
    .report()
}

/// Reads all of a model from its rows.
fn check(model: &ModelRow) -> Result<()> {
    if model.algorithm == ALGORITHM && model.task == Task::Embedding {
        return transformers::check(model.id);
    }
    files::load(&mut SpiPort::new(), model, None, &pgml_models::algorithm).map(drop)
}

#[pg_extern(sql = false)]
fn deploy_strategy(
    project_name: Option<&str>,
    strategy: Option<EnumLabel>,
    algorithm: Option<&str>,
) -> SqlResult<DeployResult> {
    sql(|| {
        let Some(project_name) = project_name else { bail!(InvalidParameter, "project_name must not be NULL") };
        let strategy = strategy.as_ref().map_or("best_score", EnumLabel::as_str).parse()?;
        let caller = Role::current();
        as_owner(|| {
            caller.require(Privilege::Train, &catalog::grants_of_project(&mut SpiPort::new(), project_name)?)?;
            let project = catalog::project(&mut SpiPort::new(), project_name)?;
            deploy(&catalog::candidate(&mut SpiPort::new(), &project, strategy, algorithm)?, strategy)
        })
    })
}

#[pg_extern(sql = false)]
fn drop_model(model_id: i64) -> SqlResult<()> {
    let caller = Role::current();
    as_owner(|| {
        caller.require_ownership(&catalog::grants_of_model(&mut SpiPort::new(), model_id)?)?;
        catalog::drop_model(&mut SpiPort::new(), model_id)
    })
    .report()
}

#[pg_extern(sql = false)]
fn drop_project_named(project_name: &str) -> SqlResult<()> {
    drop_project(project_name).report()
}

/// Drops a project, if the caller owns it.
pub(super) fn drop_project(name: &str) -> pgml_core::Result<()> {
    let caller = Role::current();
    as_owner(|| {
        caller.require_ownership(&catalog::grants_of_project(&mut SpiPort::new(), name)?)?;
        catalog::drop_project(&mut SpiPort::new(), name)
    })
}

#[pg_extern(sql = false)]
fn export_model(model_id: i64) -> SqlResult<Vec<u8>> {
    let caller = Role::current();
    as_owner(|| {
        // It hands out the weights, which those who may only predict do not see.
        caller.require(Privilege::Train, &catalog::grants_of_model(&mut SpiPort::read_only(), model_id)?)?;
        transfer::export(&mut SpiPort::read_only(), model_id)
    })
    .report()
}

#[pg_extern(sql = false)]
fn import_model(project_name: Option<&str>, model: Option<&[u8]>, algorithm: Option<&str>) -> SqlResult<Option<i64>> {
    let (Some(project), Some(model)) = (project_name, model) else { return Ok(None) };
    let caller = Role::current();
    let owner = caller.name();
    as_owner(|| {
        let id = transfer::import(&mut SpiPort::new(), project, &owner, model, algorithm)?;
        // Asked last, of the project that it went to: another session may have made one of this name meanwhile.
        caller.require(Privilege::Train, &catalog::grants_of_model(&mut SpiPort::new(), id)?)?;
        Ok(Some(id))
    })
    .report()
}
