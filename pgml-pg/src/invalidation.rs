//! Tells every backend that what is deployed has changed: on commit, on rollback never, on a standby on replay.
//!
//! So do renamed projects, and models that are deleted or restored: their rows never change otherwise.

use std::ffi::CStr;
use std::sync::atomic::{AtomicU32, Ordering};

use pgrx::pg_sys::errcodes::PgSqlErrorCode;
use pgrx::prelude::*;

/// The row trigger on the tables below. The message that it queues is an invalidation of the table's relation cache
/// entry, which Postgres sends with the commit; listeners register with `CacheRegisterRelcacheCallback`.
#[pg_extern(sql = false)]
fn deployments_changed(fcinfo: pg_sys::FunctionCallInfo) {
    let relation = relation_of_trigger(fcinfo, "pgml.deployments_changed()");
    // SAFETY: the relation is open for as long as its trigger runs.
    unsafe { pg_sys::CacheInvalidateRelcacheByRelid((*relation).rd_id) };
}

/// The row trigger on projects whose owner or grants have changed. Besides what sessions remember, which the trigger above
/// takes care of, cached plans may hold what `predict(model_id, …)` gave for constants.
#[pg_extern(sql = false)]
fn grants_changed(fcinfo: pg_sys::FunctionCallInfo) {
    relation_of_trigger(fcinfo, "pgml.grants_changed()");
    // Every plan is made anew when a schema has changed, and this says that one has.
    // SAFETY: in a transaction; the message goes out with its commit.
    unsafe { pg_sys::CacheInvalidateCatalog(pg_sys::NamespaceRelationId) };
}

/// The relation whose trigger runs; an error when none does.
fn relation_of_trigger(fcinfo: pg_sys::FunctionCallInfo, function: &str) -> pg_sys::Relation {
    // SAFETY: Postgres passes valid call data; the node tag says whether its context is a trigger's.
    unsafe {
        let context = (*fcinfo).context;
        if context.is_null() || (*context).type_ != pg_sys::NodeTag::T_TriggerData {
            ereport!(
                ERROR,
                PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                format!("{function} can only be called as a trigger")
            );
        }
        (*context.cast::<pg_sys::TriggerData>()).tg_relation
    }
}

/// The tables whose invalidations concern what a session remembers.
const TABLES: [&CStr; 4] = [c"projects", c"models", c"deployments", c"files"];

/// Their object ids, once known; 0 before.
static KNOWN: [AtomicU32; 4] = [const { AtomicU32::new(0) }; 4];

/// Looks the tables up. Called in a transaction, before anything is remembered and whenever they may have changed.
pub fn look_up_tables() {
    for (table, known) in TABLES.iter().zip(&KNOWN) {
        // SAFETY: look-ups in the system caches; a missing schema or table is 0.
        let oid = unsafe {
            let schema = pg_sys::get_namespace_oid(c"pgml".as_ptr(), true);
            pg_sys::get_relname_relid(table.as_ptr(), schema)
        };
        known.store(oid.to_u32(), Ordering::Relaxed);
    }
}

/// Whether an invalidation of `relation` concerns deployments or models. Touches no catalog: it is called in the middle of
/// anything.
pub fn concerns_models(relation: pg_sys::Oid) -> bool {
    KNOWN.iter().any(|known| known.load(Ordering::Relaxed) == relation.to_u32())
}
