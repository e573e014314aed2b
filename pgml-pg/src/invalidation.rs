//! Tells every backend that what is deployed has changed: on commit, on rollback never, on a standby on replay.

use pgrx::pg_sys::errcodes::PgSqlErrorCode;
use pgrx::prelude::*;

/// The row trigger on `pgml.deployments`. The message that it queues is an invalidation of the table's relation cache
/// entry, which Postgres sends with the commit; listeners register with `CacheRegisterRelcacheCallback`.
#[pg_extern(sql = false)]
fn deployments_changed(fcinfo: pg_sys::FunctionCallInfo) {
    // SAFETY: Postgres passes valid call data; the node tag says whether its context is a trigger's.
    let relation = unsafe {
        let context = (*fcinfo).context;
        if context.is_null() || (*context).type_ != pg_sys::NodeTag::T_TriggerData {
            ereport!(
                ERROR,
                PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                "pgml.deployments_changed() can only be called as a trigger"
            );
        }
        (*context.cast::<pg_sys::TriggerData>()).tg_relation
    };
    // SAFETY: the relation is open for as long as its trigger runs.
    unsafe { pg_sys::CacheInvalidateRelcacheByRelid((*relation).rd_id) };
}
