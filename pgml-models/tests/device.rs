//! Graphics cards: what is asked of them beyond the goldens, on the device that `PGML_TEST_DEVICE` names.
//! `cargo xtask test --device` runs it.
#![cfg(feature = "wgpu")]

use burn::tensor::Tensor;
use pgml_core::ErrorKind;
use pgml_core::text::ModelSpec;
use pgml_models::device::{DeviceName, Placement};

fn device() -> Option<Placement> {
    std::env::var("PGML_TEST_DEVICE").ok().map(|name| Placement::on(&name).expect("it is there"))
}

#[test]
fn a_card_that_is_not_there_is_an_error_with_a_way_out() {
    let error = Placement::on("wgpu:1000").expect_err("no machine has as many");
    assert_eq!(error.kind(), ErrorKind::NotSupported);
    assert_eq!(error.message(), "this machine has no device \"wgpu:1000\"");
    assert!(error.hint().is_some_and(|hint| hint.contains("Vulkan driver")), "{error}");
}

#[test]
fn software_is_never_chosen_unasked() {
    let chosen = DeviceName::of(&ModelSpec::named("m")).expect("a device");
    assert_ne!(chosen, DeviceName::Software);
    assert_eq!(chosen == DeviceName::Card(0), Placement::on("wgpu").is_ok(), "{chosen}");
}

#[test]
fn a_device_is_opened_by_many_at_once() {
    std::thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(device))));
}

#[test]
fn what_does_not_fit_is_an_error_and_what_is_dropped_makes_room() {
    let Some(placement) = device() else { return };
    // A matrix of 4 TiB, and then one of 64 B.
    for (rows, works) in [(1 << 20, false), (4, true)] {
        let sum = placement.attempt(|| {
            let ones = Tensor::<2>::ones([rows, 1 << 10], placement.device());
            Ok(ones.clone().matmul(ones.transpose()).sum().try_into_vec_as::<f32>())
        });
        assert_eq!(sum.is_ok_and(|read| read.is_ok_and(|sum| sum == [16_384.0])), works);
    }
    let reserved =
        || placement.attempt(|| Ok(placement.device().memory_pool_usage().map(|pools| pools.bytes_reserved)));
    let before = {
        let _share = placement.share();
        let _weights = placement.attempt(|| Ok(Tensor::<1>::ones([16 << 20], placement.device()))).expect("64 MiB");
        reserved().expect("works").expect("known")
    };
    let after = reserved().expect("works").expect("known");
    assert!(after + (64 << 20) <= before, "{before} bytes before, {after} after");
}
