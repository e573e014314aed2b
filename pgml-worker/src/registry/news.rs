//! What work reports, for several callers who each hear all of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pgml_core::frames::Reply;
use pgml_core::run::{Level, Progress, Reporter};

use crate::connection::Waker;

/// Callers hear of progress this often.
const PAUSE: Duration = Duration::from_millis(100);

/// Reports of one piece of work.
#[derive(Default)]
pub struct News(Mutex<State>);

#[derive(Default)]
struct State {
    progress: Option<Progress>,
    /// Counts the progress that callers were woken for.
    steps: u64,
    stepped: Option<Instant>,
    messages: Vec<(Level, String)>,
    listeners: Vec<Arc<Waker>>,
}

/// What one caller has heard.
#[derive(Debug, Default)]
pub struct Told {
    steps: u64,
    messages: usize,
}

impl News {
    /// Wakes this caller, too, when there is something new.
    pub fn listen(&self, waker: Arc<Waker>) {
        self.lock().listeners.push(waker);
    }

    /// What the caller has not heard yet.
    pub fn since(&self, told: &mut Told) -> Vec<Reply> {
        let state = self.lock();
        let news = &state.messages[told.messages..];
        let mut replies: Vec<Reply> =
            news.iter().map(|(level, text)| Reply::Message { level: *level, text: text.clone() }).collect();
        if let Some(Progress { phase, done, total }) = state.progress.filter(|_| state.steps > told.steps) {
            replies.push(Reply::Progress { phase: phase.to_owned(), done, total });
        }
        *told = Told { steps: state.steps, messages: state.messages.len() };
        replies
    }

    /// Lets every caller look.
    pub fn wake_all(&self) {
        self.lock().wake_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wake_all(&self) {
        self.listeners.iter().for_each(|waker| waker.wake());
    }
}

impl Reporter for News {
    fn progress(&self, progress: Progress) {
        let mut state = self.lock();
        let begins = state.progress.is_none_or(|before| before.phase != progress.phase);
        state.progress = Some(progress);
        if begins || state.stepped.is_none_or(|at| at.elapsed() >= PAUSE) {
            state.steps += 1;
            state.stepped = Some(Instant::now());
            state.wake_all();
        }
    }

    fn message(&self, level: Level, text: &str) {
        let mut state = self.lock();
        state.messages.push((level, text.to_owned()));
        state.wake_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_caller_hears_every_message_once_and_the_newest_progress() {
        let news = News::default();
        let (mut first, mut second) = (Told::default(), Told::default());
        news.message(Level::Warning, "a");
        news.progress(Progress { phase: "downloading", done: 1, total: 3 });
        assert_eq!(news.since(&mut first).len(), 2);
        assert_eq!(news.since(&mut first), []);
        news.message(Level::Info, "b");
        let progress = Reply::Progress { phase: "downloading".into(), done: 1, total: 3 };
        let message = |level, text: &str| Reply::Message { level, text: text.into() };
        assert_eq!(news.since(&mut first), [message(Level::Info, "b")]);
        assert_eq!(news.since(&mut second), [message(Level::Warning, "a"), message(Level::Info, "b"), progress]);
    }

    #[test]
    fn frequent_progress_is_heard_now_and_then() {
        let news = News::default();
        let mut told = Told::default();
        let heard = (0..1000).filter(|done| {
            news.progress(Progress { phase: "downloading", done: *done, total: 1000 });
            !news.since(&mut told).is_empty()
        });
        assert!(heard.count() < 100);
    }
}
