//! Tables to train on, and what is trained on them.

use pgml_tests::server::Failure;
use postgres::Client;

/// Creates `name` with `rows` rows of `features` columns `x1`, `x2`, …, a number `y` and a class `c`, both of which
/// depend on the first columns. Always the same rows.
pub fn create_table(client: &mut Client, name: &str, rows: u32, features: u32) -> Result<(), Failure> {
    // Multiples of an odd number modulo a prime: even, without a visible pattern, and the same on every server.
    let columns: Vec<String> =
        (1..=features).map(|i| format!("((n * {} + {i}) % 1009 / 1009.0)::real AS x{i}", 7919 * i + 104_729)).collect();
    client.batch_execute(&format!(
        "CREATE TABLE {name} AS
         SELECT *, (3 * x1 - x2 + x1 * x3)::real AS y, (x1 + x2 > 1)::int AS c
         FROM (SELECT {} FROM generate_series(1::bigint, {rows}) AS n) AS features;
         ANALYZE {name}",
        columns.join(", ")
    ))?;
    Ok(())
}

/// Trains a regression that always answers `value`, without deploying it; its id.
pub fn constant_model(client: &mut Client, project: &str, value: f32) -> Result<i64, Failure> {
    client.batch_execute(&format!(
        "CREATE TEMPORARY TABLE constant AS SELECT n::real AS x, {value}::real AS y FROM generate_series(1, 20) AS n",
    ))?;
    client
        .query("SELECT * FROM pgml.train($1, 'regression', 'constant', 'y', automatic_deploy => false)", &[&project])?;
    client.batch_execute("DROP TABLE constant")?;
    Ok(client
        .query_one(
            "SELECT max(m.id) FROM pgml.models m JOIN pgml.projects p ON p.id = m.project_id WHERE p.name = $1",
            &[&project],
        )?
        .get(0))
}
