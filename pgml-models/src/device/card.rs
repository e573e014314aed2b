//! Graphics cards by wgpu, which reaches those of all makers through Vulkan.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, OnceLock, PoisonError};

use burn::tensor::{Device, DeviceKind, DeviceType, StreamId, Tensor};
use pgml_core::{Error, ErrorKind, Result};

use super::{DeviceName, ELSEWHERE, failed};

/// What this machine has.
struct Found {
    /// In the order of their numbers.
    cards: Vec<Card>,
    software: Option<Card>,
}

struct Card {
    kind: DeviceKind,
    opened: Mutex<Option<Device>>,
}

/// Whether the device is there.
pub fn exists(name: DeviceName) -> bool {
    find(name).is_ok_and(|card| card.is_some())
}

/// The device, which has computed something when this returns.
///
/// # Errors
/// [`ErrorKind::NotSupported`] when it is not there or does not work.
pub fn open(name: DeviceName) -> Result<Device> {
    let card = find(name)?.ok_or_else(|| missing(name))?;
    let mut opened = card.opened.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(device) = &*opened {
        return Ok(device.clone());
    }
    let start =
        || Device::wgpu_options().device_kind(card.kind.clone()).init().map_err(|e| unusable(name, &e.to_string()));
    let device = attempt(|| start().and_then(|device| try_out(name, device)))?;
    Ok(opened.insert(device).clone())
}

fn try_out(name: DeviceName, device: Device) -> Result<Device> {
    let sum = Tensor::<1>::from_floats([1.0, 2.0], &device) + 1.0;
    match sum.try_into_vec_as::<f32>() {
        Ok(sum) if sum == [2.0, 3.0] => Ok(device),
        Ok(sum) => Err(unusable(name, &format!("it computes {sum:?} where [2.0, 3.0] is right"))),
        Err(error) => Err(unusable(name, &error.to_string())),
    }
}

/// The result of `work`; a panic in it becomes an error.
///
/// # Errors
/// Those of `work`; [`ErrorKind::OutOfMemory`] or [`ErrorKind::Internal`] when it panics.
pub fn attempt<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // One stream for all threads: each stream has memory of its own, and keeps it for itself.
    let work = || StreamId { value: 0 }.executes(work);
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| Err(failed(text_of(&*payload))))
}

/// Gives memory that no tensor has any more back to the driver.
pub fn give_back(device: &Device) {
    // A card that has failed has nothing to give back.
    let _ = attempt(|| {
        device.memory_cleanup();
        Ok(())
    });
}

fn find(name: DeviceName) -> Result<Option<&'static Card>> {
    // Once: looking starts every driver. A card that is put in later counts after a restart.
    static FOUND: OnceLock<Result<Found>> = OnceLock::new();
    let found = FOUND.get_or_init(|| attempt(|| Ok(look())));
    let Found { cards, software } = found.as_ref().map_err(Clone::clone)?;
    Ok(match name {
        DeviceName::Card(number) => cards.get(number),
        DeviceName::Software => software.as_ref(),
        DeviceName::Cpu | DeviceName::Flex => None,
    })
}

/// Opens nothing: drivers only say what there is.
fn look() -> Found {
    let found: Vec<Device> = Device::enumerate(DeviceType::Wgpu).into_iter().collect();
    let among_them = |kind: &DeviceKind| found.contains(&Device::wgpu(kind.clone()));
    let card = |kind| Card { kind, opened: Mutex::default() };
    let all_of = |kind: fn(usize) -> DeviceKind| (0..found.len()).map(kind).filter(among_them).map(card);
    let cards = [DeviceKind::DiscreteGpu, DeviceKind::IntegratedGpu, DeviceKind::VirtualGpu]
        .into_iter()
        .flat_map(all_of)
        .collect();
    Found { cards, software: Some(DeviceKind::Cpu).filter(among_them).map(card) }
}

fn missing(name: DeviceName) -> Error {
    let hint = match name {
        DeviceName::Software => "install Vulkan in software (Debian: mesa-vulkan-drivers)",
        _ => "install the card's Vulkan driver and the loader (Debian: libvulkan1)",
    };
    let count = (0..).take_while(|number| exists(DeviceName::Card(*number))).count();
    Error::new(ErrorKind::NotSupported, format!("this machine has no device \"{name}\""))
        .with_detail(format!("graphics cards found through Vulkan: {count}"))
        .with_hint(format!("{hint} and restart the server, or {ELSEWHERE}"))
}

fn unusable(name: DeviceName, why: &str) -> Error {
    Error::new(ErrorKind::NotSupported, format!("device \"{name}\" does not work"))
        .with_detail(why)
        .with_hint(format!("look after its Vulkan driver, or {ELSEWHERE}"))
}

fn text_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
