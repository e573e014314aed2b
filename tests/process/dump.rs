//! What pg_dump saves and pgml.export_model hands out predicts the same elsewhere, under other ids too.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pgml_tests::server::{Database, Failure, Server};
use postgres::Client;

use crate::samples;

/// A folder that is removed with the value.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes an empty one.
    pub fn new() -> Result<Self, Failure> {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("pgml-dump-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Best effort: nothing can be reported from a drop.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a program that must succeed and say nothing.
pub fn run(command: &mut Command) -> Result<(), Failure> {
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() && said.trim().is_empty() { Ok(()) } else { Err(format!("{command:?}: {said}").into()) }
}

/// A database with a model of each of several kinds, two of one project.
fn source() -> Result<Database, Failure> {
    let database = Server::from_environment()?.database()?;
    let mut client = database.connect()?.client;
    samples::create_table(&mut client, "sample", 1000, 4)?;
    client
        .batch_execute("ALTER TABLE sample ADD COLUMN colour text; UPDATE sample SET colour = 'c' || (x1 * 5)::int")?;
    for (project, task, label, algorithm) in [
        ("number", "regression", "y", "linear"),
        ("number", "regression", "y", "xgboost"),
        ("class", "classification", "colour", "random_forest"),
        ("class", "classification", "c", "lightgbm"),
    ] {
        client.batch_execute(&format!(
            "SELECT * FROM pgml.train('{project} {label}', '{task}', 'sample', '{label}', '{algorithm}',
                 materialize_snapshot => {})",
            algorithm == "linear"
        ))?;
    }
    Ok(database)
}

const ASK: [&str; 4] = [
    "SELECT pgml.predict('number y', s)::text FROM sample AS s ORDER BY x1, x2",
    "SELECT pgml.predict_proba('class colour', s)::text FROM sample AS s ORDER BY x1, x2",
    "SELECT pgml.predict_label('class colour', s) FROM sample AS s ORDER BY x1, x2",
    "SELECT m::text FROM pgml.models AS m ORDER BY m.id",
];

fn answers(client: &mut Client) -> Result<Vec<Vec<String>>, Failure> {
    ASK.iter().map(|sql| Ok(client.query(*sql, &[])?.iter().map(|row| row.get(0)).collect())).collect()
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_plain_dump_predicts_the_same_and_trains_on() -> Result<(), Failure> {
    restore(|source, target, folder| {
        let (installation, file) = (source.server.installation()?, folder.join("dump.sql"));
        run(installation.program("pg_dump").arg("-f").arg(&file).args(["-d", &source.connection()]))?;
        let mut psql = installation.program("psql");
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &target.connection()]);
        run(psql.arg("-f").arg(&file))
    })
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn an_archive_predicts_the_same_and_trains_on() -> Result<(), Failure> {
    restore(|source, target, folder| restore_archive(source, target, folder, |_| {}))
}

/// Jobs load tables in any order: pg_dump does not tell pg_restore which tables of an extension refer to which. As
/// replicas they do not look whether the rows referred to are there already.
#[test]
#[ignore = "needs a server: cargo xtask test"]
fn an_archive_restored_by_two_jobs_predicts_the_same_and_trains_on() -> Result<(), Failure> {
    restore(|source, target, folder| {
        restore_archive(source, target, folder, |pg_restore| {
            pg_restore.arg("-j2").env("PGOPTIONS", "-c session_replication_role=replica");
        })
    })
}

fn restore_archive(
    source: &Database,
    target: &Database,
    folder: &Path,
    options: impl Fn(&mut Command),
) -> Result<(), Failure> {
    let (installation, file) = (source.server.installation()?, folder.join("archive"));
    run(installation.program("pg_dump").arg("-Fc").arg("-f").arg(&file).args(["-d", &source.connection()]))?;
    let mut pg_restore = installation.program("pg_restore");
    options(pg_restore.args(["-d", &target.connection()]).arg(&file));
    run(&mut pg_restore)
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_dump_of_schema_and_data_apart_predicts_the_same_and_trains_on() -> Result<(), Failure> {
    restore(|source, target, folder| {
        let installation = source.server.installation()?;
        for part in ["--schema-only", "--data-only"] {
            let file = folder.join(part);
            let mut dump = installation.program("pg_dump");
            // pg_dump warns of foreign keys in a circle otherwise; a restore as superuser may switch triggers off.
            run(dump.args([part, "--disable-triggers", "-Fc", "-f"]).arg(&file).args(["-d", &source.connection()]))?;
            let mut restore = installation.program("pg_restore");
            run(restore.args([part, "--disable-triggers", "-d", &target.connection()]).arg(&file))?;
        }
        Ok(())
    })
}

fn restore(copy: impl Fn(&Database, &Database, &Path) -> Result<(), Failure>) -> Result<(), Failure> {
    let source = source()?;
    // So that not even the object ids agree.
    let target = source.server.empty_database()?;
    target.connect()?.client.batch_execute("CREATE TABLE earlier (x int)")?;
    let folder = Folder::new()?;
    copy(&source, &target, &folder.0)?;
    let (mut old, mut new) = (source.connect()?.client, target.connect()?.client);
    let before = answers(&mut old)?;
    assert!(before.iter().all(|rows| !rows.is_empty()));
    assert_eq!(answers(&mut new)?, before);
    complete(&mut old, &mut new)?;

    // Sequences and snapshots go on where they were.
    new.batch_execute(
        "SELECT * FROM pgml.train('number y', algorithm => 'ridge');
         SELECT * FROM pgml.train('fresh', 'regression', 'sample', 'y')",
    )?;
    let models: i64 = new.query_one("SELECT count(*) FROM pgml.models", &[])?.get(0);
    assert_eq!(models as usize, before[3].len() + 2);
    Ok(())
}

/// Every table of the catalog has its rows, also those that no prediction reads.
fn complete(old: &mut Client, new: &mut Client) -> Result<(), Failure> {
    let tables = "SELECT relname::text FROM pg_class WHERE relnamespace = 'pgml'::regnamespace AND relkind IN ('r', 'S') ORDER BY 1";
    let names = |client: &mut Client| -> Result<Vec<String>, Failure> {
        Ok(client.query(tables, &[])?.iter().map(|row| row.get(0)).collect())
    };
    let tables = names(old)?;
    assert_eq!(tables, names(new)?);
    assert!(tables.iter().any(|name| name.starts_with("snapshot_")), "{tables:?}");
    for table in tables {
        // A sequence counts how far it may go without the write-ahead log, which no dump keeps.
        let columns = if table.ends_with("_seq") { "t.last_value::text, t.is_called::text" } else { "t::text, ''" };
        let digest =
            format!("SELECT md5(string_agg(r::text, ',' ORDER BY r)) FROM (SELECT {columns} FROM pgml.{table} t) r");
        let of =
            |client: &mut Client| -> Result<Option<String>, Failure> { Ok(client.query_one(&digest, &[])?.get(0)) };
        assert_eq!(of(old)?, of(new)?, "pgml.{table}");
    }
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn an_exported_model_predicts_the_same_under_another_id() -> Result<(), Failure> {
    let source = source()?;
    let target = source.server.database()?;
    let (mut old, mut new) = (source.connect()?.client, target.connect()?.client);
    samples::constant_model(&mut new, "earlier", 1.0)?;
    for row in old.query("SELECT id, pgml.export_model(id) FROM pgml.models ORDER BY id", &[])? {
        let (id, bytes): (i64, Vec<u8>) = (row.get(0), row.get(1));
        let project = format!("imported {id}");
        let imported: i64 = new.query_one("SELECT pgml.import_model($1, $2)", &[&project, &bytes])?.get(0);
        assert_ne!(id, imported);
        new.query("SELECT * FROM pgml.deploy($1::bigint)", &[&imported])?;
        let rows = "SELECT x1, x2, x3, x4, y, c, colour FROM sample WHERE x1 < 0.1 ORDER BY x1, x2";
        for row in old.query(rows, &[])? {
            let (x, y, c, colour): ([f32; 4], f32, i32, String) =
                ([0, 1, 2, 3].map(|i| row.get(i)), row.get(4), row.get(5), row.get(6));
            let ask = |client: &mut Client, subject: &str| -> Result<f32, Failure> {
                let sql = format!(
                    "SELECT pgml.predict({subject}, r) FROM (SELECT $1::real AS x1, $2::real AS x2, $3::real AS x3,
                         $4::real AS x4, $5::real AS y, $6::int AS c, $7::text AS colour) AS r"
                );
                Ok(client.query_one(&sql, &[&x[0], &x[1], &x[2], &x[3], &y, &c, &colour])?.get(0))
            };
            let (here, there) = (ask(&mut old, &format!("{id}::bigint"))?, ask(&mut new, &format!("'{project}'"))?);
            assert_eq!(here.to_bits(), there.to_bits(), "model {id}");
        }
    }
    Ok(())
}
