//! Requests whose texts grow together: which tokens each round computes, and where their keys and values lie.
//!
//! A round takes the next token of every text that grows, and a part of the prompts that are still to be read, as in Sarathi
//! (Agrawal et al. 2023): so a long prompt delays the others little. When the memory for keys and values is used up, the
//! youngest requests give theirs back, and read what they had read again once there is room (as in vLLM, Kwon et al. 2023).

use std::sync::{Arc, Mutex};

use pgml_core::text::{Event, GenerationBatch, Prepared, Tokens};
use pgml_core::{Error, ErrorKind, Result, Run};

use super::active::{Active, Growth, SourceText};
use super::generator::{Inner, Reading, Request};
use super::prefixes::Prefixes;
use super::teams::team;
use crate::generation::Wanted;
use crate::nn::cache::lock;
use crate::nn::{CacheMemory, KvCache, PackedBatch, SharedCache};

/// Tokens of prompts that one round reads.
const PROMPT_TOKENS: usize = 256;

/// Texts that one round continues.
const TEXTS: usize = 256;

/// The requests of one model.
pub(super) struct Growing {
    inner: Arc<Inner>,
    memory: Arc<CacheMemory>,
    /// In the order in which they came.
    requests: Vec<Active>,
    prefixes: Prefixes,
    next: u64,
}

/// What one round computes of a branch: which of the batch's requests, which branch, how many tokens.
struct Share {
    request: usize,
    branch: usize,
    n_tokens: usize,
}

impl Growing {
    pub(super) fn new(inner: &Arc<Inner>, memory: u64) -> Self {
        let memory = CacheMemory::new(inner.model.layout(), usize::try_from(memory).unwrap_or(usize::MAX));
        Self { inner: Arc::clone(inner), memory, requests: Vec::new(), prefixes: Prefixes::default(), next: 0 }
    }

    /// Chooses what this round computes, and makes room for it.
    fn shares(&mut self, events: &mut Vec<(u64, Event)>) -> Vec<Share> {
        self.readmit();
        let mut shares: Vec<Share> = Vec::new();
        let mut left = PROMPT_TOKENS;
        let mut request = 0;
        while request < self.requests.len() {
            if self.requests[request].waits || shares.len() >= TEXTS {
                request += 1;
                continue;
            }
            let taken = shares.len();
            match self.take(request, &mut left, &mut shares) {
                Ok(()) => request += 1,
                Err(error) => {
                    shares.truncate(taken);
                    if self.prefixes.forget_oldest() {
                        continue;
                    }
                    // The youngest that has anything gives it back; then this one tries again, unless it is that one.
                    match self.youngest_after(request) {
                        Some(youngest) => self.preempt(youngest),
                        None if request > 0 && self.requests[..request].iter().any(|other| !other.waits) => {
                            self.preempt(request);
                            request += 1;
                        }
                        None => {
                            let failed = self.requests.remove(request);
                            events.push((failed.number, Event::Failed(too_long(error))));
                        }
                    }
                }
            }
        }
        shares
    }

    /// Adds what a request's branches read in this round.
    fn take(&mut self, request: usize, left: &mut usize, shares: &mut Vec<Share>) -> Result<()> {
        let on_host = self.inner.model.placement().on_host();
        let active = &mut self.requests[request];
        // Something is read beside a source of any length: the source is read when its text goes on.
        let mut least = 0;
        if let Some(source) = active.source.as_mut().filter(|source| source.read.is_none()) {
            // An encoder sees all of its text at once.
            if *left == 0 {
                return Ok(());
            }
            if source.room.is_none() {
                let mut room = KvCache::new(&self.memory, on_host);
                room.reserve(source.tokens.len())?;
                source.room = Some(room);
            }
            *left = left.saturating_sub(source.tokens.len());
            least = 1;
        }
        for (branch, growth) in active.branches.iter_mut().enumerate().filter(|(_, growth)| growth.logits.is_none()) {
            let mut cache = lock(&growth.cache);
            cache.expect(growth.tokens.len());
            let unread = growth.tokens.len() - cache.len();
            let n_tokens = if unread == 1 { 1 } else { unread.min((*left).max(least)) };
            if n_tokens == 0 {
                continue;
            }
            cache.reserve(n_tokens)?;
            *left = left.saturating_sub(if unread == 1 { 0 } else { n_tokens });
            shares.push(Share { request, branch, n_tokens });
        }
        Ok(())
    }

    /// The last request after `request` that holds memory.
    fn youngest_after(&self, request: usize) -> Option<usize> {
        (request + 1..self.requests.len()).rev().find(|i| !self.requests[*i].waits && self.requests[*i].holds_memory())
    }

    fn preempt(&mut self, request: usize) {
        let (memory, on_host) = (&self.memory, self.inner.model.placement().on_host());
        let active = &mut self.requests[request];
        active.waits = true;
        if let Some(source) = &mut active.source {
            (source.room, source.read) = (None, None);
        }
        for growth in &mut active.branches {
            growth.cache = Arc::new(Mutex::new(KvCache::new(memory, on_host)));
            growth.logits = None;
        }
    }

    /// Lets requests go on that wait, in order, while there is room for all that they have.
    fn readmit(&mut self) {
        let nobody_else = self.requests.iter().all(|active| active.waits);
        for (i, active) in self.requests.iter_mut().enumerate().filter(|(_, active)| active.waits) {
            let of_branches = active.branches.iter().map(|growth| growth.tokens.len() + 1);
            let of_source = active.source.as_ref().map(|source| source.tokens.len());
            let needed: usize = of_branches.chain(of_source).map(|n_tokens| self.memory.bytes_of(n_tokens)).sum();
            let first = nobody_else && i == 0;
            if !first && self.memory.used().saturating_add(needed) > self.memory.limit() {
                break;
            }
            active.waits = false;
        }
    }

    /// The forward pass of `shares`.
    fn compute(&mut self, shares: &[Share], run: &Run) -> Result<()> {
        self.read_sources(shares, run)?;
        let sequences: Vec<(Vec<u32>, SharedCache)> = shares
            .iter()
            .map(|share| {
                let growth = &self.requests[share.request].branches[share.branch];
                let read = lock(&growth.cache).len();
                (growth.tokens[read..read + share.n_tokens].to_vec(), Arc::clone(&growth.cache))
            })
            .collect();
        let borrowed: Vec<(&[u32], SharedCache)> =
            sequences.iter().map(|(tokens, cache)| (tokens.as_slice(), Arc::clone(cache))).collect();
        let mut batch = PackedBatch::continuing(&borrowed, &team(run.threads())).interruptible(run);
        if self.inner.reading.is_some() {
            let source = |share: &Share| self.requests[share.request].source.as_ref()?.read.clone();
            batch = batch.made_from(shares.iter().filter_map(source).collect());
        }
        let ends = |share: &Share| {
            let growth = &self.requests[share.request].branches[share.branch];
            lock(&growth.cache).len() + share.n_tokens == growth.tokens.len()
        };
        let whole: Vec<bool> = shares.iter().map(ends).collect();
        let rows: Vec<usize> =
            batch.sequences().zip(&whole).filter(|(_, whole)| **whole).map(|(rows, _)| rows.end - 1).collect();
        let model = &self.inner.model;
        let logits = model.placement().attempt(|| model.logits(&batch, &rows))?;
        let mut logits = logits.chunks_exact(model.vocabulary());
        for share in shares.iter().zip(&whole).filter(|(_, whole)| **whole).map(|(share, _)| share) {
            self.requests[share.request].branches[share.branch].logits = logits.next().map(<[f32]>::to_vec);
        }
        Ok(())
    }

    /// Reads the texts that others are made from, where there is room for what is kept of them.
    fn read_sources(&mut self, shares: &[Share], run: &Run) -> Result<()> {
        let Some(Reading { reader, .. }) = &self.inner.reading else { return Ok(()) };
        let (mut texts, mut rooms, mut sources) = (Vec::new(), Vec::new(), Vec::new());
        for (i, active) in self.requests.iter_mut().enumerate() {
            let Some(source) = active.source.as_mut().filter(|source| source.room.is_some()) else { continue };
            if shares.iter().any(|share| share.request == i) {
                texts.push(Tokens { ids: source.tokens.clone(), ..Tokens::default() });
                rooms.extend(source.room.take());
                sources.push(source);
            }
        }
        if texts.is_empty() {
            return Ok(());
        }
        let batch = PackedBatch::new(&texts.iter().collect::<Vec<_>>(), &team(run.threads())).interruptible(run);
        reader.read(&batch, &mut rooms)?;
        sources.into_iter().zip(rooms).for_each(|(source, room)| source.read = Some(Arc::new(room)));
        Ok(())
    }

    /// Lets every request go on whose branches have all been read.
    fn advance(&mut self, events: &mut Vec<(u64, Event)>) {
        let mut i = 0;
        while i < self.requests.len() {
            let active = &mut self.requests[i];
            if active.waits || active.branches.iter().any(|growth| growth.logits.is_none()) {
                i += 1;
                continue;
            }
            let outcome = match active.advance(events) {
                Ok(false) => {
                    i += 1;
                    continue;
                }
                Ok(true) => Ok(()),
                Err(error) => Err(error),
            };
            let ended = self.requests.remove(i);
            let number = ended.number;
            match outcome.and_then(|()| ended.end(events)) {
                Ok((texts, first)) => {
                    events.push((number, Event::Done(texts)));
                    // What is kept of a text that is made from another depends on that other.
                    if let Some(growth) = first
                        && self.inner.reading.is_none()
                    {
                        self.prefixes.keep(growth.tokens, growth.cache);
                    }
                }
                Err(error) => events.push((number, Event::Failed(error))),
            }
        }
    }
}

impl GenerationBatch for Growing {
    fn enter(&mut self, request: Prepared) -> u64 {
        let number = self.next;
        self.next += 1;
        // Whatever else was prepared elsewhere is no request of this model, and ends at once with its caller.
        if let Ok(request) = request.0.downcast::<Request>() {
            let tokens = match request.generation.wanted() {
                Wanted::Prompt(tokens) => tokens.to_vec(),
                Wanted::Next(_) => Vec::new(),
            };
            let others = self.requests.iter().flat_map(|active| &active.branches);
            let others = others.map(|growth| (growth.tokens.as_slice(), &growth.cache));
            let known = self.prefixes.longest(&tokens, others);
            let known = known.filter(|cache| request.source.is_none() && cache.serves(tokens.len()));
            let on_host = self.inner.model.placement().on_host();
            let cache = known.unwrap_or_else(|| KvCache::new(&self.memory, on_host));
            let growth = Growth { tokens, cache: Arc::new(Mutex::new(cache)), logits: None };
            let source = request.source.clone().map(|tokens| SourceText { tokens, room: None, read: None });
            self.requests.push(Active { number, request: *request, branches: vec![growth], source, waits: false });
        }
        number
    }

    fn leave(&mut self, request: u64) {
        self.requests.retain(|active| active.number != request);
    }

    fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    fn round(&mut self, run: &Run) -> Vec<(u64, Event)> {
        let mut events = Vec::new();
        let shares = self.shares(&mut events);
        if shares.is_empty() {
            return events;
        }
        match self.compute(&shares, run) {
            Ok(()) => self.advance(&mut events),
            // Somebody left: nothing was counted, and the round is computed again without them.
            Err(error) if error.kind() == ErrorKind::Cancelled => {}
            Err(error) => {
                // All that took part have failed: which one it was cannot be told.
                let mut failed: Vec<usize> = shares.iter().map(|share| share.request).collect();
                failed.dedup();
                for i in failed.into_iter().rev() {
                    events.push((self.requests.remove(i).number, Event::Failed(error.clone())));
                }
            }
        }
        events
    }
}

fn too_long(error: Error) -> Error {
    error.with_hint("a shorter text needs less; pgml.worker_memory says how much all may take")
}
