//! A graphics card that is lost: a program of its own, because it stays lost. `cargo xtask test --device` runs it.
#![cfg(feature = "wgpu")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::Duration;

use burn::tensor::{Device, DeviceKind, Tensor};

#[test]
fn a_lost_card_fails_whoever_uses_it_and_holds_nobody_up() {
    let Ok(wanted) = std::env::var("PGML_TEST_DEVICE") else { return };
    let kind = if wanted == "wgpu:software" { DeviceKind::Cpu } else { DeviceKind::DefaultDevice };
    let (device, setup) = Device::wgpu_options().device_kind(kind).init_with_setup().expect("a device");
    let (sender, sums) = mpsc::channel();
    std::thread::spawn(move || {
        let sum = || Tensor::<1>::ones([1000], &device).sum().try_into_vec_as::<f32>().ok();
        sender.send(sum()).expect("received");
        setup.device.destroy();
        for _ in 0..3 {
            // What `Placement::attempt` does.
            sender.send(catch_unwind(AssertUnwindSafe(sum)).ok().flatten()).expect("received");
        }
    });
    let next = || sums.recv_timeout(Duration::from_secs(60)).expect("no hang");
    assert_eq!(next(), Some(vec![1000.0]));
    assert_eq!([next(), next(), next()], [None, None, None]);
}
