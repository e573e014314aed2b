//! Enum types as function arguments: `pgml.sampling`, `pgml.search`, `pgml.strategy`.

use pgrx::callconv::{Arg, ArgAbi};
use pgrx::enum_helper::lookup_enum_by_oid;
use pgrx::nullable::Nullable;
use pgrx::pg_sys;

/// A value of an enum type, as its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnumLabel(String);

impl EnumLabel {
    /// The label, for instance `best_score`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// SAFETY: SQL declares these arguments with an enum type, whose datum is the object id of a row of `pg_enum`.
unsafe impl<'fcx> ArgAbi<'fcx> for EnumLabel {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: the caller has seen that the argument is not NULL.
        let oid = unsafe { arg.unbox_arg_using_from_datum::<pg_sys::Oid>() };
        Self(lookup_enum_by_oid(oid.unwrap_or(pg_sys::InvalidOid)).0)
    }

    unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
        // SAFETY: a NULL argument gives None.
        match unsafe { arg.unbox_arg_using_from_datum::<pg_sys::Oid>() } {
            Some(oid) => Nullable::Valid(Self(lookup_enum_by_oid(oid).0)),
            None => Nullable::Null,
        }
    }
}
