//! Transformers that this database stores: from the folder where a name was found into `pgml.files`, and from there into
//! folders of the data directory, from which the inference program loads them.

use std::path::Path;

use pgml_core::text::ModelSpec;
use pgml_core::{Error, ErrorKind, Result};
use pgml_store::catalog::{self, Privilege};
use pgml_store::transformers::{self, SourceFolder, Unpacked};
use pgrx::pg_sys;

use crate::owner::as_owner;
use crate::privilege::Role;
use crate::spi_port::SpiPort;
use crate::{cache, folder, progress, worker};

/// Stores what a name means on this server, as the newest model of the project of that name, deploys it and tells its id.
///
/// # Errors
/// Those of finding the transformer; [`ErrorKind::PermissionDenied`] when the current user may not train into the project,
/// [`ErrorKind::AlreadyExists`] when that is for another task.
pub fn import(name: &str) -> Result<i64> {
    let caller = Role::current();
    let owner = caller.name();
    // Before the download, which may take long.
    as_owner(|| match catalog::find_project(&mut SpiPort::new(), name)? {
        Some(_) => caller.require(Privilege::Train, &catalog::grants_of_project(&mut SpiPort::new(), name)?),
        None => Ok(()),
    })?;
    let (path, files) = worker::locate(name)?;
    let _work = progress::Work::begin(name, "transformer");
    as_owner(|| {
        let source = SourceFolder { path: &path, files: &files };
        let step = |done, total| show("storing", done, total);
        let id = transformers::store(&mut SpiPort::new(), name, Some(&owner), &source, &step)?;
        // Again, of the project that it went to: another session may have made one of this name meanwhile.
        caller.require(Privilege::Train, &catalog::grants_of_model(&mut SpiPort::new(), id)?)?;
        Ok(id)
    })
}

/// Adds to `model` the folder of its files, if this database stores it. A revision is one of the hub's.
///
/// # Errors
/// [`ErrorKind::PermissionDenied`] when the current user may not predict with it; [`ErrorKind::Corrupted`] when its rows
/// are damaged.
pub fn resolve(model: &mut ModelSpec) -> Result<()> {
    if model.revision.is_none()
        && let Some(folder) = cache::stored_transformer(&model.name)?
    {
        let text = folder.to_str().map(str::to_owned);
        model.folder =
            Some(text.ok_or_else(|| Error::new(ErrorKind::NotSupported, "the data directory's name is no text"))?);
    }
    Ok(())
}

/// The files of model `id` as a folder, for the program.
///
/// # Errors
/// Those of [`Unpacked::copy`].
pub fn unpack(id: i64) -> Result<transformers::Copy> {
    // The program's working directory may be another.
    let root = std::path::absolute(Path::new(folder::FOLDER).join("transformers"))
        .map_err(|error| Error::new(ErrorKind::Io, format!("the data directory cannot be found: {error}")))?;
    folder::ensure()
        .map_err(|error| Error::new(ErrorKind::Io, format!("could not make {}: {error}", folder::FOLDER)))?;
    // SAFETY: a global of this backend, set before any session command runs.
    let database = unsafe { pg_sys::MyDatabaseId }.to_u32();
    as_owner(|| {
        let unpacked = Unpacked::new(root, database, &has_database, &|done, total| show("unpacking", done, total));
        unpacked.copy(&mut SpiPort::read_only(), id)
    })
}

/// Reads every byte of a stored transformer and checks it.
///
/// # Errors
/// [`ErrorKind::Corrupted`], naming the file.
pub fn check(id: i64) -> Result<()> {
    let port = &mut SpiPort::new();
    transformers::Stored::read(port, id)?.check(port)
}

/// Shows how far the work is, and lets a cancel end it; it unwinds.
fn show(phase: &str, done: u64, total: u64) {
    progress::show(phase, done, total);
    pgrx::check_for_interrupts!();
}

fn has_database(number: u32) -> bool {
    // SAFETY: a look-up in the system caches; the name is a copy in the current memory context.
    unsafe { !pg_sys::get_database_name(pg_sys::Oid::from_u32(number)).is_null() }
}
