//! A large forest has one copy in memory per server, whatever happens to the file that holds it.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use pgml_store::digest::sha256_hex;
use pgml_tests::server::Failure;
use postgres::Client;
use postgres::error::SqlState;

use crate::backend::{Backend, wait_until};
use crate::measured;
use crate::own_server::OwnServer;
use crate::standby::standby_of;

const SESSIONS: usize = 6;
const ASK: &str = "SELECT pgml.predict('forest', ARRAY[x1, x2]) FROM noise ORDER BY n LIMIT 2000";
const ASK_ONE: &str = "SELECT pgml.predict('forest', ARRAY[0.3, 0.7]::real[])";

/// A server with a deployed forest of more than 50 MB.
struct Forest {
    server: OwnServer,
    /// What its large part takes.
    mib: f64,
    answers: Vec<u32>,
}

impl Forest {
    fn grow(settings: &[(&str, &str)]) -> Result<Self, Failure> {
        let server = OwnServer::start(settings)?;
        let mut client = server.connect()?.client;
        // What cannot be learnt makes trees with a leaf for nearly each row.
        client.batch_execute(
            "CREATE TABLE noise AS SELECT n, (n * 7919 % 100003 / 100003.0)::real AS x1,
                 (n * 15485863 % 99991 / 99991.0)::real AS x2, (hashint8(n) / 2147483648.0)::real AS y
             FROM generate_series(1::bigint, 30000) AS n;
             CREATE VIEW seen AS SELECT x1, x2, y FROM noise;
             SELECT * FROM pgml.train('forest', 'regression', 'seen', 'y', 'random_forest',
                 hyperparams => '{\"n_estimators\": 120}')",
        )?;
        let part = "SELECT sum(octet_length(data))::float8 FROM pgml.files WHERE path = 'state.safetensors'";
        let mib = client.query_one(part, &[])?.get::<_, f64>(0) / 1024.0 / 1024.0;
        assert!(mib > 50.0, "{mib} MiB");
        drop(client);
        // The first session to load it writes the copy.
        let answers = answers(&mut server.connect()?.client)?;
        Ok(Self { server, mib, answers })
    }

    fn folder(&self) -> PathBuf {
        folder(&self.server)
    }

    fn expect_same_answers(&self) -> Result<(), Failure> {
        assert_eq!(answers(&mut self.server.connect()?.client)?, self.answers);
        Ok(())
    }

    /// The one copy, which must be whole.
    fn copy(&self) -> Result<PathBuf, Failure> {
        let files = files(&self.folder())?;
        let [file] = &files[..] else { return Err(format!("files: {files:?}").into()) };
        assert_eq!(file.file_name().and_then(|name| name.to_str()), Some(&*sha256_hex(&fs::read(file)?)));
        Ok(file.clone())
    }

    fn set_spool_size(&self, size: &str) -> Result<(), Failure> {
        let mut client = self.server.connect()?.client;
        // PostgreSQL 15 knows the setting only once the library is loaded.
        client.batch_execute("LOAD 'pgml'")?;
        client.batch_execute(&format!("ALTER SYSTEM SET pgml.spool_size = '{size}'"))?;
        client.batch_execute("SELECT pg_reload_conf()")?;
        wait_until("the setting is read", Duration::from_secs(10), || {
            let mut client = self.server.connect()?.client;
            client.batch_execute("LOAD 'pgml'")?;
            Ok(client.query_one("SHOW pgml.spool_size", &[])?.get::<_, String>(0) == size)
        })?;
        Ok(())
    }
}

fn folder(server: &OwnServer) -> PathBuf {
    server.cluster().data.join("pgsql_tmp_pgml/models")
}

fn files(folder: &PathBuf) -> Result<Vec<PathBuf>, Failure> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

fn answers(client: &mut Client) -> Result<Vec<u32>, Failure> {
    Ok(client.query(ASK, &[])?.iter().map(|row| row.get::<_, f32>(0).to_bits()).collect())
}

/// What each of some sessions has grown by when all of them have predicted, and how long the first prediction took.
struct Growth {
    own: f64,
    share: f64,
    first: Duration,
}

fn growth(forest: &Forest) -> Result<Growth, Failure> {
    let (mut sessions, mut before, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..SESSIONS {
        let mut client = forest.server.connect()?.client;
        // What any session has, whatever it predicts with.
        client.batch_execute("LOAD 'pgml'; SELECT count(*) FROM pgml.models")?;
        let backend = Backend::of(&mut client)?;
        before.push((backend.memory_mib("Private_Dirty")?, backend.memory_mib("Pss")?));
        sessions.push((backend, client));
    }
    for (_, client) in &mut sessions {
        let start = Instant::now();
        client.query_one(ASK_ONE, &[])?;
        times.push(start.elapsed());
        assert_eq!(answers(client)?, forest.answers);
    }
    let (mut own, mut share) = (0.0, 0.0);
    for ((backend, _), (dirty, pss)) in sessions.iter().zip(before) {
        own += (backend.memory_mib("Private_Dirty")? - dirty) / SESSIONS as f64;
        share += (backend.memory_mib("Pss")? - pss) / SESSIONS as f64;
    }
    times.sort_unstable();
    Ok(Growth { own, share, first: times[SESSIONS / 2] })
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn many_sessions_share_one_copy_of_a_forest() -> Result<(), Failure> {
    let forest = Forest::grow(&[])?;
    let shared = growth(&forest)?;
    let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(forest.copy()?)?) & 0o777;
    assert_eq!(mode, 0o600);
    forest.set_spool_size("0")?;
    let private = growth(&forest)?;
    for (what, growth) in [("one copy per server", &shared), ("one copy per session", &private)] {
        measured(&format!(
            "forest of {:.0} MiB, {what}: {:.1} MiB of each session's own, {:.1} MiB with its share of what {SESSIONS} \
             sessions share, first prediction {:.0} ms",
            forest.mib,
            growth.own,
            growth.share,
            growth.first.as_secs_f64() * 1e3
        ));
    }
    assert!(shared.own < forest.mib / 8.0, "{} MiB of each session's own", shared.own);
    assert!(shared.share < forest.mib / 3.0, "{} MiB of each session", shared.share);
    assert!(private.own > forest.mib * 0.8, "without copies each session has its own: {} MiB", private.own);
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_damaged_copy_is_noticed_and_a_damaged_catalog_is_refused() -> Result<(), Failure> {
    let forest = Forest::grow(&[])?;
    let copy = forest.copy()?;
    let whole = fs::read(&copy)?;
    // Put in its place, as a failing disk might have it; the file that sessions have mapped is left alone.
    let replace = |bytes: &[u8]| -> Result<(), Failure> {
        let other = copy.with_extension("other");
        fs::copy(&copy, &other)?;
        fs::write(&other, bytes)?;
        let owner = fs::metadata(&copy)?;
        std::os::unix::fs::chown(
            &other,
            Some(std::os::unix::fs::MetadataExt::uid(&owner)),
            Some(std::os::unix::fs::MetadataExt::gid(&owner)),
        )?;
        Ok(fs::rename(other, &copy)?)
    };
    let mut flipped = whole.clone();
    flipped[whole.len() / 3] ^= 16;
    for harmed in [&flipped[..], &whole[..whole.len() - 1], &whole[..4096], &[]] {
        replace(harmed)?;
        forest.expect_same_answers()?;
        assert_eq!(fs::read(forest.copy()?)?, whole, "{} bytes", harmed.len());
    }

    fs::remove_file(&copy)?;
    let mut client = forest.server.connect()?.client;
    client.batch_execute(
        "UPDATE pgml.files SET data = set_byte(data, 1000000, get_byte(data, 1000000) # 1)
         WHERE path = 'state.safetensors' AND part = 1",
    )?;
    let refused = forest.server.connect()?.client.query(ASK_ONE, &[]).expect_err("a changed byte");
    assert_eq!(refused.code(), Some(&SqlState::DATA_CORRUPTED), "{refused:?}");
    assert_eq!(files(&forest.folder())?, [] as [PathBuf; 0]);
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_writer_that_is_killed_leaves_nothing_half() -> Result<(), Failure> {
    let forest = Forest::grow(&[])?;
    let mut killed = 0;
    for _ in 0..4 {
        for file in files(&forest.folder())? {
            fs::remove_file(file)?;
        }
        let mut client = forest.server.connect()?.client;
        let writer = Backend::of(&mut client)?;
        let asked = thread::spawn(move || client.query(ASK_ONE, &[]).is_ok());
        wait_until("it writes", Duration::from_secs(20), || Ok(!files(&forest.folder())?.is_empty()))?;
        let at_work = files(&forest.folder())?.iter().any(|file| file.extension().is_some());
        writer.kill()?;
        killed += usize::from(at_work && !asked.join().map_err(|_| "the session panicked")?);
        // The server takes new sessions for a moment before it notices the kill and starts again.
        wait_until("it answers as before", Duration::from_secs(30), || {
            let asked = forest.server.connect().and_then(|mut session| answers(&mut session.client));
            Ok(asked.is_ok_and(|answers| answers == forest.answers))
        })?;
        for file in files(&forest.folder())?.iter().filter(|file| file.extension().is_none()) {
            assert_eq!(file.file_name().and_then(|name| name.to_str()), Some(&*sha256_hex(&fs::read(file)?)));
        }
        forest.copy()?;
    }
    assert!(killed > 0, "no writer was killed in the middle");
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn copies_make_room_and_sessions_do_without() -> Result<(), Failure> {
    let forest = Forest::grow(&[])?;
    let first = forest.copy()?;
    let mut client = forest.server.connect()?.client;
    client.batch_execute(
        "SELECT * FROM pgml.train('another', 'regression', 'seen', 'y', 'random_forest',
             hyperparams => '{\"n_estimators\": 10, \"random_state\": 1}')",
    )?;
    // Room for one of the two.
    forest.set_spool_size(&format!("{}kB", (forest.mib * 1024.0) as u32 + 100))?;
    let ask_other = "SELECT pgml.predict('another', ARRAY[0.3, 0.7]::real[])";
    forest.server.connect()?.client.query_one(ask_other, &[])?;
    assert!(!first.exists());
    assert_ne!(forest.copy()?, first);
    forest.expect_same_answers()?;
    assert_eq!(forest.copy()?, first);

    fs::remove_dir_all(forest.folder())?;
    fs::write(forest.folder(), "a file where the folder should be")?;
    forest.expect_same_answers()?;
    fs::remove_file(forest.folder())?;
    forest.expect_same_answers()?;
    assert_eq!(forest.copy()?, first);
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_standby_has_a_copy_of_its_own() -> Result<(), Failure> {
    let forest = Forest::grow(&[])?;
    let standby = standby_of(&forest.server)?;
    assert!(!folder(&standby).exists(), "a base backup carries no copies");
    let mut reader = standby.connect()?.client;
    assert_eq!(answers(&mut reader)?, forest.answers);
    let copies = files(&folder(&standby))?;
    assert_eq!((copies.len(), copies[0].file_name()), (1, forest.copy()?.file_name()));
    Ok(())
}
