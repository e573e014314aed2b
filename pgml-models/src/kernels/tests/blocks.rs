//! Formats of blocks: the bytes of GGUF files, and the products with them.

use serde::Deserialize;

use super::super::reference::Linear;
use super::*;

#[derive(Deserialize)]
struct Golden {
    /// What was quantised, of formats that the `gguf` package can write.
    x: Option<Vec<f32>>,
    /// Hexadecimal digits.
    blocks: String,
    values: Vec<f32>,
}

fn golden(format: BlockFormat) -> Golden {
    let all: std::collections::HashMap<String, Golden> =
        serde_json::from_str(include_str!("../../../../tests/golden/gguf_blocks.json")).expect("the golden is JSON");
    all.into_iter().find(|(key, _)| key == format.name()).unwrap_or_else(|| panic!("no golden of {format:?}")).1
}

fn bytes(digits: &str) -> Vec<u8> {
    let byte = |i: usize| u8::from_str_radix(&digits[i..i + 2], 16).expect("two hexadecimal digits");
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// Blocks of random bytes whose scales are usual ones.
fn random_blocks(format: BlockFormat, seed: u64, n: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut blocks: Vec<u8> = (0..n * format.block_bytes()).map(|_| rng.u8(..)).collect();
    for block in blocks.chunks_exact_mut(format.block_bytes()) {
        for at in format.layout().halves {
            // From 0.25 to 0.5, of either sign.
            block[at + 1] = 0x34 | rng.u8(..) & 0x83;
        }
    }
    blocks
}

fn values(format: BlockFormat, blocks: &[u8]) -> Vec<f32> {
    let mut values = vec![0.0; blocks.len() / format.block_bytes() * format.block_len()];
    format.dequantize(blocks, &mut values);
    values
}

#[test]
fn blocks_are_those_of_gguf_files() {
    for format in BlockFormat::ALL {
        let golden = golden(format);
        let blocks = bytes(&golden.blocks);
        assert_eq!(values(format, &blocks), golden.values, "{format:?}");
        if let Some(x) = golden.x {
            let mut ours = vec![0; blocks.len()];
            format.quantize(&x, &mut ours);
            assert_eq!(ours, blocks, "{format:?}");
        }
    }
}

#[test]
fn quantising_errs_by_half_a_step_at_most() {
    for format in BlockFormat::ALL {
        let x = random(20, 10 * 256 + 5);
        let mut blocks = vec![0; x.len().div_ceil(format.block_len()) * format.block_bytes()];
        format.quantize(&x, &mut blocks);
        let mut back = vec![0.0; x.len()];
        format.dequantize(&blocks, &mut back);
        let worst = x.iter().zip(&back).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
        assert!(worst <= largest_error(format), "{format:?}: {worst}");
        let mut again = vec![0; blocks.len()];
        format.quantize(&[0.0; 256], &mut again[..256 / format.block_len() * format.block_bytes()]);
        let zeros = values(format, &again[..256 / format.block_len() * format.block_bytes()]);
        assert!(zeros.iter().all(|x| *x == 0.0), "{format:?}");
    }
}

/// The largest error of a weight between −1 and 1: half a step, and the rounding of the scale.
fn largest_error(format: BlockFormat) -> f32 {
    match format {
        BlockFormat::Q8_0 => 1.0 / 254.0 + 5e-4,
        // The end that is not the largest may be a whole step off.
        BlockFormat::Q4_0 => 1.0 / 8.0 + 5e-4,
        // Scales and minima are rounded to a 63rd of the largest.
        BlockFormat::Q4K => 1.0 / 15.0 + 1.5 / 63.0,
        BlockFormat::Q5K => 1.0 / 31.0 + 1.5 / 63.0,
        BlockFormat::Q6K => 1.0 / 32.0 + 1.0 / 127.0,
    }
}

#[test]
fn a_product_with_blocks_is_exact_where_inputs_are_bytes() {
    // Inputs that are integers up to 127 in each block of 32 quantise without loss.
    let mut rng = fastrand::Rng::with_seed(21);
    for format in BlockFormat::ALL {
        for (rows, blocks, outputs) in [(1, 1, 1), (1, 3, 33), (2, 5, 40), (7, 4, 64), (19, 17, 50), (61, 3, 31)] {
            let inputs = blocks * format.block_len();
            let mut x: Vec<f32> = (0..rows * inputs).map(|_| rng.i32(-127..=127) as f32).collect();
            x.chunks_exact_mut(32).for_each(|x| x[0] = 127.0);
            let bytes = random_blocks(format, 22, outputs * blocks);
            let w = values(format, &bytes);
            let want = Linear { inputs, w: &w, up: None, bias: None, activation: Activation::Identity, residual: None };
            let want = want.apply(&x);
            for team in teams() {
                let weights = [Weights::Blocks(format, &bytes)];
                let packed = PackedMatrix::new(team.cpu(), Precision::Blocks(format), &weights, inputs);
                let mut out = vec![f32::NAN; rows * outputs];
                gemm(&team, &x, &packed, &Epilogue::default(), &mut out);
                let scale = want.iter().fold(0.0, |a: f64, x| a.max(x.abs()));
                let what = format!("{rows} × {inputs} × {outputs}, {format:?} on {:?}", team.cpu());
                assert_close(&out, &want, 1e-5 * scale, &what);
            }
        }
    }
}

#[test]
fn packed_blocks_take_the_room_of_the_file_and_are_read_back_as_they_were() {
    for format in BlockFormat::ALL {
        for cpu in Cpu::available() {
            let (inputs, outputs) = (3 * 256, 96);
            let gate = random_blocks(format, 23, outputs * inputs / format.block_len());
            let up = random_blocks(format, 24, outputs * inputs / format.block_len());
            let (gate_part, up_part) = (Weights::Blocks(format, &gate), Weights::Blocks(format, &up));
            for gated in [false, true] {
                let precision = Precision::Blocks(format);
                let packed = match gated {
                    false => PackedMatrix::new(cpu, precision, &[gate_part, up_part], inputs),
                    true => PackedMatrix::gated(cpu, precision, gate_part, up_part, inputs),
                };
                assert_eq!(packed.bytes(), gate.len() + up.len(), "{format:?} on {cpu:?}");
                let want = [values(format, &gate), values(format, &up)].concat();
                let mut row = vec![0.0; inputs];
                for (i, want) in want.chunks_exact(inputs).enumerate() {
                    packed.row(i, &mut row);
                    assert_eq!(row, want, "row {i}, {format:?} on {cpu:?}");
                }
            }
        }
    }
}

#[test]
fn every_precision_gives_its_rows_back() {
    let (inputs, outputs) = (41, 37);
    let w = random(25, outputs * inputs);
    for precision in gemm::PRECISIONS {
        for cpu in Cpu::available() {
            let packed = PackedMatrix::new(cpu, precision, &[Weights::F32(&w)], inputs);
            let mut row = vec![0.0; inputs];
            for (i, want) in w.chunks_exact(inputs).enumerate() {
                packed.row(i, &mut row);
                let error = match precision {
                    Precision::F32 => 0.0,
                    Precision::F16 => 1.0 / 4096.0,
                    Precision::Bf16 => 1.0 / 512.0,
                    Precision::Int8 => 1.0 / 254.0,
                    Precision::Blocks(format) => largest_error(format),
                };
                let worst = row.iter().zip(want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(worst <= error, "row {i}, {precision:?} on {cpu:?}: {worst}");
            }
        }
    }
}

#[test]
fn blocks_of_another_format_are_quantised_again() {
    let (inputs, outputs) = (512, 4);
    let bytes = random_blocks(BlockFormat::Q4_0, 26, outputs * inputs / 32);
    let want = values(BlockFormat::Q4_0, &bytes);
    let weights = [Weights::Blocks(BlockFormat::Q4_0, &bytes)];
    let packed = PackedMatrix::new(Cpu::detect(), Precision::Blocks(BlockFormat::Q8_0), &weights, inputs);
    let mut row = vec![0.0; inputs];
    for (i, want) in want.chunks_exact(inputs).enumerate() {
        packed.row(i, &mut row);
        let worst = row.iter().zip(want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst <= 4.0 * largest_error(BlockFormat::Q8_0), "row {i}: {worst}");
    }
}
