//! The store's port inside the server: statements run through SPI, values cross in binary form.
//!
//! Errors of the database are raised by Postgres itself and unwind past the store, so they arrive at the client with
//! their own SQLSTATE; what is returned as an error is a defect in how a statement was written.

use std::ffi::CString;
use std::ptr;

use pgml_core::{Error, ErrorKind, Result, bail};
use pgml_store::port::{Param, Port, Row, parameter_types};
use pgrx::pg_sys;
use postgres_types::private::BytesMut;
use postgres_types::{IsNull, Type};

/// A port that runs statements in the current transaction, with the rights of the current user.
///
/// It never assigns a transaction id by itself, so reading works on a standby.
pub struct SpiPort {
    read_only: bool,
}

impl SpiPort {
    /// Statements may write, and each sees what was committed before it began.
    pub fn new() -> Self {
        Self { read_only: false }
    }

    /// Statements only read, under the active snapshot; for functions that are not volatile.
    pub fn read_only() -> Self {
        Self { read_only: true }
    }

    /// Runs a statement and hands the number of rows, with the SPI result still open, to `collect`.
    fn run<T>(&self, sql: &str, params: &[Param<'_>], collect: impl FnOnce(u64) -> Result<T>) -> Result<T> {
        let text = CString::new(sql).map_err(|e| Error::new(ErrorKind::Internal, format!("a statement has {e}")))?;
        let types = parameter_types(sql)?;
        if types.len() != params.len() {
            bail!(Internal, "{} values for the {} parameters of: {sql}", params.len(), types.len());
        }
        let _connection = Connection::open()?;
        let encoding = Utf8Client::new();
        let mut oids: Vec<pg_sys::Oid> = types.iter().map(|t| pg_sys::Oid::from_u32(t.oid())).collect();
        let bound = types.iter().zip(params).map(|(t, param)| datum(*param, t)).collect::<Result<Vec<_>>>()?;
        let mut values: Vec<pg_sys::Datum> = bound.iter().map(|v| v.unwrap_or(pg_sys::Datum::null())).collect();
        let nulls: Vec<i8> = bound.iter().map(|v| if v.is_some() { b' ' as i8 } else { b'n' as i8 }).collect();
        drop(encoding);
        // SAFETY: connected; the arrays have one entry per parameter and outlive the call.
        let code = unsafe {
            pg_sys::SPI_execute_with_args(
                text.as_ptr(),
                types.len() as i32,
                oids.as_mut_ptr(),
                values.as_mut_ptr(),
                nulls.as_ptr().cast(),
                self.read_only,
                0,
            )
        };
        if code < 0 {
            bail!(Internal, "SPI refused a statement with code {code}: {sql}");
        }
        // SAFETY: set by the call above.
        collect(unsafe { pg_sys::SPI_processed })
    }
}

impl Port for SpiPort {
    fn query(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>> {
        self.run(sql, params, |n_rows| {
            // SAFETY: set by the statement that just ran; NULL when it returns no rows at all.
            let Some(table) = (unsafe { pg_sys::SPI_tuptable.as_ref() }) else { return Ok(Vec::new()) };
            let _encoding = Utf8Client::new();
            (0..n_rows as usize).map(|row| read_row(table, row)).collect()
        })
    }

    fn execute(&mut self, sql: &str, params: &[Param<'_>]) -> Result<u64> {
        self.run(sql, params, Ok)
    }
}

/// An open SPI connection. After an error of Postgres the abort of the transaction closes it instead.
struct Connection(());

impl Connection {
    fn open() -> Result<Self> {
        // SAFETY: main thread, inside a transaction.
        match unsafe { pg_sys::SPI_connect() } {
            code if code < 0 => bail!(Internal, "SPI cannot connect: code {code}"),
            _ => Ok(Self(())),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: opened by this.
            unsafe { pg_sys::SPI_finish() };
        }
    }
}

/// Receive and send functions convert texts from and to the client's encoding; while this lives, that is UTF-8.
struct Utf8Client(i32);

impl Utf8Client {
    fn new() -> Self {
        const UTF8: i32 = pg_sys::pg_enc::PG_UTF8 as i32;
        // SAFETY: state of this process alone; the conversion is looked up here, in a transaction, where there is one.
        unsafe {
            let before = Self(pg_sys::pg_get_client_encoding());
            if before.0 != UTF8 {
                pg_sys::PrepareClientEncoding(UTF8);
                pg_sys::SetClientEncoding(UTF8);
            }
            before
        }
    }
}

impl Drop for Utf8Client {
    fn drop(&mut self) {
        // SAFETY: the conversion was prepared when the client chose it, so it is found without a look into a catalog.
        unsafe { pg_sys::SetClientEncoding(self.0) };
    }
}

/// A value as Postgres's own, made by the type's receive function; `None` is NULL.
fn datum(param: Param<'_>, kind: &Type) -> Result<Option<pg_sys::Datum>> {
    let mut bytes = BytesMut::new();
    let is_null = param
        .to_sql_checked(kind, &mut bytes)
        .map_err(|e| Error::new(ErrorKind::Internal, format!("a value cannot be bound as {kind}: {e}")))?;
    if matches!(is_null, IsNull::Yes) {
        return Ok(None);
    }
    // SAFETY: the bytes are in the binary form of the type, and are only read during the call.
    Ok(Some(unsafe {
        let (mut receive, mut io_param) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
        pg_sys::getTypeBinaryInputInfo(pg_sys::Oid::from_u32(kind.oid()), &raw mut receive, &raw mut io_param);
        let mut message = pg_sys::StringInfoData {
            data: bytes.as_mut_ptr().cast(),
            len: i32::try_from(bytes.len()).map_err(|_| too_large(bytes.len()))?,
            maxlen: i32::try_from(bytes.len()).map_err(|_| too_large(bytes.len()))?,
            cursor: 0,
        };
        pg_sys::OidReceiveFunctionCall(receive, &raw mut message, io_param, -1)
    }))
}

fn too_large(bytes: usize) -> Error {
    Error::new(ErrorKind::InvalidData, format!("a value of {bytes} bytes is too large to bind"))
}

fn read_row(table: &pg_sys::SPITupleTable, row: usize) -> Result<Row> {
    // SAFETY: `row` is below the number of rows of the table.
    let (tuple, descriptor) = unsafe { (*table.vals.add(row), table.tupdesc) };
    // SAFETY: the descriptor lives as long as the table.
    let n_columns = unsafe { (*descriptor).natts };
    (1..=n_columns)
        .map(|number| {
            let mut is_null = false;
            // SAFETY: column numbers count from 1 to `natts`.
            let (oid, value) = unsafe {
                let oid = pg_sys::getBaseType(pg_sys::SPI_gettypeid(descriptor, number));
                (oid, pg_sys::SPI_getbinval(tuple, descriptor, number, &raw mut is_null))
            };
            let Some(kind) = Type::from_oid(oid.to_u32()) else {
                bail!(Internal, "column {number} of a catalog query has a type that needs a cast to text");
            };
            // SAFETY: not NULL and of that type.
            Ok((kind, (!is_null).then(|| unsafe { send(oid, value) })))
        })
        .collect::<Result<Vec<_>>>()
        .map(Row::new)
}

/// The binary form of a value, by the type's send function.
///
/// # Safety
/// `value` is a value of type `oid` and not NULL.
unsafe fn send(oid: pg_sys::Oid, value: pg_sys::Datum) -> Vec<u8> {
    // SAFETY: by contract; what is detoasted or sent is a plain varlena, freed once it is copied.
    unsafe {
        if oid == pg_sys::BYTEAOID {
            // The bytes of a bytea are its binary form, and may be many.
            let original = value.cast_mut_ptr::<pg_sys::varlena>();
            let plain = pg_sys::pg_detoast_datum_packed(original);
            let bytes = pgrx::varlena::varlena_to_byte_slice(plain).to_vec();
            if !ptr::eq(plain, original) {
                pg_sys::pfree(plain.cast());
            }
            return bytes;
        }
        let (mut send, mut is_varlena) = (pg_sys::InvalidOid, false);
        pg_sys::getTypeBinaryOutputInfo(oid, &raw mut send, &raw mut is_varlena);
        let sent = pg_sys::OidSendFunctionCall(send, value);
        let bytes = pgrx::varlena::varlena_to_byte_slice(sent.cast()).to_vec();
        pg_sys::pfree(sent.cast());
        bytes
    }
}
