//! `bench`: the criterion benchmarks of `pgml-bench`, or with `peers` the comparison with other programs.

mod machine;
mod peer;
mod pgbench;
mod place;
mod report;
mod session;
mod statistics;
mod work;

use std::fs;
use std::path::PathBuf;

use crate::args::Args;
use crate::error::{Context, Error, Result};
use crate::extension::cargo;
use crate::process::run;
use crate::step::step;
use place::Place;
use report::Report;
use work::{WORKS, Work};

/// `cargo xtask bench`
pub fn bench(args: &mut Args) -> Result<()> {
    let mut words = args.rest();
    if words.first().is_some_and(|word| word == "peers") {
        return peers(&mut Args::new(words.drain(1..)));
    }
    run(cargo()?.args(["bench", "--package", "pgml-bench", "--"]).args(words))
}

/// Rows of the large tables unless `--rows` says otherwise.
const ROWS: usize = 1_000_000;
/// With fewer rows there are none left to test the forest on.
const FEWEST_ROWS: usize = 40_000;

/// `cargo xtask bench peers`
fn peers(args: &mut Args) -> Result<()> {
    let rows = args.option("--rows")?.unwrap_or(ROWS);
    let out: Option<PathBuf> = args.option("--out")?;
    let works = chosen(args)?;
    args.finish()?;
    if rows < FEWEST_ROWS {
        return Err(Error::new(format!("--rows {rows}: at least {FEWEST_ROWS} are needed")));
    }
    let place = Place::prepare(rows)?;
    let mut report = Report::begin(rows);
    for work in works {
        step(format!("measuring {}: {}", work.name, work.what));
        for line in (work.measure)(&place)? {
            eprintln!("         {}", line.summary());
            report.add(line);
        }
    }
    let text = report.markdown();
    println!("{text}");
    if let Some(path) = out {
        fs::write(&path, &text).context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// The works named on the command line; all when none is.
fn chosen(args: &mut Args) -> Result<Vec<&'static Work>> {
    let mut chosen = Vec::new();
    while let Some(name) = args.word() {
        let found = WORKS.iter().find(|work| work.name == name).ok_or_else(|| {
            let known: Vec<&str> = WORKS.iter().map(|work| work.name).collect();
            Error::new(format!("unknown work `{name}`; there are: {}", known.join(", ")))
        })?;
        chosen.push(found);
    }
    Ok(if chosen.is_empty() { WORKS.iter().collect() } else { chosen })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn works_are_chosen_by_name_and_an_unknown_one_is_answered_with_the_known_ones() {
        let mut none = Args::new([]);
        assert_eq!(chosen(&mut none).expect("all").len(), WORKS.len());
        let mut two = Args::new(["train".to_owned(), "forest".to_owned()]);
        let names: Vec<&str> = chosen(&mut two).expect("known").iter().map(|work| work.name).collect();
        assert_eq!(names, ["train", "forest"]);
        let error = chosen(&mut Args::new(["forrest".to_owned()])).err().expect("unknown").to_string();
        assert!(error.contains("`forrest`") && WORKS.iter().all(|work| error.contains(work.name)), "{error}");
    }
}
