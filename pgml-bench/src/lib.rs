//! The benchmarks stand in `benches/`, one program per topic; what they are compared with in `peers/`.

#[cfg(any(feature = "kernels", feature = "transformers"))]
pub mod memory;
pub mod side;
