//! XGBoost's C interface: training, and saving what was trained.
#![expect(unsafe_code, reason = "a binding to a C library")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;
use std::sync::{Mutex, OnceLock, PoisonError};

use pgml_core::{Dataset, Error, ErrorKind, Result};
use serde_json::{Value, json};

use super::array_interface::{array, floats};
use super::library::{Library, bindings};

type Handle = *mut c_void;

bindings! { Library::Xgboost;
    fn XGBoostVersion(*mut c_int, *mut c_int, *mut c_int) -> ();
    fn XGBGetLastError() -> *const c_char;
    fn XGBRegisterLogCallback(extern "C" fn(*const c_char)) -> c_int;
    fn XGProxyDMatrixCreate(*mut Handle) -> c_int;
    fn XGProxyDMatrixSetDataColumnar(Handle, *const c_char) -> c_int;
    fn XGQuantileDMatrixCreateFromCallback(
        Handle, Handle, Handle, extern "C" fn(Handle), extern "C" fn(Handle) -> c_int, *const c_char, *mut Handle,
    ) -> c_int;
    fn XGDMatrixCreateFromColumnar(*const c_char, *const c_char, *mut Handle) -> c_int;
    fn XGDMatrixSetInfoFromInterface(Handle, *const c_char, *const c_char) -> c_int;
    fn XGDMatrixSetStrFeatureInfo(Handle, *const c_char, *const *const c_char, u64) -> c_int;
    fn XGDMatrixFree(Handle) -> c_int;
    fn XGBoosterCreate(*const Handle, u64, *mut Handle) -> c_int;
    fn XGBoosterSetParam(Handle, *const c_char, *const c_char) -> c_int;
    fn XGBoosterUpdateOneIter(Handle, c_int, Handle) -> c_int;
    fn XGBoosterEvalOneIter(Handle, c_int, *const Handle, *const *const c_char, u64, *mut *const c_char) -> c_int;
    fn XGBoosterSaveModelToBuffer(Handle, *const c_char, *mut u64, *mut *const c_char) -> c_int;
    fn XGBoosterFree(Handle) -> c_int;
}

/// The loaded library.
///
/// # Errors
/// [`ErrorKind::MissingLibrary`] when it is not installed, or older than 2.1.
fn library() -> Result<&'static Functions> {
    static LOADED: OnceLock<Functions> = OnceLock::new();
    static LOADING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(functions) = LOADED.get() {
        return Ok(functions);
    }
    let functions = Functions::load()?;
    let (mut major, mut minor, mut patch) = (0, 0, 0);
    // SAFETY: three valid pointers.
    unsafe { (functions.XGBoostVersion)(&mut major, &mut minor, &mut patch) };
    if (major, minor) < (2, 1) {
        return Err(Error::new(
            ErrorKind::MissingLibrary,
            format!("the XGBoost library is version {major}.{minor}.{patch}, but 2.1 or later is needed"),
        )
        .with_hint("install the PyPI package xgboost-cpu 3.2.0"));
    }
    // SAFETY: the callback lives as long as the program.
    unsafe { (functions.XGBRegisterLogCallback)(ignore_log) };
    Ok(LOADED.get_or_init(|| functions))
}

/// XGBoost's own log would go to the server's standard error; what matters in it comes back as errors too.
extern "C" fn ignore_log(_message: *const c_char) {}

impl Functions {
    fn check(&self, status: c_int) -> Result<()> {
        if status == 0 {
            return Ok(());
        }
        // SAFETY: a NUL-terminated string that stays until this thread's next call.
        let text = unsafe { CStr::from_ptr((self.XGBGetLastError)()) }.to_string_lossy();
        Err(Error::new(ErrorKind::InvalidParameter, format!("XGBoost: {}", first_sentence(&text))))
    }
}

/// The message without the time, the source file and the stack trace that XGBoost puts around it.
fn first_sentence(text: &str) -> String {
    let text = text.split("\nStack trace").next().unwrap_or(text);
    let text = text.strip_prefix('[').and_then(|t| t.split_once("] ")).map_or(text, |(_, rest)| rest);
    let text = text.split_once(": ").filter(|(place, _)| place.contains('/')).map_or(text, |(_, rest)| rest);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn c_string(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::new(ErrorKind::InvalidParameter, format!("{text:?} has a NUL character")))
}

/// How a data set becomes a [`Matrix`].
#[derive(Debug, Clone)]
pub struct MatrixOptions {
    /// Quantised while it is built (half the memory; for the tree method `hist`), or kept as it is.
    pub quantised: bool,
    /// Bins per feature of a quantised matrix.
    pub max_bin: u32,
    /// Threads.
    pub threads: usize,
    /// The value that means missing, besides NaN.
    pub missing: Option<f64>,
    /// Whether columns with categories are declared as such.
    pub categorical: bool,
    /// Whether targets are survival times, all observed.
    pub survival: bool,
    /// How likely each feature is to be sampled.
    pub feature_weights: Option<Vec<f32>>,
}

/// XGBoost's `DMatrix`. The data set may go once this is made.
pub struct Matrix {
    functions: &'static Functions,
    handle: Handle,
}

impl Matrix {
    /// Hands `data` to the library, column by column where it lies. A validation matrix names its training matrix.
    ///
    /// # Errors
    /// When the library is missing or refuses the data.
    pub fn new(data: &Dataset, options: &MatrixOptions, reference: Option<&Matrix>) -> Result<Self> {
        let functions = library()?;
        let columns = Value::from(data.features().iter().map(|f| floats(&f.values)).collect::<Vec<_>>());
        let columns = c_string(&columns.to_string())?;
        // Not JSON, but what the library's own JSON reader takes.
        let missing = options.missing.map_or_else(|| "NaN".to_owned(), |x| x.to_string());
        let (threads, max_bin) = (options.threads, options.max_bin);
        let matrix = if options.quantised {
            let config = format!("{{\"nthread\": {threads}, \"missing\": {missing}, \"max_bin\": {max_bin}}}");
            Self::quantised(functions, &columns, &c_string(&config)?, data, options, reference)?
        } else {
            let config = c_string(&format!("{{\"nthread\": {threads}, \"missing\": {missing}}}"))?;
            let mut matrix = Self { functions, handle: ptr::null_mut() };
            // SAFETY: the JSON describes columns that live throughout the call; they are copied.
            functions.check(unsafe {
                (functions.XGDMatrixCreateFromColumnar)(columns.as_ptr(), config.as_ptr(), &mut matrix.handle)
            })?;
            matrix.set_feature_types(data, options)?;
            matrix.set_info(data, options)?;
            matrix
        };
        if let Some(weights) = &options.feature_weights {
            matrix.set("feature_weights", &array(weights, 1))?;
        }
        Ok(matrix)
    }

    fn quantised(
        functions: &'static Functions,
        columns: &CStr,
        config: &CStr,
        data: &Dataset,
        options: &MatrixOptions,
        reference: Option<&Matrix>,
    ) -> Result<Self> {
        let mut proxy = Self { functions, handle: ptr::null_mut() };
        // SAFETY: a valid place for the handle.
        functions.check(unsafe { (functions.XGProxyDMatrixCreate)(&mut proxy.handle) })?;
        let mut batch = Batch { proxy: &proxy, columns, data, options, given: false, error: None };
        let mut matrix = Self { functions, handle: ptr::null_mut() };
        let reference = reference.map_or(ptr::null_mut(), |m| m.handle);
        // SAFETY: the callbacks get `batch`, which lives throughout the call and is not touched otherwise; the columns
        // live as long; what is needed of them is copied before the call ends.
        let status = unsafe {
            (functions.XGQuantileDMatrixCreateFromCallback)(
                (&raw mut batch).cast(),
                proxy.handle,
                reference,
                rewind,
                next,
                config.as_ptr(),
                &mut matrix.handle,
            )
        };
        match batch.error.take() {
            Some(error) => Err(error),
            None => functions.check(status).map(|()| matrix),
        }
    }

    fn set_info(&self, data: &Dataset, options: &MatrixOptions) -> Result<()> {
        let n_targets = data.targets().len();
        let mut label = vec![0.0_f32; data.n_rows() * n_targets];
        for (t, target) in data.targets().iter().enumerate() {
            label.iter_mut().skip(t).step_by(n_targets).zip(target).for_each(|(to, from)| *to = *from as f32);
        }
        self.set("label", &array(&label, n_targets))?;
        if let Some(weight) = data.weight() {
            let weight: Vec<f32> = weight.iter().map(|w| *w as f32).collect();
            self.set("weight", &array(&weight, 1))?;
        }
        if let Some(group) = data.group() {
            self.set("qid", &array(group, 1))?;
        }
        if options.survival {
            // Equal bounds are times observed.
            self.set("label_lower_bound", &array(&label, 1))?;
            self.set("label_upper_bound", &array(&label, 1))?;
        }
        Ok(())
    }

    fn set(&self, field: &str, values: &Value) -> Result<()> {
        let (field, json) = (c_string(field)?, c_string(&values.to_string())?);
        // SAFETY: the array that the JSON describes is borrowed by the caller; it is copied.
        self.functions.check(unsafe {
            (self.functions.XGDMatrixSetInfoFromInterface)(self.handle, field.as_ptr(), json.as_ptr())
        })
    }

    fn set_feature_types(&self, data: &Dataset, options: &MatrixOptions) -> Result<()> {
        let categorical = options.categorical && data.features().iter().any(|f| f.categories.is_some());
        if !categorical {
            return Ok(());
        }
        let kind = |categories: Option<u32>| if categories.is_some() { c"c".as_ptr() } else { c"q".as_ptr() };
        let types: Vec<*const c_char> = data.features().iter().map(|f| kind(f.categories)).collect();
        // SAFETY: as many NUL-terminated strings as told.
        self.functions.check(unsafe {
            (self.functions.XGDMatrixSetStrFeatureInfo)(
                self.handle,
                c"feature_type".as_ptr(),
                types.as_ptr(),
                types.len() as u64,
            )
        })
    }
}

impl Drop for Matrix {
    fn drop(&mut self) {
        if !self.handle.is_null() {
            // SAFETY: a handle of this library, freed once.
            unsafe { (self.functions.XGDMatrixFree)(self.handle) };
        }
    }
}

/// The data set as an iterator of one batch: a quantised matrix reads its data several times.
struct Batch<'a> {
    proxy: &'a Matrix,
    columns: &'a CStr,
    data: &'a Dataset,
    options: &'a MatrixOptions,
    given: bool,
    error: Option<Error>,
}

impl Batch<'_> {
    fn give(&self) -> Result<()> {
        let (functions, proxy) = (self.proxy.functions, self.proxy.handle);
        // SAFETY: the JSON describes columns that live until the matrix is built.
        functions.check(unsafe { (functions.XGProxyDMatrixSetDataColumnar)(proxy, self.columns.as_ptr()) })?;
        self.proxy.set_feature_types(self.data, self.options)?;
        // With the data, not after it: quantiles are weighted.
        self.proxy.set_info(self.data, self.options)
    }
}

extern "C" fn rewind(batch: Handle) {
    // SAFETY: the library hands back the pointer it was given, one call at a time.
    unsafe { (*batch.cast::<Batch<'_>>()).given = false };
}

extern "C" fn next(batch: Handle) -> c_int {
    // SAFETY: as in `rewind`.
    let batch = unsafe { &mut *batch.cast::<Batch<'_>>() };
    if batch.given {
        return 0;
    }
    batch.given = true;
    match batch.give() {
        Ok(()) => 1,
        Err(error) => {
            batch.error = Some(error);
            0
        }
    }
}

/// A booster in training.
pub struct Booster {
    functions: &'static Functions,
    handle: Handle,
}

impl Booster {
    /// A booster of `params` for these matrices, the training matrix first.
    ///
    /// # Errors
    /// When the library refuses a parameter.
    pub fn new(matrices: &[&Matrix], params: &[(String, String)]) -> Result<Self> {
        let functions = library()?;
        let handles: Vec<Handle> = matrices.iter().map(|m| m.handle).collect();
        let mut booster = Self { functions, handle: ptr::null_mut() };
        // SAFETY: as many handles as told.
        functions.check(unsafe {
            (functions.XGBoosterCreate)(handles.as_ptr(), handles.len() as u64, &mut booster.handle)
        })?;
        for (name, value) in params {
            let (name, value) = (c_string(name)?, c_string(value)?);
            // SAFETY: NUL-terminated strings.
            functions.check(unsafe { (functions.XGBoosterSetParam)(booster.handle, name.as_ptr(), value.as_ptr()) })?;
        }
        Ok(booster)
    }

    /// One boosting round.
    ///
    /// # Errors
    /// When the library refuses parameters or data, which it mostly finds out in the first round.
    pub fn update(&mut self, round: usize, train: &Matrix) -> Result<()> {
        // SAFETY: live handles of this library.
        self.functions
            .check(unsafe { (self.functions.XGBoosterUpdateOneIter)(self.handle, round as c_int, train.handle) })
    }

    /// The metrics of `matrix` after `round`, by name, in the order they were asked for.
    ///
    /// # Errors
    /// When the library cannot compute one.
    pub fn evaluate(&mut self, round: usize, matrix: &Matrix) -> Result<Vec<(String, f64)>> {
        let mut text = ptr::null();
        // SAFETY: one handle and one name; the answer stays until the next call.
        self.functions.check(unsafe {
            (self.functions.XGBoosterEvalOneIter)(
                self.handle,
                round as c_int,
                &matrix.handle,
                &c"validation".as_ptr(),
                1,
                &mut text,
            )
        })?;
        // SAFETY: a NUL-terminated string.
        let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
        Ok(text.split('\t').filter_map(metric).collect())
    }

    /// The model as UBJSON.
    ///
    /// # Errors
    /// When the library fails.
    pub fn save(&self) -> Result<Vec<u8>> {
        let config = c_string(&json!({"format": "ubj"}).to_string())?;
        let (mut length, mut bytes) = (0_u64, ptr::null());
        // SAFETY: valid places for length and address.
        self.functions.check(unsafe {
            (self.functions.XGBoosterSaveModelToBuffer)(self.handle, config.as_ptr(), &mut length, &mut bytes)
        })?;
        // SAFETY: `length` bytes that belong to the booster until its next call.
        Ok(unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), length as usize) }.to_vec())
    }
}

/// `validation-rmse:0.25`, one part of an evaluation such as `[3]\tvalidation-rmse:0.25\tvalidation-mae:0.1`.
fn metric(part: &str) -> Option<(String, f64)> {
    let (name, value) = part.strip_prefix("validation-")?.rsplit_once(':')?;
    Some((name.to_owned(), value.parse().unwrap_or(f64::NAN)))
}

impl Drop for Booster {
    fn drop(&mut self) {
        if !self.handle.is_null() {
            // SAFETY: a handle of this library, freed once.
            unsafe { (self.functions.XGBoosterFree)(self.handle) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_the_library_loses_its_file_and_stack_trace() {
        let text = "[07:40:01] /src/objective/multiclass_obj.cu:123: Check failed: label must be in [0, num_class).\n\
                    Stack trace:\n  [bt] (0) libxgboost.so";
        assert_eq!(first_sentence(text), "Check failed: label must be in [0, num_class).");
        assert_eq!(
            first_sentence("[07:40:01] /workspace/src/tree/param.cc:9: eta is too\n  large"),
            "eta is too large"
        );
    }

    #[test]
    fn metrics_are_read_from_the_librarys_line() {
        let parts: Vec<_> =
            "[3]\tvalidation-rmse:0.25\tvalidation-ndcg@5-:nan".split('\t').filter_map(metric).collect();
        assert_eq!(parts[0], ("rmse".to_owned(), 0.25));
        assert!(parts[1].0 == "ndcg@5-" && parts[1].1.is_nan());
    }
}
