//! A mixture of experts (Shazeer et al. 2017; Fedus et al. 2022): a router chooses for each token which of several gated
//! layers it passes.

use burn::tensor::{IndexingUpdateOp, Tensor, TensorData, activation::sigmoid};
use pgml_core::{Result, bail};

use super::padding::indices;
use super::{GatedMlp, Hidden, Linear, Matrix, Source};
use crate::checkpoint::Rows;
use crate::kernels::{Activation, Precision};

/// `Σ weight(x, e) · expert_e(x)` over the experts that the router likes most, and one that all tokens pass.
#[derive(Debug, Clone)]
pub struct Mixture {
    router: Linear,
    experts: Vec<GatedMlp>,
    shared: Option<Shared>,
    routing: Routing,
}

/// An expert that all tokens pass, and the scores of how much it says.
#[derive(Debug, Clone)]
struct Shared {
    expert: GatedMlp,
    gate: Linear,
}

/// How experts are chosen.
#[derive(Debug, Clone, Copy)]
pub struct Routing {
    /// Experts that there are.
    pub n_experts: usize,
    /// Experts that a token passes.
    pub n_chosen: usize,
    /// Whether the weights of those sum up to 1; those of all experts do otherwise.
    pub normalised: bool,
}

/// The tokens that pass an expert, and the expert's weight for each.
#[derive(Debug, Clone, Default, PartialEq)]
struct Route {
    tokens: Vec<usize>,
    weights: Vec<f32>,
}

impl Mixture {
    /// Reads `gate`, the router, and `experts`: one by one, with the layers `gate`, `up` and `down` under these `names`, or
    /// side by side in `gate_up_proj` (experts × 2 inner × width) and `down_proj` (experts × width × inner).
    ///
    /// # Errors
    /// Those of [`Linear::load`] and [`GatedMlp::load`]; [`Corrupted`](pgml_core::ErrorKind::Corrupted) when a token would
    /// pass no expert, or more than there are.
    pub fn load(
        source: &Source<'_>,
        names: [&str; 3],
        [width, inner]: [usize; 2],
        activation: Activation,
        routing: Routing,
    ) -> Result<Self> {
        let Routing { n_experts, n_chosen, .. } = routing;
        if n_chosen == 0 || n_chosen > n_experts {
            bail!(Corrupted, "a token cannot pass {n_chosen} of {n_experts} experts");
        }
        let experts = source.at("experts");
        let experts = if experts.weights.has("gate_up_proj") {
            side_by_side(&experts, n_experts, [width, inner], activation)?
        } else {
            let one = |i: usize| {
                let [gate, up, down] = names.map(|name| experts.at(i).at(name));
                GatedMlp::load([&gate, &up, &down], [width, inner], activation)
            };
            (0..n_experts).map(one).collect::<Result<_>>()?
        };
        // A rounded score may choose another expert.
        let exact = source.placement.exact();
        let router = Source { placement: &exact, ..source.at("gate") };
        Ok(Self { router: Linear::load(&router, width, n_experts)?, experts, shared: None, routing })
    }

    /// The same with an expert that all tokens pass, weighed by the logistic function of what `gate`, width → 1, says.
    #[must_use]
    pub fn with_shared(self, expert: GatedMlp, gate: Linear) -> Self {
        Self { shared: Some(Shared { expert, gate }), ..self }
    }

    /// # Shapes
    /// x and result: n_tokens × width
    ///
    /// # Panics
    /// When `x` is not where the layers are.
    #[must_use]
    pub fn forward(&self, x: &Hidden) -> Hidden {
        let scores = values(self.router.forward(x));
        // Expert by expert: a token's sum has the same order whatever else is in the batch.
        let mut sum = match &self.shared {
            Some(shared) => shared.forward(x),
            None => zeros(x),
        };
        for (expert, route) in self.experts.iter().zip(self.routing.routes(&scores)) {
            if !route.tokens.is_empty() {
                let said = expert.forward(&taken(x, &route.tokens));
                sum = added(sum, said, &route);
            }
        }
        sum
    }
}

impl Shared {
    fn forward(&self, x: &Hidden) -> Hidden {
        match (self.expert.forward(x), self.gate.forward(x)) {
            (Hidden::Host(mut said), Hidden::Host(gate)) => {
                let width = said.width();
                for (row, gate) in said.values_mut().chunks_exact_mut(width).zip(gate.values()) {
                    let weight = 1.0 / (1.0 + (-gate).exp());
                    row.iter_mut().for_each(|x| *x *= weight);
                }
                Hidden::Host(said)
            }
            (Hidden::Device(said), Hidden::Device(gate)) => Hidden::Device(said * sigmoid(gate)),
            _ => unreachable!("a model's activations are all in one place"),
        }
    }
}

impl Routing {
    /// What passes each expert; `scores` are n_tokens × n_experts.
    fn routes(&self, scores: &[f32]) -> Vec<Route> {
        let mut routes = vec![Route::default(); self.n_experts];
        for (token, row) in scores.chunks_exact(self.n_experts).enumerate() {
            let mut order: Vec<usize> = (0..row.len()).collect();
            order.sort_by(|a, b| row[*b].total_cmp(&row[*a]));
            let largest = row[order[0]];
            let power = |expert: &usize| (row[*expert] - largest).exp();
            let chosen = &order[..self.n_chosen];
            let total: f32 = if self.normalised { chosen } else { &order }.iter().map(power).sum();
            for expert in chosen {
                routes[*expert].tokens.push(token);
                routes[*expert].weights.push(power(expert) / total);
            }
        }
        routes
    }
}

fn side_by_side(
    source: &Source<'_>,
    n_experts: usize,
    [width, inner]: [usize; 2],
    activation: Activation,
) -> Result<Vec<GatedMlp>> {
    let gate_up = source.weights.floats("gate_up_proj", &[n_experts, 2 * inner, width])?;
    let down = source.weights.floats("down_proj", &[n_experts, width, inner])?;
    let one = |(gate_up, down): (&[f32], &[f32])| {
        let [gate, up] = <[&[f32]; 2]>::from(gate_up.split_at(inner * width));
        let [gate, up] = [gate, up].map(|rows| Rows::of_floats(rows, Precision::F32));
        let down = Linear::new(&[down], None, inner, source.placement);
        GatedMlp::new(&gate, &up, width, down, activation, source.placement)
    };
    let size = (width * inner).max(1);
    Ok(gate_up.chunks_exact(2 * size).zip(down.chunks_exact(size)).map(one).collect())
}

fn values(scores: Hidden) -> Vec<f32> {
    match scores {
        Hidden::Host(scores) => scores.values().to_vec(),
        // What runs on a card is inside `Placement::attempt`, which turns this into an error.
        Hidden::Device(scores) => super::hidden::read(scores).expect("the device answers"),
    }
}

fn zeros(x: &Hidden) -> Hidden {
    match x {
        Hidden::Host(x) => {
            let mut zeros = x.unfilled(x.width());
            zeros.values_mut().fill(0.0);
            Hidden::Host(zeros)
        }
        Hidden::Device(x) => Hidden::Device(x.zeros_like()),
    }
}

/// Those rows of `x`.
fn taken(x: &Hidden, rows: &[usize]) -> Hidden {
    match x {
        Hidden::Host(x) => {
            let values = rows.iter().flat_map(|row| x.row(*row)).copied().collect();
            Hidden::Host(Matrix::new(values, x.width(), x.team()))
        }
        Hidden::Device(x) => Hidden::Device(x.clone().select(0, places(rows, x))),
    }
}

/// `sum` and, in the route's rows, its weights times the rows of `said`.
fn added(sum: Hidden, said: Hidden, route: &Route) -> Hidden {
    match (sum, said) {
        (Hidden::Host(mut sum), Hidden::Host(said)) => {
            let width = sum.width();
            for (i, (token, weight)) in route.tokens.iter().zip(&route.weights).enumerate() {
                let row = &mut sum.values_mut()[token * width..][..width];
                row.iter_mut().zip(said.row(i)).for_each(|(sum, x)| *sum += weight * x);
            }
            Hidden::Host(sum)
        }
        (Hidden::Device(sum), Hidden::Device(said)) => {
            let weights = TensorData::new(route.weights.clone(), [route.weights.len(), 1]);
            let said = said * Tensor::<2>::from_data(weights, &sum.device());
            let rows = places(&route.tokens, &sum);
            Hidden::Device(sum.select_assign(0, rows, said, IndexingUpdateOp::Add))
        }
        _ => unreachable!("a model's activations are all in one place"),
    }
}

fn places(rows: &[usize], x: &Tensor<2>) -> Tensor<1, burn::tensor::Int> {
    indices(rows.iter().map(|row| *row as i64).collect(), &x.device())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_passes_the_experts_with_the_highest_scores_and_their_weights_are_a_softmax() {
        let scores = [0.0, 2.0, 1.0, 3.0, -1.0, 3.0];
        let routing = Routing { n_experts: 3, n_chosen: 2, normalised: true };
        let routes = routing.routes(&scores);
        assert_eq!([&routes[0].tokens, &routes[1].tokens, &routes[2].tokens], [&vec![1], &vec![0], &vec![0, 1]]);
        let weight = 1.0 / (1.0 + (-1.0_f32).exp());
        assert!((routes[1].weights[0] - weight).abs() < 1e-6);
        // Of equal scores each has a half.
        assert_eq!((routes[0].weights[0], routes[2].weights[1]), (0.5, 0.5));
        let all = Routing { normalised: false, ..routing }.routes(&scores);
        let total: f32 = [0.0_f32, 2.0, 1.0].iter().map(|x| x.exp()).sum();
        assert!((all[1].weights[0] - 2.0_f32.exp() / total).abs() < 1e-6);
    }
}
