//! Which texts go into the next batch: a fair share of each caller's, those first who have waited longest.

use std::sync::Arc;

use super::{Item, Outbox, Queue, Work};

/// One request with texts in the queue.
pub struct Caller {
    /// Its number.
    pub id: u64,
    /// Tokens in `queue`.
    pub tokens: usize,
    work: Work,
    queue: Queue,
    outbox: Arc<Outbox>,
    /// When it last had a text in a batch: a count of batches.
    served: u64,
}

/// Texts of one caller in a batch.
pub struct Part {
    /// The texts.
    pub items: Vec<Item>,
    /// Where their results go.
    pub outbox: Arc<Outbox>,
    tokens: usize,
}

/// What is computed at once.
pub struct Batch {
    /// How.
    pub work: Work,
    /// Of whom.
    pub parts: Vec<Part>,
}

impl Batch {
    /// All tokens.
    pub fn tokens(&self) -> usize {
        self.parts.iter().map(|part| part.tokens).sum()
    }
}

impl Caller {
    /// A caller without texts.
    pub fn new(id: u64, work: Work, outbox: Arc<Outbox>) -> Self {
        Self { id, tokens: 0, work, queue: Queue::new(), outbox, served: 0 }
    }

    /// Adds texts to the end of the queue.
    pub fn push(&mut self, items: Vec<Item>) {
        self.tokens += items.iter().map(size).sum::<usize>();
        self.queue.extend(items);
    }

    /// Takes texts while they fit into the caller's `share` and into what is `left` of the batch: at least one if it fits
    /// into the batch, or if the batch is empty.
    fn take(&mut self, share: usize, left: usize, part: &mut Part, batch_is_empty: bool) -> usize {
        let before = part.tokens;
        while let Some(next) = self.queue.front().map(size) {
            let taken = part.tokens - before;
            let first = part.items.is_empty() && (batch_is_empty || next <= left);
            if taken + next > share.min(left) && !first {
                break;
            }
            part.items.extend(self.queue.pop_front());
            part.tokens += next;
            self.tokens -= next;
        }
        part.tokens - before
    }
}

/// An empty sequence is work too.
fn size(item: &Item) -> usize {
    item.tokens.len().max(1)
}

/// Takes the next batch out of the queues; `None` when they are empty. `budget` says how many tokens of a model go into
/// one batch; a longer text makes a batch of its own.
///
/// Whoever has waited longest says which work is done. Its tokens are shared equally among all who wait for the same, by
/// a text each where that is more; what one does not need is for the others.
pub fn compose(callers: &mut [Caller], budget: impl Fn(u64) -> usize) -> Option<Batch> {
    let mut waiting: Vec<&mut Caller> = callers.iter_mut().filter(|caller| !caller.queue.is_empty()).collect();
    waiting.sort_by_key(|caller| (caller.served, caller.id));
    let work = waiting.first()?.work.clone();
    let now = 1 + waiting.iter().map(|caller| caller.served).max().unwrap_or(0);
    waiting.retain(|caller| caller.work.joins(&work));
    let mut left = budget(work.model);
    let share = left / waiting.len();
    let mut parts: Vec<Part> = waiting.iter().map(|caller| caller.part()).collect();
    for round in [share, usize::MAX] {
        for (at, (caller, part)) in waiting.iter_mut().zip(&mut parts).enumerate() {
            left = left.saturating_sub(caller.take(round, left, part, at == 0));
        }
    }
    for (caller, _) in waiting.iter_mut().zip(&parts).filter(|(_, part)| !part.items.is_empty()) {
        caller.served = now;
    }
    parts.retain(|part| !part.items.is_empty());
    Some(Batch { work, parts })
}

impl Caller {
    fn part(&self) -> Part {
        Part { items: Vec::new(), outbox: Arc::clone(&self.outbox), tokens: 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use pgml_core::frames::Settings;
    use pgml_core::text::{ModelSpec, Tokens};
    use pgml_core::{Result, Run};

    use super::*;
    use crate::connection::Connection;
    use crate::models::{Loaded, Models, Purpose};
    use crate::scheduler::Kind;
    use crate::scripted::Scripted;

    fn work(model: u64) -> Result<Work> {
        let (models, spec) = (Scripted::default(), ModelSpec::named("plain"));
        let found = models.find(&spec, &Settings::default())?.expect("a plain model is always here");
        match models.load(&found, &spec, Purpose::Embed, &Run::new())? {
            Loaded::Embedder(embedder) => Ok(Work { model, kind: Kind::Embed(embedder), statistics: Arc::default() }),
            _ => panic!("an embedder was asked for"),
        }
    }

    /// A caller with `n` texts of `tokens` tokens.
    fn caller(id: u64, model: u64, n: usize, tokens: usize) -> Caller {
        let (near, _) = UnixStream::pair().expect("a pair");
        let waker = Connection::new(near).expect("descriptors").waker();
        let mut caller =
            Caller::new(id, work(model).expect("loads"), Arc::new(Outbox { done: Default::default(), waker }));
        let item = |place| Item { place, tokens: Tokens { ids: vec![1; tokens], ..Tokens::default() } };
        caller.push((0..n).map(item).collect());
        caller
    }

    /// The places of each part's texts.
    fn places(batch: &Batch) -> Vec<Vec<usize>> {
        batch.parts.iter().map(|part| part.items.iter().map(|item| item.place).collect()).collect()
    }

    #[test]
    fn all_who_wait_share_a_batch_and_leave_to_others_what_they_do_not_need() {
        let mut callers = [caller(0, 1, 1000, 10), caller(1, 1, 1, 10), caller(2, 1, 1000, 10)];
        let batch = compose(&mut callers, |_| 100).expect("a batch");
        assert_eq!(batch.tokens(), 100);
        assert_eq!(places(&batch), [(0..6).collect::<Vec<_>>(), vec![0], (0..3).collect()]);
        assert_eq!(callers.map(|caller| caller.tokens), [9940, 0, 9970]);
    }

    #[test]
    fn a_text_beyond_the_budget_makes_a_batch_of_its_own() {
        let mut callers = [caller(0, 1, 2, 500), caller(1, 1, 1, 10)];
        assert_eq!(places(&compose(&mut callers, |_| 100).expect("a batch")), [[0]]);
        // The other one has waited longer now.
        let next = compose(&mut callers, |_| 100).expect("a batch");
        assert_eq!((places(&next), next.tokens()), (vec![vec![0]], 10));
        assert_eq!(places(&compose(&mut callers, |_| 100).expect("a batch")), [[1]]);
        assert!(compose(&mut callers, |_| 100).is_none());
    }

    #[test]
    fn works_take_turns() {
        let mut callers = [caller(0, 1, 100, 10), caller(1, 2, 100, 10), caller(2, 1, 100, 10)];
        let models: Vec<u64> = (0..4).map(|_| compose(&mut callers, |_| 100).expect("a batch").work.model).collect();
        assert_eq!(models, [1, 2, 1, 2]);
    }

    #[test]
    fn everybody_is_served_however_small_the_share() {
        let mut callers: Vec<Caller> = (0..50).map(|id| caller(id, 1, 3, 10)).collect();
        let mut rounds = 0;
        while callers.iter().any(|caller| caller.served == 0) {
            compose(&mut callers, |_| 100).expect("a batch");
            rounds += 1;
        }
        assert_eq!(rounds, 5, "ten texts fit into a batch");
    }
}
