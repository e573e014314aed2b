//! The benchmarks stand in `benches/`, one program per topic; what they are compared with in `peers/`.

pub mod side;
