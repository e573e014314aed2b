use super::super::reference::Linear;
use super::*;

const SHAPES: [(usize, usize, usize); 16] = [
    (0, 3, 5),
    (1, 1, 1),
    (1, 7, 33),
    (2, 384, 384),
    (5, 3, 1),
    (13, 65, 31),
    (14, 32, 32),
    (15, 33, 16),
    (16, 384, 96),
    (17, 5, 100),
    (29, 515, 64),
    (113, 20, 47),
    (230, 130, 40),
    (3, 1536, 10),
    (20, 1024, 33),
    (9, 4096, 2),
];

pub(super) const PRECISIONS: [Precision; 9] = [
    Precision::F32,
    Precision::F16,
    Precision::Bf16,
    Precision::Int8,
    Precision::Blocks(BlockFormat::Q8_0),
    Precision::Blocks(BlockFormat::Q4_0),
    Precision::Blocks(BlockFormat::Q4K),
    Precision::Blocks(BlockFormat::Q5K),
    Precision::Blocks(BlockFormat::Q6K),
];

/// The largest error that rounding to `precision` can make in a sum over `inputs` products of numbers below 1.
fn tolerance(precision: Precision, inputs: usize) -> f64 {
    let n = inputs as f64;
    match precision {
        Precision::F32 => 2e-7 * n.max(4.0),
        // Each factor is off by 2⁻⁹ of itself, independently: √n, six times over.
        Precision::Bf16 => 6.0 * n.sqrt() / 512.0,
        // 2⁻¹² of itself.
        Precision::F16 => 6.0 * n.sqrt() / 4096.0,
        // Half a unit of 2/255 and of 1/127.
        Precision::Int8 | Precision::Blocks(BlockFormat::Q8_0) => 6.0 * n.sqrt() / 128.0,
        // Half a unit of 1/8, or less.
        Precision::Blocks(_) => 6.0 * n.sqrt() / 16.0,
    }
}

#[test]
fn the_product_equals_its_definition_for_every_shape_precision_and_level() {
    for team in teams() {
        for (rows, inputs, outputs) in SHAPES {
            let (x, w) = (random(1, rows * inputs), random(2, outputs * inputs));
            let want = Linear { inputs, w: &w, up: None, bias: None, activation: Activation::Identity, residual: None };
            let want = want.apply(&x);
            for precision in PRECISIONS {
                let packed = PackedMatrix::new(team.cpu(), precision, &[Weights::F32(&w)], inputs);
                let mut out = vec![f32::NAN; rows * outputs];
                gemm(&team, &x, &packed, &Epilogue::default(), &mut out);
                let what = format!("{rows} × {inputs} × {outputs}, {precision:?} on {:?}", team.cpu());
                assert_close(&out, &want, tolerance(precision, inputs), &what);
            }
        }
    }
}

#[test]
fn every_epilogue_equals_its_definition() {
    use Activation::*;
    for team in teams() {
        for (rows, inputs, outputs) in [(1, 16, 1), (3, 10, 16), (17, 33, 50), (40, 24, 64)] {
            let (x, w, up) = (random(3, rows * inputs), random(4, outputs * inputs), random(5, outputs * inputs));
            let (bias, residual) = (random(6, 2 * outputs), random(7, rows * outputs));
            for activation in [Identity, Gelu, GeluTanh, Silu, Relu, Tanh] {
                for (gated, bias, residual) in [
                    (false, None, None),
                    (false, Some(&bias[..outputs]), None),
                    (false, Some(&bias[..outputs]), Some(&residual[..])),
                    (true, None, None),
                    (true, Some(&bias[..]), Some(&residual[..])),
                ] {
                    let up = gated.then_some(&up[..]);
                    let want = Linear { inputs, w: &w, up, bias, activation, residual }.apply(&x);
                    let (cpu, precision, gate) = (team.cpu(), Precision::F32, Weights::F32(&w));
                    let packed = match up {
                        None => PackedMatrix::new(cpu, precision, &[gate], inputs),
                        Some(up) => PackedMatrix::gated(cpu, precision, gate, Weights::F32(up), inputs),
                    };
                    let mut out = vec![f32::NAN; rows * outputs];
                    gemm(&team, &x, &packed, &Epilogue { bias, activation, residual }, &mut out);
                    let what = format!("{rows} × {inputs} × {outputs}, {activation:?}, gated: {gated}, {cpu:?}");
                    assert_close(&out, &want, 3e-5, &what);
                }
            }
        }
    }
}

#[test]
fn lower_precisions_have_every_epilogue_too() {
    for team in teams() {
        let (rows, inputs, outputs) = (17, 40, 50);
        let (x, w, up) = (random(3, rows * inputs), random(4, outputs * inputs), random(5, outputs * inputs));
        let (bias, residual) = (random(6, 2 * outputs), random(7, rows * outputs));
        for precision in PRECISIONS {
            for up in [None, Some(&up[..])] {
                let bias = Some(if up.is_some() { &bias[..] } else { &bias[..outputs] });
                let (activation, residual) = (Activation::Gelu, Some(&residual[..]));
                let want = Linear { inputs, w: &w, up, bias, activation, residual }.apply(&x);
                let gate = Weights::F32(&w);
                let packed = match up {
                    None => PackedMatrix::new(team.cpu(), precision, &[gate], inputs),
                    Some(up) => PackedMatrix::gated(team.cpu(), precision, gate, Weights::F32(up), inputs),
                };
                let mut out = vec![f32::NAN; rows * outputs];
                gemm(&team, &x, &packed, &Epilogue { bias, activation, residual }, &mut out);
                let gated = up.is_some();
                let least = least_cosine(precision);
                assert!(cosine(&out, &want) > least, "{precision:?}, gated: {gated}: {}", cosine(&out, &want));
            }
        }
    }
}

/// Of a product of random numbers with the exact one.
fn least_cosine(precision: Precision) -> f64 {
    match precision {
        Precision::F32 | Precision::F16 | Precision::Bf16 => 0.99999,
        Precision::Int8 | Precision::Blocks(BlockFormat::Q8_0) => 0.9998,
        Precision::Blocks(BlockFormat::Q6K) => 0.9995,
        Precision::Blocks(BlockFormat::Q5K) => 0.999,
        Precision::Blocks(BlockFormat::Q4_0 | BlockFormat::Q4K) => 0.99,
    }
}

#[test]
fn stacked_parts_are_one_matrix_and_dtypes_are_read() {
    let team = Team::new(1);
    let (inputs, w) = (20, random(8, 50 * 20));
    let exact: Vec<f32> = w.iter().map(|w| (w * 128.0).round() / 128.0).collect();
    let bf16: Vec<u8> = exact[..20 * 20].iter().flat_map(|w| w.to_bits().to_le_bytes()[2..].to_vec()).collect();
    let f32_bytes: Vec<u8> = exact[20 * 20..].iter().flat_map(|w| w.to_le_bytes()).collect();
    let x = random(9, 3 * inputs);
    let mut outs = [vec![0.0; 150], vec![0.0; 150]];
    let parts = [&[Weights::F32(&exact)][..], &[Weights::Bf16Bytes(&bf16), Weights::F32Bytes(&f32_bytes)]];
    for (parts, out) in parts.into_iter().zip(&mut outs) {
        let packed = PackedMatrix::new(team.cpu(), Precision::F32, parts, inputs);
        gemm(&team, &x, &packed, &Epilogue::default(), out);
    }
    assert_eq!(outs[0], outs[1]);
}

#[test]
fn a_row_is_the_same_alone_and_among_others_on_any_number_of_threads() {
    for precision in PRECISIONS {
        for cpu in Cpu::available() {
            let (inputs, outputs, rows) = (600, 96, 61);
            let (x, w) = (random(10, rows * inputs), random(11, outputs * inputs));
            let packed = PackedMatrix::new(cpu, precision, &[Weights::F32(&w)], inputs);
            let (mut all, mut one) = (vec![0.0; rows * outputs], vec![0.0; outputs]);
            gemm(&Team::with_cpu(cpu, 3), &x, &packed, &Epilogue::default(), &mut all);
            for r in [0, 13, 14, 60] {
                let x = &x[r * inputs..(r + 1) * inputs];
                gemm(&Team::with_cpu(cpu, 1), x, &packed, &Epilogue::default(), &mut one);
                assert_eq!(one, all[r * outputs..(r + 1) * outputs], "row {r}, {precision:?} on {cpu:?}");
            }
        }
    }
}

#[test]
fn integers_are_exact_and_equal_on_every_level() {
    // Numbers that are multiples of one unit quantise without loss: any difference would be a wrong product.
    let (rows, inputs, outputs) = (9, 37, 35);
    let mut rng = fastrand::Rng::with_seed(12);
    let mut x: Vec<f32> = (0..rows * inputs).map(|_| rng.i32(-100..=155) as f32).collect();
    let mut w: Vec<f32> = (0..outputs * inputs).map(|_| rng.i32(-127..=127) as f32).collect();
    x.chunks_exact_mut(inputs).for_each(|row| (row[0], row[1]) = (-100.0, 155.0));
    w.chunks_exact_mut(inputs).for_each(|row| row[0] = 127.0);
    let want =
        Linear { inputs, w: &w, up: None, bias: None, activation: Activation::Identity, residual: None }.apply(&x);
    for team in teams() {
        let packed = PackedMatrix::new(team.cpu(), Precision::Int8, &[Weights::F32(&w)], inputs);
        let mut out = vec![0.0; rows * outputs];
        gemm(&team, &x, &packed, &Epilogue::default(), &mut out);
        let out: Vec<f64> = out.iter().map(|x| f64::from(*x)).collect();
        assert_eq!(out, want, "{:?}", team.cpu());
    }
}

#[test]
fn lower_precisions_point_the_same_way() {
    let (rows, inputs, outputs) = (20, 384, 384);
    let (x, w) = (random(13, rows * inputs), random(14, outputs * inputs));
    let want =
        Linear { inputs, w: &w, up: None, bias: None, activation: Activation::Identity, residual: None }.apply(&x);
    for team in teams() {
        for precision in PRECISIONS {
            let packed = PackedMatrix::new(team.cpu(), precision, &[Weights::F32(&w)], inputs);
            let mut out = vec![0.0; rows * outputs];
            gemm(&team, &x, &packed, &Epilogue::default(), &mut out);
            assert!(cosine(&out, &want) > least_cosine(precision), "{precision:?}: {}", cosine(&out, &want));
        }
    }
}

#[test]
fn not_a_number_is_not_hidden() {
    for team in teams() {
        for precision in PRECISIONS {
            for bad in [f32::NAN, f32::INFINITY] {
                let mut x = random(15, 2 * 40);
                x[17] = bad;
                let packed = PackedMatrix::new(team.cpu(), precision, &[Weights::F32(&random(16, 3 * 40))], 40);
                let mut out = [0.0; 6];
                gemm(&team, &x, &packed, &Epilogue::default(), &mut out);
                assert!(out[..3].iter().all(|x| !x.is_finite()), "{precision:?}: {out:?}");
                assert!(out[3..].iter().all(|x| x.is_finite()), "{precision:?}: {out:?}");
            }
        }
    }
}

#[test]
#[should_panic(expected = "out is 2 rows of 3 outputs")]
fn a_wrong_shape_is_named() {
    let packed = PackedMatrix::new(Cpu::detect(), Precision::F32, &[Weights::F32(&[0.0; 12])], 4);
    gemm(&Team::new(1), &[0.0; 8], &packed, &Epilogue::default(), &mut [0.0; 5]);
}
