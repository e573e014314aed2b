//! `pgbench`: one client, prepared statements.

use std::fs;

use super::place::Place;
use crate::error::{Context, Error, Result};
use crate::process::run_silently;

/// Transactions per second of the statements in `script`, for `seconds`.
///
/// # Errors
/// When `pgbench` fails.
pub fn transactions_per_second(place: &Place, name: &str, script: &str, seconds: u32) -> Result<f64> {
    let file = write(place, name, script)?;
    let mut pgbench = place.pgbench();
    pgbench.args(["--no-vacuum", "--protocol=prepared", "--random-seed=1", &format!("--time={seconds}"), "--file"]);
    tps(&run_silently(pgbench.arg(file))?)
}

/// Latencies in microseconds of two scripts that one session runs in random turns, `transactions` in all.
///
/// # Errors
/// When `pgbench` fails.
pub fn latencies(place: &Place, scripts: [(&str, &str); 2], transactions: u32) -> Result<[Vec<f64>; 2]> {
    let log = place.file("latencies");
    let mut pgbench = place.pgbench();
    pgbench.args(["--no-vacuum", "--protocol=prepared", "--random-seed=1", &format!("--transactions={transactions}")]);
    pgbench.arg("--log").arg(format!("--log-prefix={}", log.display()));
    for (name, script) in scripts {
        pgbench.arg("--file").arg(write(place, name, script)?);
    }
    run_silently(&mut pgbench)?;
    let mut text = String::new();
    for entry in fs::read_dir(place.files()).context(|| "reading pgbench's log".into())?.flatten() {
        if entry.file_name().to_string_lossy().starts_with("latencies") {
            text.push_str(&fs::read_to_string(entry.path()).context(|| "reading pgbench's log".into())?);
            fs::remove_file(entry.path()).context(|| "removing pgbench's log".into())?;
        }
    }
    Ok(by_script(&text))
}

fn write(place: &Place, name: &str, script: &str) -> Result<std::path::PathBuf> {
    let file = place.file(&format!("{name}.pgbench"));
    fs::write(&file, script).context(|| format!("writing {}", file.display()))?;
    Ok(file)
}

fn tps(text: &str) -> Result<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("tps = "));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| Error::new(format!("pgbench did not say how fast it was:\n{text}")))
}

/// A line of the log: client, transaction, latency in microseconds, number of the script, time.
fn by_script(log: &str) -> [Vec<f64>; 2] {
    let mut latencies = [Vec::new(), Vec::new()];
    for line in log.lines() {
        let mut words = line.split_whitespace().skip(2);
        let (latency, script) = (words.next().map(str::parse), words.next().map(str::parse::<usize>));
        if let (Some(Ok(latency)), Some(Ok(script @ 0..2))) = (latency, script) {
            latencies[script].push(latency);
        }
    }
    latencies
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_found_in_what_pgbench_prints() {
        let text = "latency average = 0.02 ms\ntps = 41234.5 (without initial connection time)\n";
        assert_eq!(tps(text).expect("said"), 41234.5);
        assert!(tps("pgbench: error").expect_err("not said").to_string().contains("pgbench: error"));
    }

    #[test]
    fn latencies_are_told_apart_by_script() {
        assert_eq!(by_script("0 1 31 0 1 2\n0 2 28 1 1 2\n0 3 33 0 1 2\n"), [vec![31.0, 33.0], vec![28.0]]);
    }
}
