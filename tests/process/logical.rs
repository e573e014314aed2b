//! Logical replication carries models and deployments like any rows; sessions of the subscriber hear of them.

use std::time::Duration;

use pgml_tests::server::Failure;
use postgres::Client;

use crate::backend::wait_until;
use crate::own_server::{DATABASE, OwnServer};
use crate::samples;

fn answer(client: &mut Client) -> Result<f32, Failure> {
    Ok(client.query_one("SELECT pgml.predict('p', ARRAY[3.0::real])", &[])?.get::<_, f32>(0).round())
}

#[test]
#[ignore = "needs a server: cargo xtask test"]
fn a_deploy_takes_effect_in_the_open_sessions_of_a_subscriber() -> Result<(), Failure> {
    let server = OwnServer::start(&[])?;
    server.create_database("subscriber")?;
    let mut publisher = server.connect()?.client;
    let models =
        [samples::constant_model(&mut publisher, "p", 1.0)?, samples::constant_model(&mut publisher, "p", 2.0)?];
    publisher.query("SELECT * FROM pgml.deploy($1::bigint)", &[&models[0]])?;
    publisher.batch_execute(
        "CREATE PUBLICATION models FOR TABLE pgml.projects, pgml.snapshots, pgml.models, pgml.files, pgml.deployments",
    )?;
    // Within one server the slot has to be there before the subscription, which would wait for itself.
    publisher.batch_execute("SELECT pg_create_logical_replication_slot('models', 'pgoutput')")?;
    let mut subscriber = pgml_tests::session::Session::connect(&server.connection("subscriber"))?.client;
    subscriber.batch_execute(&format!(
        "CREATE SUBSCRIPTION models CONNECTION '{}' PUBLICATION models WITH (create_slot = false, slot_name = 'models')",
        server.connection(DATABASE)
    ))?;
    wait_until("the first copy is there", Duration::from_secs(30), || {
        let ready = "SELECT count(*) = 5 AND bool_and(srsubstate = 'r') FROM pg_subscription_rel";
        Ok(subscriber.query_one(ready, &[])?.get(0))
    })?;
    assert_eq!(answer(&mut subscriber)?, 1.0);
    for (model, expected) in [(models[1], 2.0), (models[0], 1.0), (models[1], 2.0)] {
        publisher.query("SELECT * FROM pgml.deploy($1::bigint)", &[&model])?;
        wait_until("the open session answers with the new model", Duration::from_secs(10), || {
            Ok(answer(&mut subscriber)? == expected)
        })?;
    }
    // A model that did not exist when the subscription began.
    let third = samples::constant_model(&mut publisher, "p", 3.0)?;
    publisher.query("SELECT * FROM pgml.deploy($1::bigint)", &[&third])?;
    wait_until("a model trained meanwhile answers", Duration::from_secs(10), || Ok(answer(&mut subscriber)? == 3.0))?;
    subscriber.batch_execute("DROP SUBSCRIPTION models")?;
    Ok(())
}
