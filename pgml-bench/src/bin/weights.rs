//! How fast weights are read and multiplied in each precision: what token-by-token generation and prompts cost.
//!
//! `cargo run --release -p pgml-bench --features kernels --bin weights [threads]`. One row is bound by memory: its rate
//! stands beside what the same threads read in the same run. Many rows are bound by arithmetic.

use std::hint::black_box;
use std::time::{Duration, Instant};

use pgml_bench::memory::{Memory, PART};
use pgml_models::kernels::{BlockFormat, Epilogue, PackedMatrix, Precision, Team, Weights, gemm};

/// The larger matrices of a decoder with half a billion weights.
const INPUTS: usize = 896;
const OUTPUTS: usize = 4864;

/// Each precision gets so many matrices that no cache holds them.
const BYTES: usize = 256 << 20;

fn main() {
    let threads: Vec<usize> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    let mut rng = fastrand::Rng::with_seed(1);
    let w: Vec<f32> = (0..OUTPUTS * INPUTS).map(|_| rng.f32() - 0.5).collect();
    let mut precisions = vec![Precision::F32, Precision::F16, Precision::Bf16, Precision::Int8];
    precisions.extend(BlockFormat::ALL.map(Precision::Blocks));
    for threads in if threads.is_empty() { vec![1, 2] } else { threads } {
        let team = Team::new(threads);
        println!("\n{threads} threads: {:.1} GB/s read", read_rate(&team));
        println!("{:16} {:>8} {:>8} {:>18} {:>18}", "", "GB/s", "1 row", "8 rows, × one row", "512 rows, G/s");
        for precision in &precisions {
            let line = Line::measure(&team, *precision, &w);
            println!(
                "{:16} {:8.1} {:7.1}% {:11.1} {:5.1}x {:17.1}",
                format!("{precision:?}"),
                line.one_row_bytes,
                100.0 * line.one_row_bytes / read_rate(&team),
                line.eight,
                line.eight / line.one,
                line.many
            );
        }
    }
}

struct Line {
    /// GB/s.
    one_row_bytes: f64,
    /// 10⁹ multiply-adds a second of 1, 8 and 512 rows.
    one: f64,
    eight: f64,
    many: f64,
}

impl Line {
    fn measure(team: &Team, precision: Precision, w: &[f32]) -> Self {
        let matrix = |w: &[f32]| PackedMatrix::new(team.cpu(), precision, &[Weights::F32(w)], INPUTS);
        let first = matrix(w);
        let bytes = first.bytes();
        let matrices: Vec<_> = std::iter::once(first).chain((1..BYTES / bytes).map(|_| matrix(w))).collect();
        let small = [matrix(&w[..INPUTS * INPUTS])];
        let mut rng = fastrand::Rng::with_seed(2);
        let x: Vec<f32> = (0..512 * INPUTS).map(|_| rng.f32() - 0.5).collect();
        let mut out = vec![0.0; 512 * OUTPUTS];
        let mut rate = |rows: usize, matrices: &[PackedMatrix]| {
            let outputs = matrices[0].outputs();
            let seconds = usual_seconds(|i| {
                let x = black_box(&x[..rows * INPUTS]);
                gemm(team, x, &matrices[i % matrices.len()], &Epilogue::default(), &mut out[..rows * outputs]);
            });
            (rows * INPUTS * outputs) as f64 / 1e9 / seconds
        };
        let one = rate(1, &matrices);
        let one_row_bytes = one * bytes as f64 / (INPUTS * OUTPUTS) as f64;
        Self { one_row_bytes, one, eight: rate(8, &matrices), many: rate(512, &small) }
    }
}

/// GB/s that the team's threads read together from a large array.
fn read_rate(team: &Team) -> f64 {
    let memory = Memory::default();
    PART as f64 / 1e9 / usual_seconds(|i| memory.read(i, team))
}

/// The seconds that a fifth of many rounds stay below: neighbours only ever slow a round down.
fn usual_seconds(mut round: impl FnMut(usize)) -> f64 {
    let start = Instant::now();
    let mut seconds = Vec::new();
    while start.elapsed() < Duration::from_secs(2) {
        let start = Instant::now();
        round(seconds.len());
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 5]
}
