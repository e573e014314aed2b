//! Which clusters of the hierarchy are the answer.

use super::HdbscanParams;
use super::condensed::{Condensed, ROOT};
use crate::labelled_rows::NOISE;

/// The label of every row.
pub(super) fn labels(hierarchy: &Condensed, params: &HdbscanParams) -> Vec<i32> {
    let epsilon = params.cluster_selection_epsilon;
    let mut selected = match params.cluster_selection_method.as_str() {
        "leaf" => leaves(hierarchy),
        _ => most_stable(hierarchy, params),
    };
    let has_parts = hierarchy.clusters.len() > 1;
    if epsilon > 0.0 && has_parts && !selected[ROOT] {
        selected = not_below(hierarchy, &selected, epsilon, params.allow_single_cluster);
    }
    let mut numbers = vec![NOISE; selected.len()];
    let ascending = (0..selected.len()).filter(|cluster| selected[*cluster]);
    ascending.zip(0..).for_each(|(cluster, number)| numbers[cluster] = number);
    let owners = owners(hierarchy, &selected);
    let root_alone = selected[ROOT] && params.allow_single_cluster && selected.iter().filter(|s| **s).count() == 1;
    // In one cluster of everything only the rows in dense places belong.
    let threshold = if epsilon > 0.0 { 1.0 / epsilon } else { hierarchy.clusters[ROOT].death };
    let label = |(cluster, density): &(usize, f64)| match owners[*cluster] {
        ROOT if root_alone && *density >= threshold => numbers[ROOT],
        ROOT => NOISE,
        owner => numbers[owner],
    };
    hierarchy.falls.iter().map(label).collect()
}

/// Excess of mass: a cluster counts unless its parts are more stable together, or it lies in one that counts.
fn most_stable(hierarchy: &Condensed, params: &HdbscanParams) -> Vec<bool> {
    let clusters = &hierarchy.clusters;
    let mut stability: Vec<f64> = clusters.iter().map(|cluster| cluster.stability).collect();
    let mut is_stable = vec![false; clusters.len()];
    let largest = params.max_cluster_size.map_or(usize::MAX, |size| size as usize);
    for cluster in (usize::from(!params.allow_single_cluster)..clusters.len()).rev() {
        let children = &clusters[cluster].children;
        let parts: f64 = children.iter().map(|child| stability[*child]).sum();
        let n_rows = match cluster {
            // Rows that fall out of the root do not count, as in scikit-learn.
            ROOT => children.iter().map(|child| clusters[*child].n_rows).sum(),
            _ => clusters[cluster].n_rows,
        };
        if parts > stability[cluster] || n_rows > largest {
            stability[cluster] = parts;
        } else {
            is_stable[cluster] = true;
        }
    }
    let mut is_within = vec![false; clusters.len()];
    for cluster in 1..clusters.len() {
        let parent = clusters[cluster].parent;
        is_within[cluster] = is_within[parent] || is_stable[parent];
    }
    is_stable.iter().zip(is_within).map(|(is_stable, is_within)| *is_stable && !is_within).collect()
}

/// The clusters without parts; none when there is only the one of all rows.
fn leaves(hierarchy: &Condensed) -> Vec<bool> {
    let has_parts = hierarchy.clusters.len() > 1;
    hierarchy.clusters.iter().map(|cluster| has_parts && cluster.children.is_empty()).collect()
}

/// Replaces selected clusters that part from others below the distance `epsilon` by the first above it.
fn not_below(hierarchy: &Condensed, selected: &[bool], epsilon: f64, allow_single_cluster: bool) -> Vec<bool> {
    let distance = |cluster: usize| 1.0 / hierarchy.clusters[cluster].birth;
    let mut chosen = vec![false; selected.len()];
    let mut is_below_chosen = vec![false; selected.len()];
    for cluster in (0..selected.len()).filter(|cluster| selected[*cluster]) {
        if distance(cluster) >= epsilon {
            chosen[cluster] = true;
        } else if !is_below_chosen[cluster] {
            let mut above = cluster;
            loop {
                let parent = hierarchy.clusters[above].parent;
                if parent == ROOT {
                    above = if allow_single_cluster { ROOT } else { above };
                    break;
                }
                above = parent;
                if distance(above) > epsilon {
                    break;
                }
            }
            chosen[above] = true;
            mark_below(hierarchy, above, &mut is_below_chosen);
        }
    }
    chosen
}

/// Marks all clusters within `cluster`.
fn mark_below(hierarchy: &Condensed, cluster: usize, flags: &mut [bool]) {
    let mut left = hierarchy.clusters[cluster].children.clone();
    while let Some(below) = left.pop() {
        flags[below] = true;
        left.extend(&hierarchy.clusters[below].children);
    }
}

/// For each cluster the selected one that it is or lies in; the root when there is none.
fn owners(hierarchy: &Condensed, selected: &[bool]) -> Vec<usize> {
    let mut owners: Vec<usize> = Vec::with_capacity(selected.len());
    for (cluster, is_selected) in selected.iter().enumerate() {
        let owner = if *is_selected || cluster == ROOT { cluster } else { owners[hierarchy.clusters[cluster].parent] };
        owners.push(owner);
    }
    owners
}
