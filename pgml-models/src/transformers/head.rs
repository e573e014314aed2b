//! What a checkpoint for classifying sequences has on top of its encoder.

use pgml_core::{Result, bail};
use serde_json::Value;

use crate::device::Placement;
use crate::kernels::Activation;
use crate::nn::{Hidden, LayerNorm, Linear, Matrix, PackedBatch, Pooling, Source};

/// One vector of each sequence, a layer, and a score for each label.
pub struct Head {
    /// How the sequence's vector is made.
    pub(super) pooling: Pooling,
    /// With its activation.
    pub(super) dense: Linear,
    pub(super) norm: Option<LayerNorm>,
    pub(super) classifier: Linear,
    pub(super) placement: Placement,
}

/// Where a head's tensors may stand.
pub struct HeadSource<'a> {
    /// Beside the encoder.
    pub root: Source<'a>,
    /// Among the encoder's own.
    pub model: Source<'a>,
}

impl Head {
    /// A head that reads the first token.
    pub(super) fn load(
        dense: &Source<'_>,
        activation: Activation,
        classifier: &Source<'_>,
        width: usize,
        n_labels: usize,
    ) -> Result<Self> {
        Ok(Self {
            pooling: Pooling::Cls,
            dense: Linear::load(dense, width, width)?.with_activation(activation),
            norm: None,
            classifier: Linear::load(classifier, width, n_labels)?,
            placement: classifier.placement.clone(),
        })
    }

    /// The scores of each sequence, one per label, before any activation.
    ///
    /// # Shapes
    /// - hidden: n_tokens × width
    /// - result: n_sequences × n_labels
    ///
    /// # Errors
    /// [`ErrorKind::Internal`](pgml_core::ErrorKind::Internal) when the device fails.
    pub fn forward(&self, hidden: Hidden, batch: &PackedBatch) -> Result<Matrix> {
        let hidden = hidden.into_matrix(batch.team())?;
        let pooled = self.pooling.pool(&hidden, batch, false).concat();
        let mut x = self.dense.forward(&self.placement.place(Matrix::new(pooled, hidden.width(), batch.team())));
        if let Some(norm) = &self.norm {
            x = norm.forward(x);
        }
        self.classifier.forward(&x).into_matrix(batch.team())
    }
}

/// How many labels a configuration has: 2 where it says nothing, as in transformers.
///
/// # Errors
/// [`ErrorKind::Corrupted`](pgml_core::ErrorKind::Corrupted) for a configuration that lists none.
pub fn n_labels(config: &Value) -> Result<usize> {
    let listed = config.get("id2label").and_then(Value::as_object).map(serde_json::Map::len);
    let counted = || config.get("num_labels").and_then(Value::as_u64).map(|n| n as usize);
    match listed.or_else(counted).unwrap_or(2) {
        0 => bail!(Corrupted, "config.json of the model lists no labels"),
        n => Ok(n),
    }
}
