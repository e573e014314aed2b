//! How fast a team's threads read memory and do nothing else: what no product with weights larger than the caches can exceed.

use std::hint::black_box;

use pgml_models::kernels::Team;

/// Memory that no cache holds.
const BYTES: usize = 256 << 20;

/// A round reads this much.
pub const PART: usize = 4 << 20;

/// An array that is read part by part.
pub struct Memory(Vec<u64>);

impl Default for Memory {
    fn default() -> Self {
        Self(vec![1; BYTES / size_of::<u64>()])
    }
}

impl Memory {
    /// Reads part `i`, and begins again after the last: [`PART`] bytes.
    pub fn read(&self, i: usize, team: &Team) {
        let words = PART / size_of::<u64>();
        let first = i % (self.0.len() / words) * words;
        let part = &self.0[first..first + words];
        let n = team.threads();
        team.for_each(n, |i| {
            let part = &part[part.len() * i / n..part.len() * (i + 1) / n];
            let sums = part.chunks_exact(8).fold([0_u64; 8], |sums, x| std::array::from_fn(|i| sums[i] ^ x[i]));
            black_box(sums);
        });
    }
}
