//! The range of a number, and how it is said in words.

use std::fmt::Write as _;

/// The bounds of a number. `None` means unbounded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// The smallest value.
    pub min: Option<f64>,
    /// The largest value.
    pub max: Option<f64>,
    /// Whether `min` itself is excluded.
    pub above_min: bool,
    /// Whether `max` itself is excluded.
    pub below_max: bool,
}

impl Bounds {
    /// Any number.
    pub const ANY: Self = Self { min: None, max: None, above_min: false, below_max: false };

    /// At least `min`.
    #[must_use]
    pub const fn at_least(min: f64) -> Self {
        Self { min: Some(min), ..Self::ANY }
    }

    /// Greater than `min`.
    #[must_use]
    pub const fn above(min: f64) -> Self {
        Self { min: Some(min), above_min: true, ..Self::ANY }
    }

    /// From `min` to `max`, both included.
    #[must_use]
    pub const fn between(min: f64, max: f64) -> Self {
        Self { min: Some(min), max: Some(max), ..Self::ANY }
    }

    /// Greater than `min`, up to `max`.
    #[must_use]
    pub const fn above_up_to(min: f64, max: f64) -> Self {
        Self { min: Some(min), max: Some(max), above_min: true, below_max: false }
    }

    /// Greater than `min` and less than `max`.
    #[must_use]
    pub const fn above_below(min: f64, max: f64) -> Self {
        Self { min: Some(min), max: Some(max), above_min: true, below_max: true }
    }

    /// From `min` up to, without, `max`.
    #[must_use]
    pub const fn at_least_below(min: f64, max: f64) -> Self {
        Self { min: Some(min), max: Some(max), above_min: false, below_max: true }
    }

    /// Between `min` and `max`, both excluded.
    #[must_use]
    pub const fn strictly_between(min: f64, max: f64) -> Self {
        Self { min: Some(min), max: Some(max), above_min: true, below_max: true }
    }

    /// These bounds if they begin at zero, as an unsigned type's: below is what users try (-1 for "no limit"). What is
    /// above a type, or below a signed one, needs no mention.
    #[must_use]
    pub const fn if_unsigned(self) -> Self {
        match self.min {
            Some(0.0) => Self::at_least(0.0),
            _ => Self::ANY,
        }
    }

    /// These bounds, and those of `other` where these have none.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        let (min, above_min) =
            if self.min.is_some() { (self.min, self.above_min) } else { (other.min, other.above_min) };
        let (max, below_max) =
            if self.max.is_some() { (self.max, self.below_max) } else { (other.max, other.below_max) };
        Self { min, max, above_min, below_max }
    }

    /// Whether `value` keeps the bounds. NaN never does.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        let above = self.min.is_none_or(|min| if self.above_min { value > min } else { value >= min });
        let below = self.max.is_none_or(|max| if self.below_max { value < max } else { value <= max });
        !value.is_nan() && above && below
    }

    /// The bounds in words, for instance `greater than 0 and at most 1`; empty when there are none.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut words = String::new();
        if let Some(min) = self.min {
            let _ = write!(words, "{} {min}", if self.above_min { "greater than" } else { "at least" });
        }
        if let Some(max) = self.max {
            let and = if words.is_empty() { "" } else { " and " };
            let _ = write!(words, "{and}{} {max}", if self.below_max { "less than" } else { "at most" });
        }
        words
    }
}
