//! Whose turn it is to compute on a device: in the order in which they came.

use std::sync::{Condvar, Mutex, PoisonError};

/// A lock that whoever has waited longest gets next.
#[derive(Debug, Default)]
pub struct Turns {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The number of the next who comes.
    next: u64,
    /// The number of who may compute.
    current: u64,
}

/// The right to compute, until it is dropped.
pub struct Turn<'a>(&'a Turns);

impl Turns {
    /// Waits until all who came before have computed.
    pub fn wait(&self) -> Turn<'_> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let own = state.next;
        state.next += 1;
        while state.current != own {
            state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).current += 1;
        self.0.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_at_a_time_in_the_order_of_coming() {
        let turns = Arc::new(Turns::default());
        let order = Arc::new(Mutex::new(Vec::new()));
        let first = turns.wait();
        let waiting: Vec<_> = (0..5)
            .map(|i| {
                let (turns, order) = (Arc::clone(&turns), Arc::clone(&order));
                let before = turns.state.lock().expect("a state").next;
                let of_thread = Arc::clone(&turns);
                let thread = std::thread::spawn(move || {
                    let _turn = of_thread.wait();
                    order.lock().expect("a list").push(i);
                });
                while turns.state.lock().expect("a state").next == before {
                    std::thread::sleep(Duration::from_millis(1));
                }
                thread
            })
            .collect();
        assert!(order.lock().expect("a list").is_empty());
        drop(first);
        waiting.into_iter().for_each(|thread| thread.join().expect("no panic"));
        assert_eq!(*order.lock().expect("a list"), [0, 1, 2, 3, 4]);
    }
}
