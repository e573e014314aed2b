//! Settings. Those that mean memory or security may be changed by a superuser alone.

use std::ffi::{CStr, CString};

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use pgrx::pg_sys;

type Text = GucSetting<Option<CString>>;

static MEMORY_LIMIT: GucSetting<i32> = GucSetting::<i32>::new(0);
static CACHE_MEMORY: GucSetting<i32> = GucSetting::<i32>::new(256 * 1024);
static SPOOL_SIZE: GucSetting<i32> = GucSetting::<i32>::new(2 * 1024 * 1024);
static MAX_THREADS: GucSetting<i32> = GucSetting::<i32>::new(1);
static OMP_NUM_THREADS: GucSetting<i32> = GucSetting::<i32>::new(0);
static PREDICT_CONCURRENCY: GucSetting<i32> = GucSetting::<i32>::new(2);
static XGBOOST_LIBRARY: Text = Text::new(None);
static LIGHTGBM_LIBRARY: Text = Text::new(None);
static WORKER_COMMAND: Text = Text::new(None);
static WORKER_MEMORY: GucSetting<i32> = GucSetting::<i32>::new(0);
static KEEP_ALIVE: GucSetting<i32> = GucSetting::<i32>::new(300_000);
static DEVICE: Text = Text::new(Some(c"auto"));
static MODEL_PATH: Text = Text::new(None);
static MODEL_CACHE: Text = Text::new(None);
static OFFLINE: GucSetting<bool> = GucSetting::<bool>::new(false);
static ALLOWED_MODELS: Text = Text::new(None);
static HUGGINGFACE_WHITELIST: Text = Text::new(None);
static TRUST_REMOTE_CODE: GucSetting<bool> = GucSetting::<bool>::new(false);
static TRUST_REMOTE_CODE_WHITELIST: Text = Text::new(None);
static VENV: Text = Text::new(None);

/// Memory that one training may take, in bytes; `u64::MAX` when unlimited.
pub fn memory_limit() -> u64 {
    match MEMORY_LIMIT.get() {
        0 => u64::MAX,
        kib => kibibytes(kib),
    }
}

/// Memory for models that a backend keeps, in bytes.
pub fn cache_memory() -> u64 {
    kibibytes(CACHE_MEMORY.get())
}

/// Disk for the server's copies of large models, in bytes.
pub fn spool_size() -> u64 {
    kibibytes(SPOOL_SIZE.get())
}

/// Threads that one training may use.
pub fn max_threads() -> usize {
    let limit = MAX_THREADS.get();
    let threads = match OMP_NUM_THREADS.get() {
        0 => limit,
        omp => omp.min(limit),
    };
    usize::try_from(threads).unwrap_or(1)
}

/// Where the XGBoost library is, if a superuser has said so.
pub fn xgboost_library() -> Option<String> {
    text(&XGBOOST_LIBRARY)
}

/// Where the LightGBM library is, if a superuser has said so.
pub fn lightgbm_library() -> Option<String> {
    text(&LIGHTGBM_LIBRARY)
}

/// The inference program, if the administrator has named one.
pub fn worker_command() -> Option<String> {
    text(&WORKER_COMMAND)
}

/// Memory that all loaded transformers may take together, in bytes.
pub fn worker_memory() -> u64 {
    kibibytes(WORKER_MEMORY.get())
}

/// Milliseconds after which an unused transformer is dropped; never when `None`.
pub fn keep_alive() -> Option<u64> {
    u64::try_from(KEEP_ALIVE.get()).ok()
}

/// Where transformers run.
pub fn device() -> Option<String> {
    text(&DEVICE)
}

/// Folders whose models may be used by path.
pub fn model_path() -> Vec<String> {
    let list = text(&MODEL_PATH).unwrap_or_default();
    list.split(':').map(str::trim).filter(|folder| !folder.is_empty()).map(str::to_owned).collect()
}

/// The folder of downloaded models, if the administrator has named one.
pub fn model_cache() -> Option<String> {
    text(&MODEL_CACHE)
}

/// Whether nothing may be downloaded.
pub fn offline() -> bool {
    OFFLINE.get()
}

/// Names of the transformers that may be used, of both settings.
pub fn allowed_models() -> String {
    [text(&ALLOWED_MODELS), text(&HUGGINGFACE_WHITELIST)]
        .map(|list| list.unwrap_or_default().replace('"', ""))
        .join(",")
}

/// Declares every setting. Called once per process, when the library is loaded.
pub fn declare() {
    // The boot values are known only at run time. SAFETY: nothing reads the settings before they are declared.
    unsafe {
        *MEMORY_LIMIT.as_ptr() = i32::try_from(physical_memory() / 2 / 1024).unwrap_or(i32::MAX);
        *WORKER_MEMORY.as_ptr() = *MEMORY_LIMIT.as_ptr();
        *MAX_THREADS.as_ptr() = i32::try_from(std::thread::available_parallelism().map_or(1, usize::from)).unwrap_or(1);
    }
    declare_resources();
    declare_libraries();
    declare_worker();
    declare_model_policy();
    // SAFETY: a constant name; later SETs of unknown `pgml.` names are refused instead of silently kept.
    unsafe { pg_sys::MarkGUCPrefixReserved(c"pgml".as_ptr()) };
}

fn declare_resources() {
    let kib = |context| (context, GucFlags::UNIT_KB);
    let user = || (GucContext::Userset, GucFlags::empty());
    int(
        c"pgml.memory_limit",
        c"Memory that one training may take (0 = unlimited; default: half of the machine's).",
        &MEMORY_LIMIT,
        (0, i32::MAX),
        kib(GucContext::Suset),
    );
    int(
        c"pgml.cache_memory",
        c"Memory for models that each backend keeps; the least recently used go first. Of a large model that the server has \
          in one copy for all (see pgml.spool_size), only the small part counts that is the backend's own.",
        &CACHE_MEMORY,
        (0, i32::MAX),
        kib(GucContext::Suset),
    );
    int(
        c"pgml.spool_size",
        c"Disk for copies of models over 1 MB that all backends share in memory; those not loaded for longest go first \
          (0 = each backend keeps its own in memory).",
        &SPOOL_SIZE,
        (0, i32::MAX),
        kib(GucContext::Sighup),
    );
    int(c"pgml.max_threads", c"Threads that one training may use.", &MAX_THREADS, (1, 1024), user());
    int(
        c"pgml.omp_num_threads",
        c"Lowers pgml.max_threads, as PostgresML's setting of this name did (0 = no further limit).",
        &OMP_NUM_THREADS,
        (0, 1024),
        user(),
    );
    int(
        c"pgml.predict_concurrency",
        c"Threads that one prediction over many rows may use.",
        &PREDICT_CONCURRENCY,
        (1, 1024),
        user(),
    );
}

fn declare_libraries() {
    string(
        c"pgml.xgboost_library",
        c"Path of the XGBoost library (empty: look in the default places).",
        &XGBOOST_LIBRARY,
        GucContext::Suset,
    );
    string(
        c"pgml.lightgbm_library",
        c"Path of the LightGBM library (empty: look in the default places).",
        &LIGHTGBM_LIBRARY,
        GucContext::Suset,
    );
    string(
        c"pgml.venv",
        c"Accepted for compatibility, without effect: there is no Python here.",
        &VENV,
        GucContext::Userset,
    );
}

fn declare_worker() {
    string(
        c"pgml.worker_command",
        c"Path of the inference program (empty: pgml-worker beside the extension's library).",
        &WORKER_COMMAND,
        GucContext::Sighup,
    );
    int(
        c"pgml.worker_memory",
        c"Memory that all loaded transformers may take together (default: half of the machine's).",
        &WORKER_MEMORY,
        (0, i32::MAX),
        (GucContext::Sighup, GucFlags::UNIT_KB),
    );
    int(
        c"pgml.keep_alive",
        c"Time after which an unused transformer is dropped from memory (-1 = never).",
        &KEEP_ALIVE,
        (-1, i32::MAX),
        (GucContext::Sighup, GucFlags::UNIT_MS),
    );
    string(c"pgml.device", c"Where transformers run: auto, cpu, wgpu, wgpu:1, ...", &DEVICE, GucContext::Userset);
    string(
        c"pgml.model_path",
        c"Folders, separated by colons, whose transformers may be used by path.",
        &MODEL_PATH,
        GucContext::Suset,
    );
    string(
        c"pgml.model_cache",
        c"Folder of transformers, laid out as HF_HOME (empty: as Python's libraries find it for the server's user).",
        &MODEL_CACHE,
        GucContext::Sighup,
    );
    GucRegistry::define_bool_guc(
        c"pgml.offline",
        c"Whether transformers are never downloaded.",
        c"",
        &OFFLINE,
        GucContext::Suset,
        GucFlags::empty(),
    );
}

fn declare_model_policy() {
    string(
        c"pgml.allowed_models",
        c"Names of the transformers that may be used, separated by commas (empty: all).",
        &ALLOWED_MODELS,
        GucContext::Suset,
    );
    string(
        c"pgml.huggingface_whitelist",
        c"The old name of pgml.allowed_models; the two lists are taken together.",
        &HUGGINGFACE_WHITELIST,
        GucContext::Suset,
    );
    string(
        c"pgml.huggingface_trust_remote_code_whitelist",
        c"Accepted for compatibility, without effect: code from model files is never executed.",
        &TRUST_REMOTE_CODE_WHITELIST,
        GucContext::Suset,
    );
    GucRegistry::define_bool_guc(
        c"pgml.huggingface_trust_remote_code",
        c"Accepted for compatibility, without effect: code from model files is never executed.",
        c"",
        &TRUST_REMOTE_CODE,
        GucContext::Suset,
        GucFlags::empty(),
    );
}

fn int(
    name: &'static CStr,
    description: &'static CStr,
    setting: &'static GucSetting<i32>,
    (least, most): (i32, i32),
    (context, flags): (GucContext, GucFlags),
) {
    GucRegistry::define_int_guc(name, description, c"", setting, least, most, context, flags);
}

fn string(name: &'static CStr, description: &'static CStr, setting: &'static Text, context: GucContext) {
    GucRegistry::define_string_guc(name, description, c"", setting, context, GucFlags::empty());
}

fn text(setting: &'static Text) -> Option<String> {
    setting.get().and_then(|value| value.into_string().ok()).filter(|value| !value.is_empty())
}

fn kibibytes(kib: i32) -> u64 {
    u64::try_from(kib).unwrap_or(0) * 1024
}

/// Bytes of memory that this machine or container has.
fn physical_memory() -> u64 {
    // SAFETY: two queries without side effects; -1 on failure.
    let (pages, page) = unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
    let machine = u64::try_from(pages).unwrap_or(0) * u64::try_from(page).unwrap_or(0);
    let container = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|s| s.trim().parse().ok());
    machine.min(container.unwrap_or(u64::MAX))
}
