//! The model of clusterings that describe each cluster by one or more centres.

use pgml_core::estimator::expect_shape;
use pgml_core::finite::require_finite;
use pgml_core::{MatrixRef, Model, Parts, Result, bail};

use crate::labelled_rows::NOISE;
use crate::solvers::centre_packets::CentrePackets;

/// Rows whose nearest centres are held at a time.
const BLOCK: usize = 128;

/// Centres of clusters. A row gets the label of the centre nearest to it, the first of equally near ones: the centre's
/// number, or what [`Centres::with_labels`] says. Beyond the reach of [`Centres::with_reach`], or where there is no
/// centre at all, it is [`NOISE`].
pub struct Centres {
    n_features: usize,
    /// `n_centres × n_features`.
    centres: Vec<f64>,
    /// The same, to be searched.
    packets: CentrePackets,
    /// The cluster of each centre, where several share one.
    labels: Option<Vec<i32>>,
    reach: f64,
    inertia: Option<f64>,
}

impl Centres {
    /// `n_centres × n_features` finite numbers.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`](pgml_core::ErrorKind::InvalidData) when a number is not finite.
    pub fn new(centres: Vec<f64>, n_features: usize) -> Result<Self> {
        if centres.iter().any(|x| !x.is_finite()) {
            bail!(InvalidData, "the centres overflow: features are too large, scale them in preprocess");
        }
        Ok(Self::of(centres, n_features))
    }

    fn of(centres: Vec<f64>, n_features: usize) -> Self {
        let packets = CentrePackets::new(&centres, n_features);
        Self { n_features, centres, packets, labels: None, reach: f64::INFINITY, inertia: None }
    }

    /// Gives each centre a cluster.
    #[must_use]
    pub fn with_labels(self, labels: Vec<i32>) -> Self {
        Self { labels: Some(labels), ..self }
    }

    /// Makes noise of rows that are farther than `reach` from every centre.
    #[must_use]
    pub fn with_reach(self, reach: f64) -> Self {
        Self { reach, ..self }
    }

    /// Adds the sum of squared distances of the training rows to their centres.
    #[must_use]
    pub fn with_inertia(self, inertia: f64) -> Self {
        Self { inertia: Some(inertia), ..self }
    }

    /// How many centres there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.centres.len() / self.n_features
    }

    /// Whether there is no centre.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.centres.is_empty()
    }

    /// Rebuilds the model from its stored form.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`](pgml_core::ErrorKind::Corrupted) when the parts do not make a model.
    pub fn decode(parts: &Parts) -> Result<Self> {
        let n_features: usize = parts.meta("n_features")?;
        let centres = parts.array::<f64>("centers")?.to_vec();
        if n_features == 0 || !centres.len().is_multiple_of(n_features) || centres.iter().any(|x| !x.is_finite()) {
            bail!(Corrupted, "stored centres are {} values for {n_features} features", centres.len());
        }
        let mut model = Self::of(centres, n_features);
        if parts.arrays.contains_key("labels") {
            let labels = parts.array_of::<i32>("labels", model.len())?;
            if labels.iter().any(|label| *label < NOISE || i64::from(*label) >= model.len() as i64) {
                bail!(Corrupted, "stored labels are no clusters of {} centres", model.len());
            }
            model.labels = Some(labels.to_vec());
        }
        if parts.arrays.contains_key("reach") {
            model.reach = parts.array_of::<f64>("reach", 1)?[0];
            if model.reach.is_nan() || model.reach < 0.0 {
                bail!(Corrupted, "stored reach is {}", model.reach);
            }
        }
        if parts.arrays.contains_key("inertia") {
            model.inertia = Some(parts.array_of::<f64>("inertia", 1)?[0]);
        }
        Ok(model)
    }

    /// The cluster of a row whose nearest centre is `centre`, so far away.
    fn label(&self, (centre, squared): (usize, f64)) -> i32 {
        if squared.sqrt() > self.reach {
            return NOISE;
        }
        self.labels.as_ref().map_or(centre as i32, |labels| labels[centre])
    }
}

impl Model for Centres {
    fn n_features(&self) -> usize {
        self.n_features
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features, out, 1)?;
        let mut found = [(0, 0.0); BLOCK];
        for (rows, out) in rows.blocks(BLOCK).zip(out.chunks_mut(BLOCK)) {
            require_finite(&rows)?;
            if self.is_empty() {
                out.fill(f64::from(NOISE));
                continue;
            }
            self.packets.nearest(rows.as_slice(), &mut found[..out.len()]);
            out.iter_mut().zip(found).for_each(|(out, found)| *out = f64::from(self.label(found)));
        }
        Ok(())
    }

    fn encode(&self) -> Result<Parts> {
        let shape = vec![self.len(), self.n_features];
        let mut parts = Parts::new()
            .with_shape("centers", shape, self.centres.clone())
            .with_meta("n_features", &self.n_features)?;
        if let Some(labels) = &self.labels {
            parts = parts.with("labels", labels.clone());
        }
        if self.reach < f64::INFINITY {
            parts = parts.with("reach", vec![self.reach]);
        }
        if let Some(inertia) = self.inertia {
            parts = parts.with("inertia", vec![inertia]);
        }
        Ok(parts)
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + 8 * self.centres.len() + self.packets.bytes() + 4 * self.labels.as_ref().map_or(0, Vec::len)
    }

    fn own_metrics(&self) -> Vec<(&'static str, f64)> {
        let n_clusters = self.labels.as_ref().map_or(self.len() as i32, |l| l.iter().max().map_or(0, |most| most + 1));
        let inertia = self.inertia.map(|inertia| ("inertia", inertia));
        inertia.into_iter().chain([("n_clusters", f64::from(n_clusters))]).collect()
    }
}
