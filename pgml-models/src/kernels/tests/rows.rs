use super::super::reference;
use super::*;

#[test]
fn norms_equal_their_definition() {
    for team in teams() {
        for (rows, width) in [(0, 4), (1, 1), (3, 7), (2, 16), (5, 33), (400, 384), (2, 1023)] {
            // Far from zero, where computing the variance as E[x²] − E[x]² would lose its digits.
            let x: Vec<f32> = random(1, rows * width).iter().map(|x| x + 30.0).collect();
            let residual = random(2, rows * width);
            let sum: Vec<f32> = x.iter().zip(&residual).map(|(x, r)| x + r).collect();
            let (weight, bias) = (random(3, width), random(4, width));
            for kind in [NormKind::Layer, NormKind::Rms] {
                for (weight, bias) in [(None, None), (Some(&weight[..]), None), (Some(&weight[..]), Some(&bias[..]))] {
                    let norm = Norm { kind, weight, bias, epsilon: 1e-5 };
                    let what = format!("{kind:?} of {rows} × {width} on {:?}", team.cpu());
                    let mut out = x.clone();
                    norm.apply(&team, &mut out, width);
                    assert_close(&out, &reference::norm(&norm, &x, width), 2e-5, &what);
                    norm.apply_into(&team, &x, Some(&residual), &mut out, width);
                    assert_close(&out, &reference::norm(&norm, &sum, width), 2e-5, &what);
                    let mut plain = vec![0.0; x.len()];
                    norm.apply_into(&team, &x, None, &mut plain, width);
                    assert_close(&plain, &reference::norm(&norm, &x, width), 2e-5, &what);
                }
            }
        }
    }
}

#[test]
fn softmax_equals_its_definition_and_hides_what_is_masked() {
    for team in teams() {
        for (rows, width) in [(0, 3), (1, 1), (4, 5), (3, 16), (70, 130), (2, 4099)] {
            let mut x: Vec<f32> = random(5, rows * width).iter().map(|x| 60.0 * x).collect();
            x.iter_mut().skip(1).step_by(3).for_each(|x| *x = f32::NEG_INFINITY);
            let want = reference::softmax(&x, width);
            softmax(&team, &mut x, width);
            assert_close(&x, &want, 3e-7, &format!("{rows} × {width} on {:?}", team.cpu()));
        }
        let mut hidden = [f32::NEG_INFINITY; 20];
        softmax(&team, &mut hidden, 20);
        assert!(hidden.iter().all(|x| x.is_nan()));
        let mut odd = [1.0, f32::NAN, 2.0];
        softmax(&team, &mut odd, 3);
        assert!(odd.iter().all(|x| x.is_nan()));
    }
}
