//! Passes over rows in random order, from which those that seem settled are set aside.

use pgml_core::{Result, Run};

/// Rows that a method of one row at a time still looks at.
pub struct ActiveRows {
    everyone: Vec<u32>,
    active: Vec<u32>,
    /// Rows between two looks at the run.
    piece: usize,
}

impl ActiveRows {
    /// Begins with all `rows`, of which `piece` take a fraction of a millisecond.
    #[must_use]
    pub fn new(rows: Vec<u32>, piece: usize) -> Self {
        Self { active: rows.clone(), everyone: rows, piece }
    }

    /// How many rows the next pass visits.
    #[must_use]
    pub fn len(&self) -> usize {
        self.active.len()
    }

    /// Whether all rows have been set aside.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// How many there are, with those that have been set aside.
    #[must_use]
    pub fn of_all(&self) -> usize {
        self.everyone.len()
    }

    /// Visits the rows once. `visit` moves those of a piece that stay to its front (see [`move_to_front`]) and returns how
    /// many they are. True if no row had been set aside.
    ///
    /// # Errors
    /// When the run was cancelled.
    pub fn pass(
        &mut self,
        rng: &mut fastrand::Rng,
        run: &Run,
        mut visit: impl FnMut(&mut [u32]) -> usize,
    ) -> Result<bool> {
        rng.shuffle(&mut self.active);
        let whole = self.active.len() == self.everyone.len();
        let mut kept = 0;
        for start in (0..self.active.len()).step_by(self.piece) {
            run.check()?;
            let end = (start + self.piece).min(self.active.len());
            let staying = visit(&mut self.active[start..end]);
            self.active.copy_within(start..start + staying, kept);
            kept += staying;
        }
        self.active.truncate(kept);
        Ok(whole)
    }

    /// Takes back what has been set aside.
    pub fn take_all(&mut self) {
        self.active.clone_from(&self.everyone);
    }
}

/// Moves the rows that `stays` is true of to the front, in their order; how many they are.
#[inline(always)]
pub fn move_to_front(rows: &mut [u32], mut stays: impl FnMut(usize) -> bool) -> usize {
    let mut kept = 0;
    for at in 0..rows.len() {
        let row = rows[at];
        if stays(row as usize) {
            rows[kept] = row;
            kept += 1;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_visited_once_a_pass_until_they_are_set_aside() {
        let mut rows = ActiveRows::new((0..10).collect(), 3);
        let (mut rng, run) = (fastrand::Rng::with_seed(1), Run::new());
        let mut visit = |rows: &mut ActiveRows| {
            let mut seen = Vec::new();
            let whole = rows.pass(&mut rng, &run, |piece| {
                seen.extend_from_slice(piece);
                move_to_front(piece, |row| row % 2 == 0)
            });
            seen.sort_unstable();
            (seen, whole)
        };
        let everyone: Vec<u32> = (0..10).collect();
        assert_eq!(visit(&mut rows), (everyone.clone(), Ok(true)));
        assert_eq!((rows.len(), rows.of_all()), (5, 10));
        assert_eq!(visit(&mut rows), (vec![0, 2, 4, 6, 8], Ok(false)));
        rows.take_all();
        assert_eq!(visit(&mut rows), (everyone, Ok(true)));
    }
}
