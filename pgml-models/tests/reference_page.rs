//! The algorithms page in `docs/reference` says what the registry says.

#[allow(dead_code, missing_docs)]
#[path = "../examples/reference.rs"]
mod reference;

#[test]
fn the_algorithms_page_is_not_stale() {
    let written = include_str!("../../docs/reference/algorithms.md");
    assert!(
        written == reference::page(),
        "run `cargo run --release -p pgml-models --example reference docs/reference`"
    );
}
