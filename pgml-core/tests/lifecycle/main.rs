//! The lifecycle from table to prediction, with small algorithms whose behaviour is known.

mod estimators;
mod preprocessing;
mod refusals;
mod searching;
mod splitting;
mod storing;
mod support;
