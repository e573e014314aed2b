//! Flat descents against the plain recursive ones that they stand for.

use pgml_core::parts::ArrayData;
use pgml_core::{ErrorKind, Parts};

use super::lanes::Instructions;
use super::quick::QuickForest;
use super::{FlatBuilder, FlatForest, Scalar, SourceNode, SourceTree, Test};

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
    SourceTree { nodes, values, output, covers: Vec::new() }
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
fn a_large_forest_predicts_many_rows_as_each_alone() {
    let mut rng = fastrand::Rng::with_seed(6);
    // Trees that are asked lie between trees that are walked down.
    let trees: Vec<_> = (0..16).map(|t| random_tree(&mut rng, [1, 20, 2_000][t % 3], t % 2, 1, t == 5)).collect();
    let forest = forest(&trees, 1, 2);
    for n_rows in [100, 7_001] {
        let rows = random_rows(&mut rng, n_rows, true);
        let (mut together, mut alone) = (vec![0.0; 2 * n_rows], vec![0.0; 2 * n_rows]);
        forest.add_leaves(&rows, &mut together);
        for (row, sums) in rows.chunks(N_FEATURES).zip(alone.chunks_mut(2)) {
            forest.add_leaves(row, sums);
        }
        assert!(together == alone, "{n_rows} rows");
    }
}

/// The same tree in other types.
fn narrowed(tree: &SourceTree<f64, f64>) -> SourceTree<f32, f32> {
    let narrow = |test: &Test<f64>| match test {
        Test::LessThan(t) => Test::LessThan(*t as f32),
        Test::AtMost(t) => Test::AtMost(*t as f32),
        Test::AtMostZeroMissing(t) => Test::AtMostZeroMissing(*t as f32),
        Test::RightIfIn(set) => Test::RightIfIn(set.clone()),
        Test::LeftIfIn(set) => Test::LeftIfIn(set.clone()),
    };
    let node = |node: &SourceNode<f64>| match node {
        SourceNode::Leaf(leaf) => SourceNode::Leaf(*leaf),
        SourceNode::Split { feature, test, missing_left, left, right } => {
            let (feature, missing_left, left, right) = (*feature, *missing_left, *left, *right);
            SourceNode::Split { feature, test: narrow(test), missing_left, left, right }
        }
    };
    let values = tree.values.iter().map(|v| *v as f32).collect();
    SourceTree { nodes: tree.nodes.iter().map(node).collect(), values, output: tree.output, covers: Vec::new() }
}

/// Sums with every set of instructions that this machine has, and on foot.
fn expect_the_same_sums<T: Scalar, V: Scalar>(forest: &FlatForest<T, V>, rows: &[f64], what: &str) {
    let sums = |instructions: Option<Instructions>| {
        let mut forest = forest.clone();
        forest.quick = std::sync::OnceLock::from(QuickForest::of(&forest, instructions).map(Box::new));
        let mut sums = vec![V::ZERO; rows.len() / N_FEATURES * forest.n_outputs];
        forest.add_leaves(rows, &mut sums);
        sums
    };
    let on_foot = sums(None);
    for instructions in Instructions::found() {
        assert!(sums(Some(instructions)) == on_foot, "{what} with {instructions:?}");
    }
}

#[test]
fn every_set_of_instructions_gives_the_same_bits() {
    let mut rng = fastrand::Rng::with_seed(3);
    for (case, n_leaves) in [2, 31, 32, 33, 64, 65, 255, 256, 257, 1].into_iter().cycle().take(60).enumerate() {
        let (special, missing, width) = (case % 4 == 0, case % 3 != 0, 1 + case % 2);
        let trees: Vec<_> = (0..7)
            .map(|t| random_tree(&mut rng, if t == 3 { 400 } else { n_leaves }, t % 2, width, special && t % 3 == 0))
            .collect();
        let wide = forest(&trees, width, width + 1);
        let mut builder = FlatBuilder::<f32, f32>::new(N_FEATURES, width, width + 1);
        trees.iter().for_each(|tree| builder.push(&narrowed(tree)).expect("a tree"));
        let narrow = builder.finish().expect("valid indices");
        let n_rows = [24, 63, 64, 65, 100, 128, 200][case % 7];
        let rows = random_rows(&mut rng, n_rows, missing);
        expect_the_same_sums(&wide, &rows, &format!("f64, case {case}"));
        expect_the_same_sums(&narrow, &rows, &format!("f32, case {case}"));
    }
}

#[test]
fn small_trees_are_asked_and_large_ones_walked() {
    let mut rng = fastrand::Rng::with_seed(4);
    for instructions in Instructions::found() {
        let most = instructions.most_leaves() as u32;
        let trees = [most, most + 1].map(|n_leaves| random_tree(&mut rng, n_leaves, 0, 1, false));
        let both = QuickForest::of(&forest(&trees, 1, 1), Some(instructions)).expect("one of them is small");
        assert!(!both.is_complete(), "{instructions:?}");
        let small = QuickForest::of(&forest(&trees[..1], 1, 1), Some(instructions)).expect("a small tree");
        assert!(small.is_complete() && small.bytes() > 0, "{instructions:?}");
        assert!(QuickForest::of(&forest(&trees[1..], 1, 1), Some(instructions)).is_none(), "{instructions:?}");
    }
}

#[test]
fn a_threshold_of_infinity_lets_infinity_pass() {
    let nodes = vec![
        SourceNode::Split { feature: 0, test: Test::AtMost(f64::INFINITY), missing_left: false, left: 1, right: 2 },
        SourceNode::Leaf(0),
        SourceNode::Leaf(1),
    ];
    let forest = forest(&[SourceTree { nodes, values: vec![1.0, 2.0], output: 0, covers: Vec::new() }], 1, 1);
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
        let tree = SourceTree { nodes, values: vec![1.0], output: 0, covers: Vec::new() };
        let error = builder.push(&tree).and_then(|()| builder.finish().map(drop)).expect_err("no tree");
        assert_eq!(error.kind(), ErrorKind::Corrupted, "{error}");
    }
}

#[test]
fn a_stored_number_of_outputs_that_no_memory_holds_is_refused() {
    let tree = SourceTree { nodes: vec![SourceNode::Leaf(0)], values: vec![1.0], output: 0, covers: Vec::new() };
    let parts = forest(&[tree], 1, 1).encode(Parts::new()).expect("parts");
    let parts = parts.with_meta("tree_shape", &[1_usize, 1 << 50, 1]).expect("meta");
    let error = FlatForest::<f64, f64>::decode(&parts).expect_err("a petabyte per row");
    assert_eq!(error.kind(), ErrorKind::Corrupted);
}

/// The stored form of version 1: thresholds, features and children apart, and leaves with 0 for NaN.
fn version_1(forest: &FlatForest<f64, f64>) -> Parts {
    let mut parts = forest.encode(Parts::new()).expect("parts");
    parts.arrays.remove("tree_nodes").expect("nodes");
    let inner = |at: usize| forest.nodes[at].left as usize != at;
    let threshold = |at: usize| if inner(at) { forest.nodes[at].threshold } else { 0.0 };
    parts
        .with("tree_thresholds", (0..forest.nodes.len()).map(threshold).collect())
        .with("tree_features", forest.nodes.iter().map(|n| n.feature).collect())
        .with("tree_children", forest.nodes.iter().map(|n| n.left).collect())
}

#[test]
fn a_forest_stored_by_version_1_is_the_same_forest() {
    let mut rng = fastrand::Rng::with_seed(3);
    let trees: Vec<_> = (0..7).map(|_| random_tree(&mut rng, 40, 0, 2, true)).collect();
    let forest = forest(&trees, 2, 2);
    let old = FlatForest::<f64, f64>::decode(&version_1(&forest)).expect("valid");
    assert_eq!(old.encode(Parts::new()), forest.encode(Parts::new()));
    let rows = random_rows(&mut rng, 100, true);
    let (mut mine, mut theirs) = ([0.0; 200], [0.0; 200]);
    forest.add_leaves(&rows, &mut mine);
    old.add_leaves(&rows, &mut theirs);
    assert_eq!(mine, theirs);
}

#[test]
fn a_decoded_forest_reads_its_arrays_where_they_are_stored() {
    let mut rng = fastrand::Rng::with_seed(4);
    let parts = forest(&[random_tree(&mut rng, 9, 0, 1, true)], 1, 1).encode(Parts::new()).expect("parts");
    let decoded = FlatForest::<f64, f64>::decode(&parts).expect("valid");
    assert_eq!(decoded.nodes.as_ptr().cast(), parts.array::<u64>("tree_nodes").expect("nodes").as_ptr());
    assert_eq!(decoded.values.as_ptr(), parts.array::<f64>("tree_values").expect("values").as_ptr());
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
                let mut values = v.to_vec();
                let at = rng.usize(..values.len());
                values[at] = if rng.bool() { rng.u32(..) } else { values[at] ^ 1 << rng.u32(..6) };
                *v = values.into();
            }
            ArrayData::U64(v) => {
                let mut values = v.to_vec();
                let at = rng.usize(..values.len());
                values[at] =
                    if rng.bool() { rng.u64(..) } else { values[at] ^ 1 << (32 * rng.u32(..2) + rng.u32(..6)) };
                *v = values.into();
            }
            ArrayData::U8(v) => {
                let mut values = v.to_vec();
                let at = rng.usize(..values.len());
                values[at] = rng.u8(..);
                *v = values.into();
            }
            ArrayData::F64(v) => *v = v[..v.len() - 1].iter().copied().collect(),
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
