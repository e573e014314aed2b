//! One team of threads per size for the whole process: teams at rest cost nothing, and starting one costs more than a short
//! text.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use crate::kernels::Team;

/// The process's team of `threads`.
pub(crate) fn team(threads: usize) -> Arc<Team> {
    static TEAMS: LazyLock<Mutex<HashMap<usize, Arc<Team>>>> = LazyLock::new(Mutex::default);
    let mut teams = TEAMS.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(teams.entry(threads).or_insert_with(|| Arc::new(Team::new(threads))))
}
