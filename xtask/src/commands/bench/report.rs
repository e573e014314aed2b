//! What was measured, as lines of a Markdown table.

use super::machine;

/// What a figure has to be.
#[derive(Clone, Copy)]
pub enum Target {
    AtLeast(f64),
    AtMost(f64),
}

impl Target {
    fn is_reached(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(least) => figure >= least,
            Self::AtMost(most) => figure <= most,
        }
    }
}

/// One line of the table.
pub struct Line {
    pub work: String,
    /// What pgml took, with its unit.
    pub ours: String,
    /// What the other side took, with its unit.
    pub peer: String,
    /// The figure that is compared with the target.
    pub figure: f64,
    /// Its unit, such as ` ×` or ` µs`.
    pub unit: &'static str,
    pub target: Target,
    /// What else must hold.
    pub holds: bool,
}

impl Line {
    fn is_reached(&self) -> bool {
        self.holds && self.target.is_reached(self.figure)
    }

    /// The line for whoever watches.
    pub fn summary(&self) -> String {
        let Self { work, ours, peer, .. } = self;
        format!("{work}: {ours}, against {peer}: {} ({})", self.figure(), self.target())
    }

    fn figure(&self) -> String {
        format!("{:.2}{}", self.figure, self.unit)
    }

    fn target(&self) -> String {
        match self.target {
            Target::AtLeast(least) => format!("at least {least}{}", self.unit),
            Target::AtMost(most) => format!("at most {most}{}", self.unit),
        }
    }

    fn markdown(&self) -> String {
        let reached = if self.is_reached() { "yes" } else { "**no**" };
        format!(
            "| {} | {} | {} | {} | {} | {reached} |\n",
            self.work,
            self.ours,
            self.peer,
            self.figure(),
            self.target()
        )
    }
}

/// The table, and the conditions it was made under.
pub struct Report {
    rows: usize,
    load_before: String,
    lines: Vec<Line>,
}

impl Report {
    pub fn begin(rows: usize) -> Self {
        Self { rows, load_before: machine::load(), lines: Vec::new() }
    }

    pub fn add(&mut self, line: Line) {
        self.lines.push(line);
    }

    pub fn markdown(&self) -> String {
        let mut text = format!(
            "Measured on {}, load average {} before and {} after, large tables of {} rows; medians of alternating runs.\n\n",
            machine::describe(),
            self.load_before,
            machine::load(),
            self.rows
        );
        text.push_str("| work | pgml | peer | figure | to reach | reached |\n|---|---|---|---|---|---|\n");
        text.extend(self.lines.iter().map(Line::markdown));
        text
    }
}

/// Seconds, with as many digits as one reads.
pub fn seconds(value: f64) -> String {
    if value < 1.0 { format!("{:.0} ms", value * 1e3) } else { format!("{value:.2} s") }
}

/// Bytes in units that one reads.
pub fn megabytes(bytes: f64) -> String {
    format!("{:.0} MB", bytes / 1e6)
}

/// Rows per second, from rows and seconds.
pub fn rate(rows: usize, seconds: f64) -> String {
    format!("{:.2} M rows/s", rows as f64 / seconds / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(figure: f64, target: Target, holds: bool) -> Line {
        Line { work: "w".into(), ours: "1 s".into(), peer: "2 s".into(), figure, unit: " ×", target, holds }
    }

    #[test]
    fn a_target_is_reached_from_its_own_side_and_only_if_the_rest_holds() {
        assert!(line(0.9, Target::AtLeast(0.85), true).is_reached());
        assert!(!line(0.8, Target::AtLeast(0.85), true).is_reached());
        assert!(line(1.2, Target::AtMost(1.25), true).is_reached());
        assert!(!line(1.3, Target::AtMost(1.25), true).is_reached());
        assert!(!line(1.2, Target::AtMost(1.25), false).is_reached());
        assert!(!line(f64::NAN, Target::AtMost(1.25), true).is_reached());
    }

    #[test]
    fn every_line_has_the_columns_of_the_header() {
        let mut report = Report::begin(5);
        report.add(line(2.0, Target::AtLeast(1.0), true));
        let text = report.markdown();
        let widths: Vec<usize> = text.lines().filter(|l| l.starts_with('|')).map(|l| l.split('|').count()).collect();
        assert_eq!(widths, [8, 8, 8], "{text}");
        assert!(text.contains("| w | 1 s | 2 s | 2.00 × | at least 1 × | yes |"), "{text}");
    }
}
