use super::super::reference;
use super::*;

/// Queries, keys and values of sequences with these lengths, each in a buffer of its own.
struct Case {
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    queries: Vec<usize>,
    keys: Vec<usize>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    softcap: Option<f32>,
}

impl Case {
    fn new(heads: usize, kv_heads: usize, head_dim: usize, lengths: &[(usize, usize)]) -> Self {
        let offsets = |length: fn(&(usize, usize)) -> usize| {
            let mut offsets = vec![0];
            lengths.iter().for_each(|l| offsets.push(offsets[offsets.len() - 1] + length(l)));
            offsets
        };
        let (queries, keys) = (offsets(|l| l.0), offsets(|l| l.1));
        let (n_queries, n_keys) = (queries[lengths.len()], keys[lengths.len()]);
        let q = random(1, n_queries * heads * head_dim).iter().map(|x| 3.0 * x).collect();
        let (k, v) = (random(2, n_keys * kv_heads * head_dim), random(3, n_keys * kv_heads * head_dim));
        Self { heads, kv_heads, head_dim, queries, keys, q, k, v, softcap: None }
    }

    fn attention<'a>(&self, window: Window, bias: Bias<'a>) -> Attention<'a> {
        let (heads, kv_heads, head_dim, softcap) = (self.heads, self.kv_heads, self.head_dim, self.softcap);
        Attention { heads, kv_heads, head_dim, scale: 1.0 / (head_dim as f32).sqrt(), window, softcap, bias }
    }

    fn offsets(&self) -> Offsets<'_> {
        Offsets { queries: &self.queries, keys: &self.keys }
    }

    /// Compares with the definition, on every level and number of threads.
    fn check(&self, window: Window, bias: Bias<'_>, added: &dyn Fn(usize, usize, usize, usize) -> f64) {
        let what = self.attention(window, bias);
        let want = reference::attention(&what, &self.q, &self.k, &self.v, self.offsets(), added);
        for team in teams() {
            let mut out = vec![f32::NAN; self.q.len()];
            let q = Tokens { data: &self.q, stride: self.heads * self.head_dim };
            let k = Tokens { data: &self.k, stride: self.kv_heads * self.head_dim };
            what.apply(&team, q, k, Tokens { data: &self.v, ..k }, self.offsets(), &mut out);
            let name =
                format!("{} heads of {}, {:?}, {window:?}, {:?}", self.heads, self.head_dim, self.keys, team.cpu());
            assert_close(&out, &want, 2e-6, &name);
            if !matches!(bias, Bias::Added(_)) && self.keys_last() {
                let mut paged = vec![f32::NAN; self.q.len()];
                self.paged(|sequences| what.apply_paged(&team, q, &self.queries, sequences, &mut paged));
                assert_close(&paged, &want, 2e-6, &format!("{name}, in pages"));
            }
        }
    }

    /// Whether no sequence has more queries than keys.
    fn keys_last(&self) -> bool {
        self.queries.windows(2).zip(self.keys.windows(2)).all(|(q, k)| q[1] - q[0] <= k[1] - k[0])
    }

    /// Gives `work` the keys and values in pages; what lies behind the last token is NaN.
    fn paged(&self, work: impl FnOnce(&[Paged<'_>])) {
        let width = self.kv_heads * self.head_dim;
        let cut = |all: &[f32], rows: &[usize]| -> Vec<Vec<f32>> {
            let pages = all[rows[0] * width..rows[1] * width].chunks(PAGE * width).map(<[f32]>::to_vec);
            pages
                .map(|mut page| {
                    page.resize(PAGE * width, f32::NAN);
                    page
                })
                .collect()
        };
        let stored: Vec<_> =
            self.keys.windows(2).map(|rows| (cut(&self.k, rows), cut(&self.v, rows), rows[1] - rows[0])).collect();
        let sequences: Vec<Paged<'_>> = stored
            .iter()
            .map(|(keys, values, len)| Paged {
                keys: keys.iter().map(Vec::as_slice).collect(),
                values: values.iter().map(Vec::as_slice).collect(),
                len: *len,
            })
            .collect();
        work(&sequences);
    }
}

/// The biases that the reference adds itself: none.
fn nothing(_: usize, _: usize, _: usize, _: usize) -> f64 {
    0.0
}

const LENGTHS: [(usize, usize); 7] = [(1, 1), (5, 5), (0, 0), (16, 16), (33, 33), (64, 64), (2, 2)];

#[test]
fn packed_sequences_of_any_length_and_head_size_attend_to_themselves_only() {
    for head_dim in [1, 8, 16, 24, 32, 64, 80] {
        Case::new(3, 3, head_dim, &LENGTHS).check(Window::ALL, Bias::None, &nothing);
    }
}

#[test]
fn long_sequences_are_taken_in_blocks() {
    Case::new(2, 2, 32, &[(300, 300), (129, 129)]).check(Window::ALL, Bias::None, &nothing);
}

#[test]
fn windows_hide_the_same_keys_as_their_definition() {
    for window in
        [Window::CAUSAL, Window::sliding(7), Window::around(3), Window::around(0), Window { before: 0, after: 2 }]
    {
        Case::new(2, 2, 16, &LENGTHS).check(window, Bias::None, &nothing);
        Case::new(1, 1, 8, &[(280, 280)]).check(window, Bias::None, &nothing);
    }
}

#[test]
fn query_heads_share_heads_of_keys_and_new_queries_see_earlier_keys() {
    let lengths = [(1, 1), (1, 300), (3, 40), (70, 150), (5, 5)];
    for (heads, kv_heads) in [(4, 2), (7, 1), (6, 3)] {
        for window in [Window::ALL, Window::CAUSAL, Window::sliding(9)] {
            Case::new(heads, kv_heads, 16, &lengths).check(window, Bias::None, &nothing);
        }
    }
}

#[test]
fn a_query_may_have_no_key() {
    Case::new(2, 2, 16, &[(3, 0), (2, 2)]).check(Window::ALL, Bias::None, &nothing);
    // More queries than keys: the first have positions before the first key.
    Case::new(1, 1, 16, &[(40, 5)]).check(Window::CAUSAL, Bias::None, &nothing);
}

#[test]
fn biases_are_those_of_their_definitions() {
    for (heads, kv_heads) in [(3, 3), (4, 2)] {
        let case = Case::new(heads, kv_heads, 16, &LENGTHS);
        let slopes: Vec<f32> = random(5, heads).iter().map(|x| x.abs() / 4.0).collect();
        case.check(Window::ALL, Bias::Alibi(&slopes), &|_, h, i, j| -f64::from(slopes[h]) * i.abs_diff(j) as f64);
        let farthest = 70;
        let table = random(6, heads * (2 * farthest + 1));
        let relative = Bias::Relative { by_distance: &table, farthest };
        case.check(Window::CAUSAL, relative, &|_, h, i, j| f64::from(table[h * (2 * farthest + 1) + farthest + i - j]));
        let any = |s: usize, h: usize, i: usize, j: usize| ((s * 31 + h * 17 + i * 7 + j * 3) % 11) as f32 * 0.3;
        let add = |block: Scores<'_>| {
            for j in 0..block.keys {
                for i in 0..block.queries {
                    let bias = any(block.sequence, block.head, block.first_query + i, block.first_key + j);
                    block.scores[j * block.stride + i] += bias;
                }
            }
        };
        case.check(Window::ALL, Bias::Added(&add), &|s, h, i, j| f64::from(any(s, h, i, j)));
    }
}

#[test]
fn capped_scores_are_those_of_the_definition_in_blocks_in_pages_and_for_one_query() {
    let lengths = [(1, 1), (1, 300), (3, 40), (70, 150), (33, 33), (1, 31), (0, 0)];
    for (heads, kv_heads, head_dim) in [(3, 3, 16), (4, 2, 24), (7, 1, 8)] {
        for (cap, window) in
            [(0.5, Window::CAUSAL), (1.5, Window::sliding(9)), (50.0, Window::CAUSAL), (1.0, Window::ALL)]
        {
            let case = Case { softcap: Some(cap), ..Case::new(heads, kv_heads, head_dim, &lengths) };
            case.check(window, Bias::None, &nothing);
            let slopes: Vec<f32> = random(5, heads).iter().map(|x| x.abs() / 4.0).collect();
            // What is added is not pressed.
            case.check(window, Bias::Alibi(&slopes), &|_, h, i, j| -f64::from(slopes[h]) * i.abs_diff(j) as f64);
        }
    }
}

#[test]
fn a_cap_far_above_all_scores_changes_next_to_nothing() {
    let case = Case::new(2, 1, 16, &[(1, 40), (30, 30)]);
    let capped = Case { softcap: Some(1e6), ..Case::new(2, 1, 16, &[(1, 40), (30, 30)]) };
    fn row(data: &[f32], stride: usize) -> Tokens<'_> {
        Tokens { data, stride }
    }
    let out = |case: &Case| {
        let mut out = vec![0.0; case.q.len()];
        let what = case.attention(Window::CAUSAL, Bias::None);
        let (q, k, v) = (row(&case.q, 32), row(&case.k, 16), row(&case.v, 16));
        what.apply(&Team::new(1), q, k, v, case.offsets(), &mut out);
        out
    };
    let (plain, capped) = (out(&case), out(&capped));
    assert!(plain.iter().zip(&capped).all(|(a, b)| (a - b).abs() < 1e-5), "{plain:?} {capped:?}");
}

#[test]
fn a_sequence_is_the_same_alone_and_among_others_on_any_number_of_threads() {
    let case = Case::new(3, 3, 32, &[(7, 7), (150, 150), (40, 40)]);
    let what = case.attention(Window::around(60), Bias::None);
    let row = |data| Tokens { data, stride: 96 };
    for cpu in Cpu::available() {
        let mut all = vec![0.0; case.q.len()];
        let (q, k, v) = (row(&case.q), row(&case.k), row(&case.v));
        what.apply(&Team::with_cpu(cpu, 3), q, k, v, case.offsets(), &mut all);
        let range = 7 * 96..157 * 96;
        let [q, k, v] = [&case.q, &case.k, &case.v].map(|x| row(&x[range.clone()]));
        let mut alone = vec![0.0; range.len()];
        let offsets = Offsets { queries: &[0, 150], keys: &[0, 150] };
        what.apply(&Team::with_cpu(cpu, 1), q, k, v, offsets, &mut alone);
        assert_eq!(alone, all[range], "{cpu:?}");
    }
}

#[test]
fn one_fused_buffer_holds_queries_keys_and_values() {
    let case = Case::new(2, 2, 8, &LENGTHS);
    let tokens = case.q.len() / 16;
    let mut fused = Vec::new();
    for t in 0..tokens {
        [&case.q, &case.k, &case.v].iter().for_each(|x| fused.extend_from_slice(&x[t * 16..(t + 1) * 16]));
    }
    let what = case.attention(Window::ALL, Bias::None);
    let want = reference::attention(&what, &case.q, &case.k, &case.v, case.offsets(), &nothing);
    let mut out = vec![0.0; tokens * 16];
    let from = |start: usize| Tokens { data: &fused[start..], stride: 48 };
    what.apply(&Team::new(2), from(0), from(16), from(32), case.offsets(), &mut out);
    assert_close(&out, &want, 2e-6, &"fused");
}

#[test]
fn scores_far_apart_neither_overflow_nor_vanish() {
    let mut case = Case::new(1, 1, 16, &[(40, 40)]);
    case.q.iter_mut().for_each(|x| *x *= 1000.0);
    let what = case.attention(Window::ALL, Bias::None);
    let want = reference::attention(&what, &case.q, &case.k, &case.v, case.offsets(), &nothing);
    let mut out = vec![0.0; 40 * 16];
    let row = |data| Tokens { data, stride: 16 };
    what.apply(&Team::new(1), row(&case.q), row(&case.k), row(&case.v), case.offsets(), &mut out);
    // Scores of a few thousand have errors of about 1e-3 in single precision.
    assert_close(&out, &want, 1e-2, &"large scores");
}

#[test]
#[should_panic(expected = "queries need")]
fn a_buffer_that_is_too_short_is_named() {
    let case = Case::new(1, 1, 8, &[(4, 4)]);
    let row = |data| Tokens { data, stride: 8 };
    let what = case.attention(Window::ALL, Bias::None);
    what.apply(&Team::new(1), row(&case.q[..31]), row(&case.k), row(&case.v), case.offsets(), &mut [0.0; 32]);
}
