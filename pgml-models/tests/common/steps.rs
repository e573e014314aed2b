//! Texts that grow, one forward pass after the other.

use std::sync::Arc;

use pgml_models::kernels::Team;
use pgml_models::nn::{CacheMemory, KvCache, PackedBatch, SharedCache};
use pgml_models::transformers::CausalLm;

/// Enough memory for every text here.
pub const PLENTY: usize = 1 << 30;

/// What a text of a model keeps of its tokens, in memory of its own.
pub fn cache(model: &CausalLm) -> KvCache {
    KvCache::new(&CacheMemory::new(model.layout(), PLENTY), model.placement().on_host())
}

/// The scores of the last token of each sequence. `sources` are the texts that they are made from, or none.
pub fn step(
    model: &CausalLm,
    sequences: &[(&[u32], SharedCache)],
    sources: Vec<Arc<KvCache>>,
    team: &Arc<Team>,
) -> Vec<Vec<f32>> {
    for (ids, cache) in sequences {
        cache.lock().expect("nobody panicked").reserve(ids.len()).expect("plenty of memory");
    }
    let batch = PackedBatch::continuing(sequences, team);
    let batch = if sources.is_empty() { batch } else { batch.made_from(sources) };
    let rows: Vec<usize> = batch.sequences().map(|rows| rows.end - 1).collect();
    let logits = model.logits(&batch, &rows).expect("a forward pass");
    logits.chunks_exact(model.vocabulary()).map(<[f32]>::to_vec).collect()
}

/// The most probable token.
pub fn best(logits: &[f32]) -> u32 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    logits.iter().position(|x| *x == largest).expect("a largest") as u32
}
