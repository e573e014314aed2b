//! TAPAS (Herzig et al. 2020): BERT that knows of each token its column, its row and how its cell's number ranks.

use std::collections::HashMap;

use pgml_core::Result;
use pgml_core::text::TableToken;
use serde::Deserialize;
use serde_json::{Value, json};

use super::head::Reads;
use super::stack::Layer;
use super::{Encoder, Head, HeadSource, Heads, PostNormLayer, TextEncoder, bert, check_heads, only, read};
use crate::kernels::Activation;
use crate::nn::{Embedding, Hidden, LayerNorm, Linear, PackedBatch, Pooling, Source, embedding};

/// TAPAS.
pub static TAPAS: Encoder = Encoder {
    model_types: &["tapas"],
    prefix: "tapas",
    ignored: &["position_ids", "pooler.", "cls.", "classifier.", "output_weights", "output_bias"],
    load,
    head: Some(Heads { cells: Some(cells), ..Heads::NONE }),
};

/// What a token is, in the order of the tables: its part, column, row, earlier answer, both ranks, relation.
const N_TYPES: usize = 7;

#[derive(Deserialize)]
struct Config {
    type_vocab_sizes: Vec<usize>,
    #[serde(default)]
    num_aggregation_labels: usize,
    reset_position_index_per_cell: Option<bool>,
}

struct Tapas {
    word_embeddings: Embedding,
    position_embeddings: Embedding,
    token_type_embeddings: Vec<Embedding>,
    layer_norm: LayerNorm,
    layers: Vec<PostNormLayer>,
    width: usize,
    /// Whether positions begin anew in each cell.
    resets: bool,
}

fn load(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>> {
    let own: Config = read(config)?;
    if own.type_vocab_sizes.len() != N_TYPES {
        only(config, "type_vocab_sizes", &[json!("a list of 7 sizes")])?;
    }
    let mut fields = config.clone();
    fields["type_vocab_size"] = json!(own.type_vocab_sizes[0]);
    let fields: bert::Config = read(&fields)?;
    check_heads(fields.hidden_size, fields.num_attention_heads)?;
    let (tables, width) = (source.at("embeddings"), fields.hidden_size);
    let table = |name: &str, n| Embedding::load(&tables.at(name), n, width);
    let types = own.type_vocab_sizes.iter().enumerate();
    let layers = (0..fields.num_hidden_layers).map(|i| bert::layer(&source.at("encoder.layer").at(i), &fields));
    Ok(Box::new(Tapas {
        word_embeddings: table("word_embeddings", fields.vocab_size)?,
        position_embeddings: table("position_embeddings", fields.max_position_embeddings)?,
        token_type_embeddings: types
            .map(|(i, n)| table(&format!("token_type_embeddings_{i}"), *n))
            .collect::<Result<_>>()?,
        layer_norm: LayerNorm::load(&tables.at("LayerNorm"), width, fields.layer_norm_eps)?,
        layers: layers.collect::<Result<_>>()?,
        width,
        resets: own.reset_position_index_per_cell.unwrap_or(true),
    }))
}

/// Of each token, whether its cell answers and whether its column does; beside them what is to be done with the cells.
fn cells(config: &Value, source: &HeadSource<'_>) -> Result<Head> {
    only(config, "select_one_column", &[json!(true)])?;
    let (own, weights, width) = (read::<Config>(config)?, &source.root.weights, source.width);
    let [of_cells, of_columns] = ["output_weights", "column_output_weights"].map(|name| weights.floats(name, &[width]));
    let bias = [weights.floats("output_bias", &[])?, weights.floats("column_output_bias", &[])?].concat();
    let placement = source.root.placement;
    let aggregation = || -> Result<Head> {
        let pooler = Linear::load(&source.model.at("pooler.dense"), width, width)?;
        let classifier = source.root.at("aggregation_classifier");
        Ok(Head {
            reads: Reads::Pooled(Pooling::Cls),
            dense: Some(pooler.with_activation(Activation::Tanh)),
            ..Head::of_tokens(&classifier, width, own.num_aggregation_labels)?
        })
    };
    Ok(Head {
        reads: Reads::Tokens,
        dense: None,
        norm: None,
        outputs: Linear::new(&[&of_cells?, &of_columns?], Some(bias), width, placement),
        beside: (own.num_aggregation_labels > 0).then(aggregation).transpose()?.map(Box::new),
        placement: placement.clone(),
    })
}

impl Tapas {
    fn positions(&self, batch: &PackedBatch, cells: &[TableToken]) -> Vec<u32> {
        if !self.resets {
            return batch.positions(0);
        }
        let last = self.position_embeddings.n_rows().saturating_sub(1);
        let mut positions = Vec::with_capacity(cells.len());
        for rows in batch.sequences() {
            let mut firsts: HashMap<(u32, u32), usize> = HashMap::new();
            positions.extend(rows.map(|row| {
                let first = *firsts.entry((cells[row].column, cells[row].row)).or_insert(row);
                (row - first).min(last) as u32
            }));
        }
        positions
    }
}

impl TextEncoder for Tapas {
    fn width(&self) -> usize {
        self.width
    }

    fn max_tokens(&self) -> Option<usize> {
        Some(self.position_embeddings.n_rows())
    }

    fn forward(&self, batch: &PackedBatch) -> Result<Hidden> {
        let none = vec![TableToken::default(); batch.n_tokens()];
        let cells = batch.cells().unwrap_or(&none);
        let positions = self.positions(batch, cells);
        let of = |part: fn(&TableToken) -> u32| cells.iter().map(part).collect::<Vec<u32>>();
        let [columns, rows, answered] = [of(|cell| cell.column), of(|cell| cell.row), of(|cell| cell.answered)];
        let [ranks, ranks_from_end] = [of(|cell| cell.rank), of(|cell| cell.rank_from_end)];
        let relations = of(|cell| cell.relation);
        let types = [batch.type_ids(), &columns, &rows, &answered, &ranks, &ranks_from_end, &relations];
        let mut tables = vec![(&self.word_embeddings, batch.ids()), (&self.position_embeddings, &positions[..])];
        tables.extend(self.token_type_embeddings.iter().zip(types));
        let embedded = self.layer_norm.forward(embedding::sum(&tables, batch)?);
        Ok(self.layers.iter().fold(embedded, |x, layer| layer.forward(x, batch)))
    }
}
