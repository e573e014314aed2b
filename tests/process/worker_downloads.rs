//! Models by name from a hub, as SQL sees it: downloaded once for all sessions, held to what they were, refused in words.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use pgml_tests::server::Failure;
use pgml_tests::session::describe_error;
use postgres::Client;

use crate::backend::{Backend, wait_until};
use crate::own_server::OwnServer;
use crate::stand_in::{Commit, Fault, StandIn};
use crate::worker::{program, set, state};

/// The model that [`Scene`]'s hub has.
pub const NAME: &str = "org/tiny";
const FIRST: &str = "1111111111111111111111111111111111111111";
/// A commit to come.
pub const SECOND: &str = "2222222222222222222222222222222222222222";
/// Its largest file.
pub const WEIGHTS: &str = "model.safetensors";
const LIMIT: Duration = Duration::from_secs(30);

/// A server whose program downloads from a hub on localhost into an empty model cache.
pub struct Scene {
    /// The hub.
    pub hub: StandIn,
    /// The server.
    pub server: OwnServer,
}

impl Scene {
    /// With the first commit published.
    pub fn new() -> Result<Self, Failure> {
        let scene = Self { hub: StandIn::start(), server: OwnServer::start(&[])? };
        scene.hub.publish(NAME, "main", &commit(FIRST, 11)?);
        let cluster = scene.server.cluster();
        let cache = cluster.sockets.join("models");
        fs::create_dir(&cache)?;
        cluster.user.own(&cache)?;
        // The program's environment is that of the server, which the tests of all hubs share: so it gets one of its own.
        let command = cluster.sockets.join("worker-of-this-hub");
        let program = cluster.installation.libdir.join("pgml-worker");
        let script = format!("#!/bin/sh\nHF_ENDPOINT='{}' exec '{}' \"$@\"\n", scene.hub.address, program.display());
        fs::write(&command, script)?;
        fs::set_permissions(&command, Permissions::from_mode(0o755))?;
        let mut client = scene.client()?;
        set(&mut client, "pgml.model_cache", &cache.display().to_string())?;
        set(&mut client, "pgml.worker_command", &command.display().to_string())?;
        Ok(scene)
    }

    /// A session of the superuser.
    pub fn client(&self) -> Result<Client, Failure> {
        Ok(self.server.connect()?.client)
    }

    /// How many times the weights were asked for.
    fn downloads(&self) -> usize {
        self.hub.asked(WEIGHTS).len()
    }
}

/// A small checkpoint; `two` is the number of the word "two", which makes one commit differ from another.
pub fn commit(hash: &str, two: u32) -> Result<Commit, Failure> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/architectures/bert");
    let tokenizer = format!(
        r#"{{
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
            "pre_tokenizer": {{"type": "Whitespace"}}, "post_processor": null, "decoder": null,
            "model": {{"type": "WordLevel", "unk_token": "?", "vocab": {{"?": 1, "one": 7, "two": {two}}}}}
        }}"#
    );
    let files = [
        ("config.json", fs::read(golden.join("config.json"))?),
        (WEIGHTS, fs::read(golden.join(WEIGHTS))?),
        ("tokenizer.json", tokenizer.into_bytes()),
    ];
    let files: BTreeMap<String, Vec<u8>> = files.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect();
    Ok(Commit { hash: hash.to_owned(), files })
}

/// The vector of a text of two words.
pub fn embed(client: &mut Client, kwargs: &str) -> Result<Vec<f32>, postgres::Error> {
    let kwargs: serde_json::Value = serde_json::from_str(kwargs).unwrap_or_default();
    let ask = "SELECT pgml.embed($1, 'one two', $2::text::jsonb)";
    Ok(client.query_one(ask, &[&NAME, &kwargs.to_string()])?.get(0))
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_name_is_downloaded_once_while_its_callers_watch_and_then_held() -> Result<(), Failure> {
    let scene = Scene::new()?;
    scene.hub.spoil(WEIGHTS, Fault::Slow(2_000, Duration::from_millis(100)), 1);
    let vectors = thread::scope(|scope| -> Result<Vec<Vec<f32>>, Failure> {
        let ask = || -> Result<Vec<f32>, Failure> {
            let mut session = scene.server.connect()?;
            let vector = embed(&mut session.client, "{}")?;
            let notices = session.take_notices();
            let said = notices.iter().any(|notice| notice.contains("downloading \"org/tiny\": "));
            if said { Ok(vector) } else { Err(format!("no progress was told: {notices:?}").into()) }
        };
        let callers = [scope.spawn(ask), scope.spawn(ask)];
        let mut watcher = scene.client()?;
        wait_until("both downloads show", LIMIT, || {
            let shown = "SELECT count(*) FROM pgml.progress WHERE project = 'org/tiny' AND algorithm = 'transformer'
                         AND phase = 'downloading' AND done > 0 AND total > 40000";
            Ok(watcher.query_one(shown, &[])?.get::<_, i64>(0) == 2)
        })?;
        callers.into_iter().map(|caller| caller.join().map_err(|_| "a caller panicked")?).collect()
    })?;
    assert_eq!(vectors[0], vectors[1]);
    assert_eq!(scene.downloads(), 1);
    let mut client = scene.client()?;
    assert_eq!(client.query_one("SELECT count(*) FROM pgml.progress", &[])?.get::<_, i64>(0), 0);

    // Another program finds it in the cache, and needs no hub.
    scene.hub.publish(NAME, "main", &commit(SECOND, 12)?);
    program(&mut client)?.kill()?;
    wait_until("the program is another", LIMIT, || Ok(embed(&mut client, "{}").is_ok()))?;
    assert_eq!(embed(&mut client, "{}")?, vectors[0], "the name means what it meant");
    assert_eq!((scene.downloads(), scene.hub.asked("/api/").len()), (1, 1), "the hub was not asked again");

    // The new commit comes when it is asked for, to every session.
    let mut other = scene.client()?;
    client.batch_execute("SELECT pgml.load_model('org/tiny', refresh => true)")?;
    let refreshed = embed(&mut other, "{}")?;
    assert_ne!(refreshed, vectors[0]);
    assert_eq!(embed(&mut client, "{}")?, refreshed);
    let loaded: i64 = client.query_one("SELECT count(*) FROM pgml.loaded_models", &[])?.get(0);
    assert_eq!(loaded, 1, "the old one is gone");
    assert_eq!(embed(&mut client, &format!(r#"{{"revision": "{FIRST}"}}"#))?, vectors[0], "it can still be named");
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_cancel_ends_the_wait_for_a_silent_hub() -> Result<(), Failure> {
    let scene = Scene::new()?;
    scene.hub.spoil(WEIGHTS, Fault::Stalled(1_000), 1);
    let mut client = scene.client()?;
    let backend = Backend::of(&mut client)?;
    let mut watcher = scene.client()?;
    let (told, outcome) = thread::scope(|scope| -> Result<_, Failure> {
        let waiting = scope.spawn(|| embed(&mut client, "{}"));
        wait_until("it asks for the weights", LIMIT, || Ok(scene.downloads() == 1))?;
        thread::sleep(Duration::from_millis(100));
        let told = Instant::now();
        watcher.query("SELECT pg_cancel_backend($1)", &[&backend.pid])?;
        Ok((told, waiting.join().map_err(|_| "the caller panicked")?))
    })?;
    let took = told.elapsed();
    crate::measured(&format!("a download was cancelled after {:.1} ms", took.as_secs_f64() * 1e3));
    assert_eq!(state(&outcome.expect_err("it was cancelled")), "57014");
    assert!(took < Duration::from_secs(1), "{took:?}");
    embed(&mut client, "{}")?;
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn what_cannot_be_had_is_refused_with_a_reason_and_the_session_goes_on() -> Result<(), Failure> {
    let scene = Scene::new()?;
    let mut client = scene.client()?;
    let mut refused = |sqlstate: &str, words: &str, statement: &str| -> Result<(), Failure> {
        let error = client.batch_execute(statement).expect_err(statement);
        let text = describe_error(&error);
        assert!(state(&error) == sqlstate && text.contains(words), "{statement}: {text}");
        Ok(())
    };
    refused("XX000", "there is no model \"org/absent\" on the hub", "SELECT pgml.embed('org/absent', 'x')")?;
    scene.hub.spoil("/api/models/org/tiny", Fault::Status(401, &[("x-error-code", "GatedRepo")]), 1);
    refused("42501", "org/tiny", "SELECT pgml.embed('org/tiny', 'x')")?;
    scene.hub.spoil(WEIGHTS, Fault::Wrong, 20);
    refused("XX001", WEIGHTS, "SELECT pgml.embed('org/tiny', 'x')")?;
    let asked = scene.hub.asked("").len();
    refused("42501", "org/tiny", "SET pgml.allowed_models = 'org/other'; SELECT pgml.embed('org/tiny', 'x')")?;
    refused("XX000", "nothing may be downloaded", "SET pgml.offline = on; SELECT pgml.embed('org/tiny', 'x')")?;
    assert_eq!(scene.hub.asked("").len(), asked, "the hub was asked for what may not be had");
    Ok(())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_token_goes_to_the_hub_and_nowhere_else() -> Result<(), Failure> {
    let scene = Scene::new()?;
    let mut client = scene.client()?;
    embed(&mut client, r#"{"token": "hf_secret"}"#)?;
    let asked = scene.hub.asked("");
    assert!(!asked.is_empty() && asked.iter().all(|asked| asked.token.as_deref() == Some("Bearer hf_secret")));
    // The model is the same whoever has asked for it.
    embed(&mut client, "{}")?;
    let seen =
        client.query_one("SELECT count(*), bool_or(m::text LIKE '%hf_secret%') FROM pgml.loaded_models AS m", &[])?;
    assert_eq!((seen.get::<_, i64>(0), seen.get::<_, bool>(1)), (1, false));
    Ok(())
}
