//! What transformers compute on a CPU, on plain slices.
//!
//! Blocks of `nn/` call these kernels; model files never see them. Every kernel has a plain scalar form in `reference.rs` and
//! a test that holds both together on every instruction level that the machine has.
//!
//! A forward pass is fastest over a few hundred tokens at a time (256 of MiniLM, say): what one layer writes is then still
//! in the second-level cache when the next reads it. Results do not depend on how tokens are grouped, nor on threads.

mod activation;
#[expect(unsafe_code, reason = "one buffer is seen as integers and as floats; advice to the system")]
mod aligned;
#[expect(unsafe_code, reason = "tiles read and write through pointers, jobs write to disjoint parts of one slice")]
mod attention;
#[expect(unsafe_code, reason = "tiles read and write through pointers")]
mod blocks;
mod columns;
mod cpu;
mod elementary;
#[expect(unsafe_code, reason = "jobs write to disjoint parts of one slice")]
mod epilogue;
#[expect(unsafe_code, reason = "tiles read and write through pointers")]
mod gemm;
mod half;
#[expect(unsafe_code, reason = "floats are seen as what they are in memory")]
mod operand;
mod packed;
#[cfg(test)]
mod reference;
mod rows;
#[expect(unsafe_code, reason = "loads and stores through the pointers that tiles are made of")]
mod simd;
#[expect(unsafe_code, reason = "threads share a borrowed closure and write to disjoint parts of one slice")]
mod team;
#[expect(unsafe_code, reason = "loops over pointers, compiled for instructions found at run time")]
mod tile;
mod weights;

pub use activation::{Activation, gated};
pub use attention::{Attention, Bias, Offsets, PAGE, Paged, Scores, Tokens, Window};
pub use blocks::BlockFormat;
pub use cpu::{Cpu, Level};
pub use epilogue::Epilogue;
pub use gemm::gemm;
pub(crate) use half::f16_to_f32;
pub use packed::{PackedMatrix, Precision};
pub use rows::{Norm, NormKind, softmax};
pub use team::Team;
pub use weights::Weights;

#[cfg(test)]
mod tests;
