//! The suite is tested itself: an honest engine in memory passes, one that lies or breaks a promise does not.

mod engine;
mod honest;
mod literal;
mod mutant;
mod mutants;
mod refusals;
