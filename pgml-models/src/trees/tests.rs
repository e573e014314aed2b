//! Flat descents against the plain recursive ones that they stand for.

use pgml_core::parts::ArrayData;
use pgml_core::{ErrorKind, Parts};

use super::{FlatBuilder, FlatForest, SourceNode, SourceTree, Test};

const N_FEATURES: usize = 5;

fn random_test(rng: &mut fastrand::Rng, special: bool) -> Test<f64> {
    let threshold = f64::from(rng.i32(-4..5)) / 2.0;
    let set = vec![rng.u32(..), rng.u32(..)];
    match rng.u8(..if special { 5 } else { 2 }) {
        0 => Test::LessThan(threshold),
        1 => Test::AtMost(threshold),
        2 => Test::AtMostZeroMissing(threshold),
        3 => Test::RightIfIn(set),
        _ => Test::LeftIfIn(set),
    }
}

/// Splits random leaves until there are `n_leaves`; children land anywhere, as in models that other libraries write.
fn random_tree(
    rng: &mut fastrand::Rng,
    n_leaves: u32,
    output: usize,
    width: usize,
    special: bool,
) -> SourceTree<f64, f64> {
    let mut nodes = vec![SourceNode::Leaf(0)];
    for leaf in 1..n_leaves {
        let leaves: Vec<usize> = (0..nodes.len()).filter(|n| matches!(nodes[*n], SourceNode::Leaf(_))).collect();
        let at = leaves[rng.usize(..leaves.len())];
        let (left, right) = (nodes.len() as u32 + 1, nodes.len() as u32);
        let old = nodes[at].clone();
        nodes.extend([SourceNode::Leaf(leaf), old]);
        let feature = rng.u32(..N_FEATURES as u32);
        nodes[at] =
            SourceNode::Split { feature, test: random_test(rng, special), missing_left: rng.bool(), left, right };
    }
    let values = (0..n_leaves as usize * width).map(|_| rng.f64() - 0.5).collect();
    SourceTree { nodes, values, output }
}

fn in_set(set: &[u32], category: i64) -> bool {
    category >= 0 && set.get(category as usize / 32).is_some_and(|w| w >> (category % 32) & 1 == 1)
}

fn plain_leaf(tree: &SourceTree<f64, f64>, row: &[f64], at: u32) -> usize {
    match &tree.nodes[at as usize] {
        SourceNode::Leaf(leaf) => *leaf as usize,
        SourceNode::Split { feature, test, missing_left, left, right } => {
            let x = row[*feature as usize];
            let goes_left = match test {
                _ if x.is_nan() => *missing_left,
                Test::LessThan(t) => x < *t,
                Test::AtMost(t) => x <= *t,
                Test::AtMostZeroMissing(_) if x == 0.0 => *missing_left,
                Test::AtMostZeroMissing(t) => x <= *t,
                Test::RightIfIn(set) => x < 0.0 || !in_set(set, x as i64),
                Test::LeftIfIn(set) => in_set(set, x as i64),
            };
            plain_leaf(tree, row, if goes_left { *left } else { *right })
        }
    }
}

fn forest(trees: &[SourceTree<f64, f64>], width: usize, n_outputs: usize) -> FlatForest<f64, f64> {
    let mut builder = FlatBuilder::new(N_FEATURES, width, n_outputs);
    trees.iter().for_each(|tree| builder.push(tree).expect("a tree"));
    builder.finish().expect("valid indices")
}

fn random_rows(rng: &mut fastrand::Rng, n_rows: usize, missing: bool) -> Vec<f64> {
    let value = |rng: &mut fastrand::Rng| match rng.u8(..20) {
        0 if missing => f64::NAN,
        1 => f64::INFINITY,
        2 => -1e300,
        3 => f64::from(rng.u16(..100)),
        _ => f64::from(rng.i32(-8..9)) / 4.0,
    };
    (0..n_rows * N_FEATURES).map(|_| value(rng)).collect()
}

#[test]
fn every_kind_of_tree_reaches_the_leaves_of_the_plain_descent() {
    let mut rng = fastrand::Rng::with_seed(1);
    for (case, n_leaves) in [1, 2, 3, 8, 31, 200].into_iter().cycle().take(48).enumerate() {
        let (special, missing, width) = (case % 2 == 0, case % 3 == 0, 1 + case % 3);
        let n_outputs = width + 2;
        let trees: Vec<_> =
            (0..11).map(|t| random_tree(&mut rng, n_leaves, t % 3, width, special && t % 4 == 0)).collect();
        let forest = forest(&trees, width, n_outputs);
        let n_rows = [1, 7, 8, 64, 77, 200][case % 6];
        let rows = random_rows(&mut rng, n_rows, missing);
        let mut expected = vec![0.0; n_rows * n_outputs];
        for (row, out) in rows.chunks(N_FEATURES).zip(expected.chunks_mut(n_outputs)) {
            for tree in &trees {
                let leaf = plain_leaf(tree, row, 0);
                for j in 0..width {
                    out[tree.output + j] += tree.values[leaf * width + j];
                }
            }
        }
        let mut sums = vec![0.0; n_rows * n_outputs];
        forest.add_leaves(&rows, &mut sums);
        assert_eq!(sums, expected, "case {case}");
        let decoded = FlatForest::<f64, f64>::decode(&forest.encode(Parts::new()).expect("parts")).expect("valid");
        let mut again = vec![0.0; n_rows * n_outputs];
        decoded.add_leaves(&rows, &mut again);
        assert_eq!(again, expected, "case {case} decoded");
    }
}

#[test]
fn a_threshold_of_infinity_lets_infinity_pass() {
    let nodes = vec![
        SourceNode::Split { feature: 0, test: Test::AtMost(f64::INFINITY), missing_left: false, left: 1, right: 2 },
        SourceNode::Leaf(0),
        SourceNode::Leaf(1),
    ];
    let forest = forest(&[SourceTree { nodes, values: vec![1.0, 2.0], output: 0 }], 1, 1);
    let mut out = [0.0; 2];
    forest.add_leaves(&[f64::INFINITY, 0.0, 0.0, 0.0, 0.0, f64::NAN, 0.0, 0.0, 0.0, 0.0], &mut out);
    assert_eq!(out, [1.0, 2.0]);
}

#[test]
fn nodes_that_make_no_tree_are_refused() {
    let split =
        |left, right| SourceNode::Split { feature: 0, test: Test::LessThan(0.0), missing_left: true, left, right };
    for nodes in [
        vec![],
        vec![split(0, 1), SourceNode::Leaf(0)],
        vec![split(1, 9), SourceNode::Leaf(0)],
        vec![split(1, 2), SourceNode::Leaf(0), SourceNode::Leaf(5)],
    ] {
        let mut builder = FlatBuilder::<f64, f64>::new(1, 1, 1);
        let tree = SourceTree { nodes, values: vec![1.0], output: 0 };
        let error = builder.push(&tree).and_then(|()| builder.finish().map(drop)).expect_err("no tree");
        assert_eq!(error.kind(), ErrorKind::Corrupted, "{error}");
    }
}

#[test]
fn a_stored_number_of_outputs_that_no_memory_holds_is_refused() {
    let tree = SourceTree { nodes: vec![SourceNode::Leaf(0)], values: vec![1.0], output: 0 };
    let parts = forest(&[tree], 1, 1).encode(Parts::new()).expect("parts");
    let parts = parts.with_meta("tree_shape", &[1_usize, 1 << 50, 1]).expect("meta");
    let error = FlatForest::<f64, f64>::decode(&parts).expect_err("a petabyte per row");
    assert_eq!(error.kind(), ErrorKind::Corrupted);
}

#[test]
fn corrupted_arrays_never_panic_and_never_loop() {
    let mut rng = fastrand::Rng::with_seed(2);
    let trees: Vec<_> = (0..3).map(|_| random_tree(&mut rng, 9, 0, 1, true)).collect();
    let parts = forest(&trees, 1, 1).encode(Parts::new()).expect("parts");
    let rows = random_rows(&mut rng, 20, true);
    let (mut refused, mut kept) = (0, 0);
    for _ in 0..4000 {
        let mut bad = parts.clone();
        let nth = rng.usize(..bad.arrays.len());
        let array = bad.arrays.values_mut().nth(nth).expect("an array");
        match &mut array.data {
            ArrayData::U32(v) if !v.is_empty() => {
                let at = rng.usize(..v.len());
                v[at] = if rng.bool() { rng.u32(..) } else { v[at] ^ 1 << rng.u32(..6) };
            }
            ArrayData::U8(v) => {
                let at = rng.usize(..v.len());
                v[at] = rng.u8(..);
            }
            ArrayData::F64(v) => drop(v.pop()),
            _ => {}
        }
        match FlatForest::<f64, f64>::decode(&bad) {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupted);
                refused += 1;
            }
            Ok(forest) => {
                forest.add_leaves(&rows, &mut [0.0; 20]);
                kept += 1;
            }
        }
    }
    assert!(refused > 1000 && kept > 100, "{refused} refused, {kept} kept");
}
