//! Keys and values of the tokens that a sequence consists of so far, so that each is computed once while a text grows.
//!
//! In plain memory they lie in pages of [`PAGE`] tokens (as in vLLM: Kwon et al. 2023), which sequences with the same
//! beginning share; a page is copied when one of them goes on in it. All pages of a model come out of one [`CacheMemory`],
//! whose limit holds for all its sequences together.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::tensor::Tensor;
use pgml_core::{Result, bail};

use super::{Hidden, Matrix};
use crate::kernels::{PAGE, Paged};

/// What a model keeps of each token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheLayout {
    /// Layers with attention.
    pub n_layers: usize,
    /// Columns of the keys of a layer, and of its values.
    pub width: usize,
    /// Sequences of more tokens than that have other keys, from the first token on (LongRoPE).
    pub long_after: Option<usize>,
}

impl CacheLayout {
    /// Floats in a page: for each layer, keys and values of [`PAGE`] tokens.
    fn page_floats(self) -> usize {
        2 * self.n_layers * PAGE * self.width
    }

    /// Bytes that a page takes.
    #[must_use]
    pub fn page_bytes(self) -> usize {
        self.page_floats() * size_of::<f32>()
    }
}

/// The memory that the sequences of a model share.
#[derive(Debug)]
pub struct CacheMemory {
    layout: CacheLayout,
    limit: usize,
    used: AtomicUsize,
}

impl CacheMemory {
    /// At most `limit` bytes.
    #[must_use]
    pub fn new(layout: CacheLayout, limit: usize) -> Arc<Self> {
        Arc::new(Self { layout, limit, used: AtomicUsize::new(0) })
    }

    /// The limit, in bytes.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes in use.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Bytes that a sequence of `n_tokens` takes alone.
    #[must_use]
    pub fn bytes_of(&self, n_tokens: usize) -> usize {
        n_tokens.div_ceil(PAGE) * self.layout.page_bytes()
    }

    fn page(self: &Arc<Self>, on_host: bool) -> Result<Page> {
        let bytes = self.layout.page_bytes();
        let (used, limit) = (self.used.fetch_add(bytes, Ordering::Relaxed) + bytes, self.limit());
        // From here on dropping the page gives its bytes back.
        let mut page = Page { values: Vec::new(), memory: Arc::clone(self) };
        if used > limit {
            bail!(OutOfMemory, "keys and values of the texts under way need more than {} MB", limit >> 20);
        }
        if on_host {
            page.values = vec![0.0; self.layout.page_floats()];
        }
        Ok(page)
    }
}

/// Keys and values of [`PAGE`] tokens, layer after layer: keys, then values, each `PAGE` × width. On a device a page only
/// counts the memory that the tensors take.
#[derive(Debug)]
struct Page {
    values: Vec<f32>,
    memory: Arc<CacheMemory>,
}

impl Drop for Page {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.memory.layout.page_bytes(), Ordering::Relaxed);
    }
}

/// Keys and values of one sequence.
#[derive(Debug, Clone)]
pub struct KvCache {
    memory: Arc<CacheMemory>,
    pages: Vec<Arc<Page>>,
    /// On a device: for each layer keys and values, tokens × width.
    tensors: Option<Vec<Option<[Tensor<2>; 2]>>>,
    len: usize,
    /// Tokens that the sequence is known to get, at least: what positions go by that depend on the length.
    extent: usize,
}

impl KvCache {
    /// Of a sequence without tokens, in plain memory or `on_host` or else on a device.
    #[must_use]
    pub fn new(memory: &Arc<CacheMemory>, on_host: bool) -> Self {
        let tensors = (!on_host).then(|| vec![None; memory.layout.n_layers]);
        Self { memory: Arc::clone(memory), pages: Vec::new(), tensors, len: 0, extent: 0 }
    }

    /// Tokens whose keys and values it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Tokens that the sequence is known to get, at least.
    #[must_use]
    pub fn extent(&self) -> usize {
        self.extent
    }

    /// Whether a sequence of `n_tokens` that begins with the same tokens has the same keys.
    #[must_use]
    pub fn serves(&self, n_tokens: usize) -> bool {
        let limit = self.memory.layout.long_after;
        self.is_empty() || limit.is_none_or(|limit| (self.extent > limit) == (n_tokens > limit))
    }

    /// Tells that the sequence has `n_tokens` by now, with those that are still to be read. Where its keys are others from
    /// this length on, those that it had are given up: all tokens have to be read again.
    pub fn expect(&mut self, n_tokens: usize) {
        if !self.serves(n_tokens) {
            *self = Self::new(&self.memory, self.tensors.is_none());
        }
        self.extent = self.extent.max(n_tokens);
    }

    /// The first `n_tokens` tokens, sharing their memory.
    ///
    /// # Panics
    /// When there are fewer.
    #[must_use]
    pub fn prefix(&self, n_tokens: usize) -> Self {
        assert!(n_tokens <= self.len, "{n_tokens} of {} tokens", self.len);
        let mut prefix = self.clone();
        prefix.pages.truncate(n_tokens.div_ceil(PAGE));
        prefix.len = n_tokens;
        for [keys, values] in prefix.tensors.iter_mut().flatten().flatten() {
            *keys = keys.clone().slice_dim(0, 0..n_tokens);
            *values = values.clone().slice_dim(0, 0..n_tokens);
        }
        prefix
    }

    /// Makes room for `n_tokens` more tokens.
    ///
    /// # Errors
    /// [`OutOfMemory`](pgml_core::ErrorKind::OutOfMemory) when the model's memory for texts is used up; what was there stays.
    pub fn reserve(&mut self, n_tokens: usize) -> Result<()> {
        let on_host = self.tensors.is_none();
        // Room that a pass which was stopped has not used may be shared with a copy by now.
        self.pages.truncate(self.len.div_ceil(PAGE));
        if !self.len.is_multiple_of(PAGE)
            && let Some(last) = self.pages.get_mut(self.len / PAGE)
            && Arc::get_mut(last).is_none()
        {
            let mut copy = self.memory.page(on_host)?;
            copy.values.copy_from_slice(&last.values);
            *last = Arc::new(copy);
        }
        while self.pages.len() * PAGE < self.len + n_tokens {
            self.pages.push(Arc::new(self.memory.page(on_host)?));
        }
        Ok(())
    }

    /// Counts the `n_tokens` tokens that every layer has written.
    pub fn grow(&mut self, n_tokens: usize) {
        self.len += n_tokens;
        self.extent = self.extent.max(self.len);
    }

    /// Writes a layer's keys and values of the tokens behind those that are counted; room was made for them. Keys and
    /// values stand in `rows` of `qkv`, from the columns `key` and `value` on.
    pub(super) fn write(&mut self, layer: usize, qkv: &Matrix, rows: Range<usize>, [key, value]: [usize; 2]) {
        let width = self.memory.layout.width;
        for (place, row) in (self.len..).zip(rows) {
            let page = Arc::get_mut(&mut self.pages[place / PAGE]).expect("a page that is written to has one sequence");
            let row = qkv.row(row);
            for (half, column) in [key, value].into_iter().enumerate() {
                let start = ((2 * layer + half) * PAGE + place % PAGE) * width;
                page.values[start..][..width].copy_from_slice(&row[column..][..width]);
            }
        }
    }

    /// Writes a layer's keys and values side by side, in `rows` of `keys_values`, behind those that are counted; room was
    /// made for them.
    pub fn append(&mut self, layer: usize, keys_values: &Hidden, rows: Range<usize>) {
        let width = self.memory.layout.width;
        match keys_values {
            Hidden::Host(matrix) => self.write(layer, matrix, rows, [0, width]),
            Hidden::Device(tensor) => {
                let columns = |range| tensor.clone().slice_dim(0, rows.clone()).slice_dim(1, range);
                self.extend(layer, [columns(0..width), columns(width..2 * width)]);
            }
        }
    }

    /// On a device: a layer's keys and values.
    pub(super) fn tensors(&self, layer: usize) -> Option<&[Tensor<2>; 2]> {
        self.tensors.as_ref()?.get(layer)?.as_ref()
    }

    /// A layer's keys and values, those of `n_new` tokens included that were only written.
    pub(super) fn paged(&self, layer: usize, n_new: usize) -> Paged<'_> {
        let (width, len) = (self.memory.layout.width, self.len + n_new);
        let half = |half: usize| {
            let start = (2 * layer + half) * PAGE * width;
            self.pages.iter().take(len.div_ceil(PAGE)).map(|page| &page.values[start..][..PAGE * width]).collect()
        };
        Paged { keys: half(0), values: half(1), len }
    }

    /// On a device: a layer's keys and values with `new` ones behind them, tokens × width each.
    pub(super) fn extend(&mut self, layer: usize, new: [Tensor<2>; 2]) -> [Tensor<2>; 2] {
        let (len, slot) = (self.len, &mut self.tensors.get_or_insert_default()[layer]);
        let [keys, values] = new;
        // What a pass that was stopped has left behind the tokens that count is left out.
        let after = |old: Tensor<2>, new| Tensor::cat(vec![old.slice_dim(0, 0..len), new], 0);
        let all = match slot.take() {
            Some([old_keys, old_values]) if len > 0 => [after(old_keys, keys), after(old_values, values)],
            _ => [keys, values],
        };
        slot.insert(all).clone()
    }
}

/// A sequence's cache as a batch holds it.
pub type SharedCache = Arc<Mutex<KvCache>>;

/// The cache behind its lock. Only the thread that computes a batch takes it.
pub(crate) fn lock(cache: &SharedCache) -> MutexGuard<'_, KvCache> {
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}
