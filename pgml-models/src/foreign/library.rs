//! Finding and loading a shared library, once per process.
#![expect(unsafe_code, reason = "dlopen runs the library's initialisers, and setenv is not thread-safe")]

use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};

use libloading::os::unix::{Library as Handle, RTLD_LOCAL, RTLD_NOW};
use pgml_core::{Error, ErrorKind, Result};

/// A library that pgml loads when it is first needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Library {
    /// `libxgboost.so`, 2.1 or later.
    Xgboost,
    /// `lib_lightgbm.so`, 4.0 or later.
    Lightgbm,
}

static CONFIGURED: Mutex<[Option<PathBuf>; 2]> = Mutex::new([None, None]);

/// Says where `library` is; `None` goes back to searching. Has no effect once the library is loaded.
pub fn set_library_path(library: Library, path: Option<PathBuf>) {
    CONFIGURED.lock().unwrap_or_else(PoisonError::into_inner)[library as usize] = path;
}

/// Makes OpenMP threads wait briefly before they sleep, unless `GOMP_SPINCOUNT` says otherwise already.
///
/// With libgomp's default, threads that wait burn the core that others need: training on two threads was 9 times slower
/// beside one busy neighbour. libgomp reads the environment when it is loaded. The loaders here call this; a program
/// with several threads calls it first, while it has one.
pub fn prepare_environment() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if std::env::var_os("GOMP_SPINCOUNT").is_none() {
            // SAFETY: setenv races with getenv in other threads. Rust's own environment is locked; C code that reads
            // the environment at this moment is the caller's to exclude, as documented.
            unsafe { std::env::set_var("GOMP_SPINCOUNT", "1000") };
        }
    });
}

impl Library {
    /// The name users know.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Xgboost => "XGBoost",
            Self::Lightgbm => "LightGBM",
        }
    }

    const fn file(self) -> &'static str {
        match self {
            Self::Xgboost => "libxgboost.so",
            Self::Lightgbm => "lib_lightgbm.so",
        }
    }

    const fn variable(self) -> &'static str {
        match self {
            Self::Xgboost => "PGML_XGBOOST_LIBRARY",
            Self::Lightgbm => "PGML_LIGHTGBM_LIBRARY",
        }
    }

    const fn setting(self) -> &'static str {
        match self {
            Self::Xgboost => "pgml.xgboost_library",
            Self::Lightgbm => "pgml.lightgbm_library",
        }
    }

    const fn package(self) -> &'static str {
        match self {
            Self::Xgboost => "xgboost-cpu",
            Self::Lightgbm => "lightgbm",
        }
    }

    /// Where the library may be, in order. One named place is the only place.
    fn places(self) -> Vec<PathBuf> {
        let configured = CONFIGURED.lock().unwrap_or_else(PoisonError::into_inner)[self as usize].clone();
        if let Some(path) = configured.or_else(|| std::env::var_os(self.variable()).map(PathBuf::from)) {
            return vec![path];
        }
        let folder = self.name().to_lowercase();
        let below = |base: &str| Path::new(base).join(&folder).join("lib").join(self.file());
        // The layout of the PyPI wheel, whose library finds its own libgomp beside it; last the loader's search path.
        vec![below("/usr/local/lib/pgml"), below("/usr/lib/pgml"), PathBuf::from(self.file())]
    }

    /// Loads the library from the first place that has it.
    ///
    /// # Errors
    /// [`ErrorKind::MissingLibrary`] with every place that was tried and why it failed.
    pub(super) fn open(self) -> Result<Handle> {
        prepare_environment();
        let mut tried = Vec::new();
        for place in self.places() {
            // SAFETY: the library is what the administrator named or installed; its initialisers are trusted. Symbols
            // stay local, so that two OpenMP run times do not meet.
            match unsafe { Handle::open(Some(&place), RTLD_NOW | RTLD_LOCAL) } {
                Ok(handle) => return Ok(handle),
                Err(error) => tried.push(format!("{}: {}", place.display(), reason(&error))),
            }
        }
        Err(Error::new(ErrorKind::MissingLibrary, format!("the {} library could not be loaded", self.name()))
            .with_detail(format!("tried {}", tried.join("; ")))
            .with_hint(format!(
                "install the PyPI package {} and set {} (or the environment variable {}) to the path of its {}",
                self.package(),
                self.setting(),
                self.variable(),
                self.file()
            )))
    }

    /// The function `symbol`.
    ///
    /// # Errors
    /// [`ErrorKind::MissingLibrary`] when the library has none: it is too old, or another one.
    ///
    /// # Safety
    /// `F` must be the type of the function.
    pub(super) unsafe fn symbol<F: Copy>(self, handle: &Handle, symbol: &str) -> Result<F> {
        // SAFETY: as promised by the caller.
        let found = unsafe { handle.get::<F>(symbol.as_bytes()) };
        found.map(|f| *f).map_err(|_| {
            Error::new(ErrorKind::MissingLibrary, format!("the {} library has no function {symbol}", self.name()))
                .with_hint(format!("install the current PyPI package {}", self.package()))
        })
    }
}

fn reason(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// Declares the functions of a library: a struct of pointers and a loader that fills it once per process.
macro_rules! bindings {
    ($library:expr; $(fn $name:ident($($arg:ty),* $(,)?) -> $result:ty;)+) => {
        /// The functions that are used, and only those.
        #[allow(non_snake_case)]
        pub(super) struct Functions {
            $(pub(super) $name: unsafe extern "C" fn($($arg),*) -> $result,)+
        }

        impl Functions {
            /// The loaded library.
            ///
            /// # Errors
            /// `MissingLibrary`; a later call tries again.
            fn load() -> pgml_core::Result<Self> {
                let handle = $library.open()?;
                // SAFETY: the types are those of the library's header.
                let functions = unsafe {
                    Self { $($name: $library.symbol::<unsafe extern "C" fn($($arg),*) -> $result>(
                        &handle, stringify!($name))?,)+ }
                };
                // Never unloaded: its threads and thread-local destructors outlive any handle.
                std::mem::forget(handle);
                Ok(functions)
            }
        }
    };
}
pub(super) use bindings;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_is_named_with_the_places_tried_and_what_to_do() {
        set_library_path(Library::Lightgbm, Some(PathBuf::from("/nonexistent/lib_lightgbm.so")));
        let error = Library::Lightgbm.open().map(drop).expect_err("no such file");
        set_library_path(Library::Lightgbm, None);
        assert_eq!(error.kind(), ErrorKind::MissingLibrary);
        assert!(error.detail().is_some_and(|d| d.contains("/nonexistent/lib_lightgbm.so")), "{error}");
        assert!(error.hint().is_some_and(|h| h.contains("pgml.lightgbm_library")), "{error}");
    }
}
