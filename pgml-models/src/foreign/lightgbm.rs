//! LightGBM's C interface: data sets filled by the chunk, training, and saving what was trained.
#![expect(unsafe_code, reason = "a binding to a C library")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::Duration;

use pgml_core::{Dataset, Error, ErrorKind, Result, Run, bail};

use super::library::{Library, bindings};

type Handle = *mut c_void;

bindings! { Library::Lightgbm;
    fn LGBM_GetLastError() -> *const c_char;
    fn LGBM_RegisterLogCallback(extern "C" fn(*const c_char)) -> c_int;
    fn LGBM_GetSampleCount(i32, *const c_char, *mut c_int) -> c_int;
    fn LGBM_SampleIndices(i32, *const c_char, *mut c_void, *mut i32) -> c_int;
    fn LGBM_DatasetCreateFromSampledColumn(
        *mut *mut f64, *mut *mut c_int, i32, *const c_int, i32, i32, i64, *const c_char, *mut Handle,
    ) -> c_int;
    fn LGBM_DatasetCreateByReference(Handle, i64, *mut Handle) -> c_int;
    fn LGBM_DatasetPushRows(Handle, *const c_void, c_int, i32, i32, i32) -> c_int;
    fn LGBM_DatasetSetField(Handle, *const c_char, *const c_void, c_int, c_int) -> c_int;
    fn LGBM_DatasetFree(Handle) -> c_int;
    fn LGBM_BoosterCreate(Handle, *const c_char, *mut Handle) -> c_int;
    fn LGBM_BoosterAddValidData(Handle, Handle) -> c_int;
    fn LGBM_BoosterUpdateOneIter(Handle, *mut c_int) -> c_int;
    fn LGBM_BoosterGetEvalCounts(Handle, *mut c_int) -> c_int;
    fn LGBM_BoosterGetEvalNames(Handle, c_int, *mut c_int, usize, *mut usize, *mut *mut c_char) -> c_int;
    fn LGBM_BoosterGetEval(Handle, c_int, *mut c_int, *mut f64) -> c_int;
    fn LGBM_BoosterSaveModelToString(Handle, c_int, c_int, c_int, i64, *mut i64, *mut c_char) -> c_int;
    fn LGBM_BoosterFree(Handle) -> c_int;
}

/// Type codes of the interface.
const FLOAT32: c_int = 0;
const FLOAT64: c_int = 1;
const INT32: c_int = 2;
/// Rows handed over at a time: the only second copy of the data.
const CHUNK_ROWS: usize = 16 * 1024;
/// Room for the name of a metric.
const NAME_BYTES: usize = 128;

/// The loaded library. `LGBM_SampleIndices`, which is bound, came with version 4.0: older ones are refused by name.
///
/// # Errors
/// [`ErrorKind::MissingLibrary`] when it is not installed, or too old.
fn library() -> Result<&'static Functions> {
    static LOADED: OnceLock<Functions> = OnceLock::new();
    static LOADING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    let functions = match LOADED.get() {
        Some(functions) => functions,
        None => {
            let functions = Functions::load()?;
            LOADED.get_or_init(|| functions)
        }
    };
    // The library keeps one callback per thread.
    // SAFETY: the callback lives as long as the program.
    unsafe { (functions.LGBM_RegisterLogCallback)(ignore_log) };
    Ok(functions)
}

/// Waits until no other thread of this process uses the library. Its number of threads is one global: a second training
/// that changes it makes the first one write beyond its buffers.
///
/// # Errors
/// When the run is cancelled while it waits.
pub fn exclusive(run: &Run) -> Result<MutexGuard<'static, ()>> {
    static IN_USE: Mutex<()> = Mutex::new(());
    loop {
        match IN_USE.try_lock() {
            Ok(guard) => return Ok(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(2)),
        }
        run.check()?;
    }
}

/// LightGBM's log would go to standard output, which in a server is nobody's.
extern "C" fn ignore_log(_message: *const c_char) {}

impl Functions {
    fn check(&self, status: c_int) -> Result<()> {
        if status == 0 {
            return Ok(());
        }
        // SAFETY: a NUL-terminated string that stays until this thread's next call.
        let text = unsafe { CStr::from_ptr((self.LGBM_GetLastError)()) }.to_string_lossy();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        Err(Error::new(ErrorKind::InvalidParameter, format!("LightGBM: {text}")))
    }
}

fn c_string(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::new(ErrorKind::InvalidParameter, format!("{text:?} has a NUL character")))
}

fn narrow(n: usize, what: &str) -> Result<i32> {
    i32::try_from(n).map_err(|_| Error::new(ErrorKind::NotSupported, format!("LightGBM takes no {n} {what}")))
}

/// LightGBM's `Dataset`: the rows in bins. Our data set may go once this is made.
pub struct Binned {
    functions: &'static Functions,
    handle: Handle,
}

impl Binned {
    /// Bins `data` as `params` say, with the bins of `reference` if there is one. `weight` replaces the data's own.
    ///
    /// # Errors
    /// When the library is missing or refuses the data, or the run is cancelled.
    pub fn new(
        data: &Dataset,
        weight: Option<&[f64]>,
        params: &str,
        reference: Option<&Binned>,
        run: &Run,
    ) -> Result<Self> {
        let functions = library()?;
        let n_rows = narrow(data.n_rows(), "rows")?;
        let mut binned = Self { functions, handle: ptr::null_mut() };
        match reference {
            Some(reference) => {
                // SAFETY: a live handle and a place for the new one.
                functions.check(unsafe {
                    (functions.LGBM_DatasetCreateByReference)(reference.handle, i64::from(n_rows), &mut binned.handle)
                })?;
            }
            None => binned.find_bins(data, &c_string(params)?, n_rows)?,
        }
        binned.push(data, run)?;
        binned.set_fields(data, weight)?;
        Ok(binned)
    }

    /// Bins are found on a sample of rows: the library's own choice, so that they are those of its other interfaces.
    fn find_bins(&mut self, data: &Dataset, params: &CStr, n_rows: i32) -> Result<()> {
        let functions = self.functions;
        let mut count = 0;
        // SAFETY: a valid place for the count.
        functions.check(unsafe { (functions.LGBM_GetSampleCount)(n_rows, params.as_ptr(), &mut count) })?;
        let mut sample = vec![0_i32; usize::try_from(count).unwrap_or(0)];
        // SAFETY: room for as many indices as the library said.
        functions.check(unsafe {
            (functions.LGBM_SampleIndices)(n_rows, params.as_ptr(), sample.as_mut_ptr().cast(), &mut count)
        })?;
        sample.truncate(usize::try_from(count).unwrap_or(0));
        let mut columns: Vec<SampledColumn> =
            data.features().iter().map(|f| SampledColumn::new(&f.values, &sample)).collect();
        let mut values: Vec<*mut f64> = columns.iter_mut().map(|c| c.values.as_mut_ptr()).collect();
        let mut places: Vec<*mut c_int> = columns.iter_mut().map(|c| c.places.as_mut_ptr()).collect();
        let lengths: Vec<c_int> = columns.iter().map(|c| c.values.len() as c_int).collect();
        // SAFETY: one pointer and length per column, all alive throughout the call.
        functions.check(unsafe {
            (functions.LGBM_DatasetCreateFromSampledColumn)(
                values.as_mut_ptr(),
                places.as_mut_ptr(),
                narrow(columns.len(), "features")?,
                lengths.as_ptr(),
                sample.len() as i32,
                n_rows,
                i64::from(n_rows),
                params.as_ptr(),
                &mut self.handle,
            )
        })
    }

    fn push(&self, data: &Dataset, run: &Run) -> Result<()> {
        let mut rows = Vec::new();
        for start in (0..data.n_rows()).step_by(CHUNK_ROWS) {
            run.check()?;
            let end = (start + CHUNK_ROWS).min(data.n_rows());
            data.rows_into(start..end, &mut rows);
            // SAFETY: a matrix of as many rows and columns as told; it is copied into bins.
            self.functions.check(unsafe {
                (self.functions.LGBM_DatasetPushRows)(
                    self.handle,
                    rows.as_ptr().cast(),
                    FLOAT64,
                    (end - start) as i32,
                    data.n_features() as i32,
                    start as i32,
                )
            })?;
        }
        Ok(())
    }

    fn set_fields(&self, data: &Dataset, weight: Option<&[f64]>) -> Result<()> {
        let narrowed = |values: &[f64]| values.iter().map(|x| *x as f32).collect::<Vec<f32>>();
        self.set(c"label", &narrowed(data.target()?), FLOAT32)?;
        if let Some(weight) = weight.or(data.weight()) {
            self.set(c"weight", &narrowed(weight), FLOAT32)?;
        }
        if let Some(group) = data.group() {
            self.set(c"group", &sizes(group)?, INT32)?;
        }
        Ok(())
    }

    fn set<T>(&self, field: &CStr, values: &[T], kind: c_int) -> Result<()> {
        // SAFETY: as many values as told, of the type told; they are copied.
        self.functions.check(unsafe {
            (self.functions.LGBM_DatasetSetField)(
                self.handle,
                field.as_ptr(),
                values.as_ptr().cast(),
                narrow(values.len(), "rows")?,
                kind,
            )
        })
    }
}

impl Drop for Binned {
    fn drop(&mut self) {
        if !self.handle.is_null() {
            // SAFETY: a handle of this library, freed once.
            unsafe { (self.functions.LGBM_DatasetFree)(self.handle) };
        }
    }
}

/// The sampled values of a column that are not 0, and their places in the sample.
struct SampledColumn {
    values: Vec<f64>,
    places: Vec<c_int>,
}

impl SampledColumn {
    fn new(column: &pgml_core::Floats, sample: &[i32]) -> Self {
        let mut found = Self { values: Vec::new(), places: Vec::new() };
        for (place, row) in sample.iter().enumerate() {
            let value = column.get(*row as usize);
            // What the library takes for 0 it wants left out.
            if value.abs() > f64::from(1e-35_f32) || value.is_nan() {
                found.values.push(value);
                found.places.push(place as c_int);
            }
        }
        found
    }
}

/// The lengths of runs of equal groups.
fn sizes(group: &[u32]) -> Result<Vec<i32>> {
    let runs: Vec<&[u32]> = group.chunk_by(|a, b| a == b).collect();
    let mut seen: Vec<u32> = runs.iter().map(|run| run[0]).collect();
    seen.sort_unstable();
    if seen.windows(2).any(|pair| pair[0] == pair[1]) {
        bail!(InvalidData, "the rows of a group do not stand together");
    }
    runs.iter().map(|run| narrow(run.len(), "rows in a group")).collect()
}

/// A booster in training.
pub struct Booster<'a> {
    functions: &'static Functions,
    handle: Handle,
    /// The library keeps pointers to the data.
    _data: std::marker::PhantomData<&'a Binned>,
}

impl<'a> Booster<'a> {
    /// A booster of `params` on `train`, watching `validation`.
    ///
    /// # Errors
    /// When the library refuses a parameter or the labels.
    pub fn new(train: &'a Binned, validation: Option<&'a Binned>, params: &str) -> Result<Self> {
        let functions = library()?;
        let mut booster = Self { functions, handle: ptr::null_mut(), _data: std::marker::PhantomData };
        let params = c_string(params)?;
        // SAFETY: a live handle, a NUL-terminated string, a place for the handle.
        functions
            .check(unsafe { (functions.LGBM_BoosterCreate)(train.handle, params.as_ptr(), &mut booster.handle) })?;
        if let Some(validation) = validation {
            // SAFETY: live handles.
            functions.check(unsafe { (functions.LGBM_BoosterAddValidData)(booster.handle, validation.handle) })?;
        }
        Ok(booster)
    }

    /// One boosting round.
    ///
    /// # Errors
    /// When the library fails.
    pub fn update(&mut self) -> Result<()> {
        let mut finished = 0;
        // SAFETY: a live handle and a place for the flag.
        self.functions.check(unsafe { (self.functions.LGBM_BoosterUpdateOneIter)(self.handle, &mut finished) })
    }

    /// The names of the metrics.
    ///
    /// # Errors
    /// When the library fails.
    pub fn metric_names(&self) -> Result<Vec<String>> {
        let mut count = 0;
        // SAFETY: a live handle and a place for the count.
        self.functions.check(unsafe { (self.functions.LGBM_BoosterGetEvalCounts)(self.handle, &mut count) })?;
        let mut names = vec![[0_u8; NAME_BYTES]; usize::try_from(count).unwrap_or(0)];
        let mut places: Vec<*mut c_char> = names.iter_mut().map(|n| n.as_mut_ptr().cast()).collect();
        let mut needed = 0;
        // SAFETY: `count` places of `NAME_BYTES` each; longer names are cut.
        self.functions.check(unsafe {
            (self.functions.LGBM_BoosterGetEvalNames)(
                self.handle,
                count,
                &mut count,
                NAME_BYTES,
                &mut needed,
                places.as_mut_ptr(),
            )
        })?;
        let text = |name: &[u8; NAME_BYTES]| {
            CStr::from_bytes_until_nul(name).map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
        };
        Ok(names.iter().map(text).collect())
    }

    /// The metrics of the validation rows, as many as there are names.
    ///
    /// # Errors
    /// When the library fails.
    pub fn evaluate(&self, n_metrics: usize) -> Result<Vec<f64>> {
        let mut values = vec![0.0; n_metrics];
        let mut count = 0;
        // SAFETY: room for as many values as there are metrics. Data set 0 is the training set, 1 the validation set.
        self.functions
            .check(unsafe { (self.functions.LGBM_BoosterGetEval)(self.handle, 1, &mut count, values.as_mut_ptr()) })?;
        Ok(values)
    }

    /// The first `rounds` rounds of the model, as text.
    ///
    /// # Errors
    /// When the library fails.
    pub fn save(&self, rounds: usize) -> Result<Vec<u8>> {
        let rounds = narrow(rounds, "rounds")?;
        let mut length = 0_i64;
        let mut text: Vec<u8> = Vec::new();
        // The first call tells the length, the second fills it.
        for _ in 0..2 {
            text.resize(usize::try_from(length).unwrap_or(0), 0);
            // SAFETY: room for as many bytes as told.
            self.functions.check(unsafe {
                (self.functions.LGBM_BoosterSaveModelToString)(
                    self.handle,
                    0,
                    rounds,
                    0,
                    text.len() as i64,
                    &mut length,
                    text.as_mut_ptr().cast(),
                )
            })?;
        }
        text.pop_if(|last| *last == 0);
        Ok(text)
    }
}

impl Drop for Booster<'_> {
    fn drop(&mut self) {
        if !self.handle.is_null() {
            // SAFETY: a handle of this library, freed once, before the data that it points to.
            unsafe { (self.functions.LGBM_BoosterFree)(self.handle) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_become_the_lengths_of_their_runs() {
        assert_eq!(sizes(&[7, 7, 3, 9, 9, 9]), Ok(vec![2, 1, 3]));
        assert!(sizes(&[7, 3, 7]).is_err());
    }
}
