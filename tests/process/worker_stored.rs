//! Transformers in `pgml.files`: what a name means is then a fact of the database, which transactions, grants, replicas and
//! restored copies carry, and for which neither a hub nor a model cache is needed.

use std::fs;
use std::time::Duration;

use pgml_tests::server::Failure;
use pgml_tests::session::{Session, describe_error};
use postgres::Client;

use crate::backend::{Backend, wait_until};
use crate::own_server::OwnServer;
use crate::standby::{replayed, standby_of};
use crate::worker::{program, set, state};
use crate::worker_downloads::{NAME, SECOND, Scene, WEIGHTS, commit, embed};

const LIMIT: Duration = Duration::from_secs(30);
const IMPORT: &str = "SELECT pgml.import_model('org/tiny')";

fn import(client: &mut Client) -> Result<i64, Failure> {
    Ok(client.query_one(IMPORT, &[])?.get(0))
}

fn count(client: &mut Client, of: &str) -> Result<i64, Failure> {
    Ok(client.query_one(&format!("SELECT count(*) FROM {of}"), &[])?.get(0))
}

/// From now on nothing can be downloaded, nothing is in the cache, and nothing in the program's memory.
fn cut_off(scene: &Scene, client: &mut Client) -> Result<(), Failure> {
    set(client, "pgml.offline", "on")?;
    let cache = scene.server.cluster().sockets.join("models");
    for entry in fs::read_dir(&cache)? {
        fs::remove_dir_all(entry?.path())?;
    }
    restart_program(client)
}

fn restart_program(client: &mut Client) -> Result<(), Failure> {
    let before = program(client)?;
    before.kill()?;
    wait_until("the program is another", LIMIT, || {
        let asked = client.query_one("SELECT count(*) FROM pgml.loaded_models", &[]);
        Ok(asked.is_ok_and(|row| row.get::<_, i64>(0) == 0) && program(client)?.pid != before.pid)
    })?;
    Ok(())
}

fn refused(client: &mut Client, sqlstate: &str, words: &str, statement: &str) -> Result<(), Failure> {
    let error = client.batch_execute(statement).expect_err(statement);
    let text = describe_error(&error);
    assert!(state(&error) == sqlstate && text.contains(words), "{statement}: {text}");
    Ok(())
}

const OFFLINE: &str = "nothing may be downloaded";

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_stored_transformer_needs_neither_hub_nor_cache_and_belongs_to_its_database() -> Result<(), Failure> {
    let scene = Scene::new()?;
    let mut client = scene.client()?;
    let before = embed(&mut client, "{}")?;

    // A rollback leaves nothing.
    client.batch_execute(&format!("BEGIN; {IMPORT}"))?;
    assert_eq!(embed(&mut client, "{}")?, before, "it is used in the transaction that stored it");
    client.batch_execute("ROLLBACK")?;
    for table in ["projects", "models", "deployments", "files"] {
        assert_eq!(count(&mut client, &format!("pgml.{table}"))?, 0, "{table}");
    }
    assert_eq!(embed(&mut client, "{}")?, before);

    let first = import(&mut client)?;
    let stored = "SELECT p.name, p.task, m.algorithm, m.num_features, m.status, m.snapshot_id IS NULL AND m.runtime = 'rust'
                    FROM pgml.deployed_models AS d JOIN pgml.models AS m ON m.id = d.id JOIN pgml.projects AS p ON p.id = m.project_id";
    let row = client.query_one(&format!("SELECT (s.*)::text FROM ({stored}) AS s"), &[])?;
    assert_eq!(row.get::<_, &str>(0), "(org/tiny,embedding,transformers,1,successful,t)");
    let paths: Vec<String> =
        client.query("SELECT DISTINCT path FROM pgml.files ORDER BY path", &[])?.iter().map(|row| row.get(0)).collect();
    assert_eq!(paths, ["config.json", "manifest.json", WEIGHTS, "tokenizer.json"]);

    scene.server.create_database("other")?;
    let mut other = Session::connect(&scene.server.connection("other"))?.client;
    cut_off(&scene, &mut client)?;
    assert_eq!(embed(&mut client, "{}")?, before);
    assert_eq!(embed(&mut scene.client()?, "{}")?, before, "in a new session");
    client.batch_execute("SELECT pgml.load_model('org/tiny')")?;
    refused(&mut other, "XX000", OFFLINE, "SELECT pgml.embed('org/tiny', 'x')")?;
    refused(&mut client, "XX000", OFFLINE, r#"SELECT pgml.embed('org/tiny', 'x', '{"revision": "v1"}')"#)?;
    refused(&mut client, "42501", NAME, "SET pgml.allowed_models = 'org/other'; SELECT pgml.embed('org/tiny', 'x')")?;
    client.batch_execute("RESET pgml.allowed_models")?;
    refused(&mut client, "0A000", "pgml.embed('org/tiny', text)", "SELECT pgml.predict('org/tiny', ARRAY[1.0])")?;
    refused(&mut client, "0A000", "too large for one value", &format!("SELECT pgml.export_model({first})"))?;

    // What was stored of the second commit takes the place of the first, for every session, and can go again.
    set(&mut client, "pgml.offline", "off")?;
    scene.hub.publish(NAME, "main", &commit(SECOND, 12)?);
    client.batch_execute("SELECT pgml.load_model('org/tiny', refresh => true)")?;
    assert_eq!(embed(&mut client, "{}")?, before, "the name means what this database stores");
    let mut reader = scene.client()?;
    assert_eq!(embed(&mut reader, "{}")?, before);
    let second = import(&mut client)?;
    let after = embed(&mut reader, "{}")?;
    assert_ne!(after, before);
    assert_eq!(embed(&mut other, "{}")?, after, "of the cache");
    client.query("SELECT * FROM pgml.deploy('org/tiny', 'rollback')", &[])?;
    assert_eq!(embed(&mut reader, "{}")?, before);
    client.query("SELECT * FROM pgml.deploy($1::bigint)", &[&second])?;
    assert_eq!(embed(&mut reader, "{}")?, after);
    client.batch_execute(&format!("SELECT pgml.drop_model({first})"))?;
    assert_eq!(count(&mut client, "pgml.files")?, 4);
    client.batch_execute("SELECT pgml.drop_project('org/tiny')")?;
    assert_eq!(count(&mut client, "pgml.files")?, 0);
    cut_off(&scene, &mut client)?;
    refused(&mut reader, "XX000", OFFLINE, "SELECT pgml.embed('org/tiny', 'x')")
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_damaged_row_is_an_error_that_names_the_file() -> Result<(), Failure> {
    let scene = Scene::new()?;
    let mut client = scene.client()?;
    let before = embed(&mut client, "{}")?;
    let id = import(&mut client)?;
    let folder = scene.server.cluster().data.join("pgsql_tmp_pgml/transformers");
    assert!(!folder.exists(), "nothing is laid out before it is needed");
    let damage = "UPDATE pgml.files SET data = set_byte(data, length(data) / 2, get_byte(data, length(data) / 2) # 1)";
    for path in [WEIGHTS, "tokenizer.json", "manifest.json"] {
        client.batch_execute(&format!("{damage} WHERE path = '{path}'"))?;
        for ask in ["SELECT pgml.embed('org/tiny', 'x')".to_owned(), format!("SELECT * FROM pgml.deploy({id})")] {
            refused(&mut client, "XX001", path, &ask)?;
        }
        client.batch_execute(&format!("{damage} WHERE path = '{path}'"))?;
    }
    assert_eq!(embed(&mut client, "{}")?, before);
    // Folders that were lost are made again, in sessions that know them too.
    fs::remove_dir_all(&folder)?;
    restart_program(&mut client)?;
    assert_eq!(embed(&mut client, "{}")?, before);
    client.batch_execute("DELETE FROM pgml.files WHERE path = 'config.json'")?;
    refused(&mut client, "XX001", "config.json", "SELECT pgml.embed('org/tiny', 'x')")
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn grants_count_for_stored_transformers() -> Result<(), Failure> {
    let scene = Scene::new()?;
    let mut client = scene.client()?;
    client.batch_execute(
        "CREATE ROLE importer IN ROLE pgml_trainer; CREATE ROLE scorer IN ROLE pgml_reader; CREATE ROLE other IN ROLE pgml_trainer;
         SET ROLE scorer",
    )?;
    refused(&mut client, "42501", "import_model", IMPORT)?;
    client.batch_execute("SET ROLE importer")?;
    import(&mut client)?;
    client.batch_execute("SET ROLE scorer")?;
    let vector = embed(&mut client, "{}")?;
    client
        .batch_execute("SET ROLE importer; SELECT pgml.revoke_project('org/tiny', 'public', 'all'); SET ROLE scorer")?;
    let refusals = [
        "SELECT pgml.embed('org/tiny', 'x')",
        "SELECT pgml.rank('org/tiny', 'x', ARRAY['y'])",
        "SET ROLE other; SELECT pgml.embed('org/tiny', 'x')",
        "SET ROLE other; SELECT pgml.import_model('org/tiny')",
    ];
    for statement in refusals {
        refused(&mut client, "42501", "permission denied for project \"org/tiny\"", statement)?;
    }
    client.batch_execute(
        "SET ROLE importer; SELECT pgml.grant_project('org/tiny', 'scorer', 'predict'); SET ROLE scorer",
    )?;
    assert_eq!(embed(&mut client, "{}")?, vector);
    client.batch_execute("RESET ROLE")?;
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_standby_and_its_successor_embed_with_what_the_primary_stored() -> Result<(), Failure> {
    let scene = Scene::new()?;
    let mut client = scene.client()?;
    let before = embed(&mut client, "{}")?;
    let standby: OwnServer = standby_of(&scene.server)?;
    let mut reader = standby.connect()?.client;
    import(&mut client)?;
    cut_off(&scene, &mut client)?;
    replayed(&mut client, &mut reader)?;
    reader.batch_execute("SET pgml.offline = on")?;
    assert_eq!(embed(&mut reader, "{}")?, before);
    scene.server.cluster().stop("immediate")?;
    reader.query("SELECT pg_promote(true, 20)", &[])?;
    assert_eq!(embed(&mut reader, "{}")?, before);
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn an_import_shows_how_far_it_is_and_can_be_cancelled() -> Result<(), Failure> {
    let scene = Scene::new()?;
    scene.hub.spoil(WEIGHTS, crate::stand_in::Fault::Stalled(1_000), 1);
    let mut client = scene.client()?;
    let backend = Backend::of(&mut client)?;
    let mut watcher = scene.client()?;
    let outcome = std::thread::scope(|scope| -> Result<_, Failure> {
        let importing = scope.spawn(|| client.query_one(IMPORT, &[]));
        wait_until("the download shows", LIMIT, || {
            Ok(count(&mut watcher, "pgml.progress WHERE project = 'org/tiny' AND phase = 'downloading'")? == 1)
        })?;
        watcher.query("SELECT pg_cancel_backend($1)", &[&backend.pid])?;
        importing.join().map_err(|_| "the importer panicked".into())
    })?;
    assert_eq!(state(&outcome.expect_err("it was cancelled")), "57014");
    assert_eq!(count(&mut client, "pgml.projects")?, 0);
    import(&mut client)?;
    Ok(())
}
