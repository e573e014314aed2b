//! What the tests of the inference program share: a server whose program has scripted models, and its processes.

use std::fs;
use std::time::Duration;

use pgml_tests::server::Failure;
use postgres::Client;
use xtask::cluster::Cluster;

use crate::backend::{Backend, wait_until};
use crate::own_server::OwnServer;

/// The real model that provisioning puts into the model cache of every server.
pub const MINILM: &str = "sentence-transformers/all-MiniLM-L6-v2";

/// A server whose inference program does what the models' names say.
pub fn scripted(settings: &[(&str, &str)]) -> Result<OwnServer, Failure> {
    let server = OwnServer::start(settings)?;
    use_scripts(server.cluster(), &mut server.connect()?.client)?;
    Ok(server)
}

/// Puts the program where the server's user can run it, and names it in the settings.
pub fn use_scripts(cluster: &Cluster, client: &mut Client) -> Result<(), Failure> {
    let program = cluster.sockets.join("scripted-worker");
    fs::copy(env!("CARGO_BIN_EXE_scripted-worker"), &program)?;
    cluster.user.own(&program)?;
    set(client, "pgml.worker_command", &program.display().to_string())
}

/// Changes a setting of the whole server, and waits until this session knows it.
pub fn set(client: &mut Client, name: &str, value: &str) -> Result<(), Failure> {
    client.batch_execute("LOAD 'pgml'")?;
    client.batch_execute(&format!("ALTER SYSTEM SET {name} = '{value}'"))?;
    client.batch_execute("SELECT pg_reload_conf()")?;
    wait_until(&format!("{name} is {value}"), Duration::from_secs(10), || {
        // Without units.
        let known: String = client.query_one("SELECT setting FROM pg_settings WHERE name = $1", &[&name])?.get(0);
        Ok(known == value)
    })?;
    Ok(())
}

/// The supervisor, once it runs.
pub fn supervisor(client: &mut Client) -> Result<Backend, Failure> {
    let ask = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pgml supervisor'";
    let mut found = None;
    wait_until("the supervisor runs", Duration::from_secs(10), || {
        found = client.query_opt(ask, &[])?.map(|row| row.get(0));
        Ok(found.is_some())
    })?;
    Ok(Backend { pid: found.ok_or("a supervisor")? })
}

/// The program, once it runs.
pub fn program(client: &mut Client) -> Result<Backend, Failure> {
    let supervisor = supervisor(client)?;
    let mut found = None;
    wait_until("the program runs", Duration::from_secs(10), || {
        found = child(supervisor);
        Ok(found.is_some())
    })?;
    found.ok_or_else(|| "a program".into())
}

/// The only child of a process, if it has one that runs the program.
pub fn child(parent: Backend) -> Option<Backend> {
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", parent.pid)).ok()?;
    let pid = children.split_whitespace().next()?.parse().ok()?;
    // Between fork and exec it still has its parent's name.
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    (name.trim() != "postgres").then_some(Backend { pid })
}

/// The first number of the vector of `text`: with scripted models its length.
pub fn embed(client: &mut Client, model: &str, text: &str) -> Result<f32, postgres::Error> {
    Ok(client.query_one("SELECT (pgml.embed($1, $2::text))[1]", &[&model, &text])?.get(0))
}

/// The SQLSTATE of a failure.
pub fn state(error: &postgres::Error) -> &str {
    error.code().map_or("none", |code| code.code())
}
