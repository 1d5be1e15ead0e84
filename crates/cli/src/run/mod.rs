//! A run: the trainings of a recipe, its chips, and the folder with all results.

pub mod chips;
pub mod folder;
pub mod lock;
pub mod model;
mod pieces;
pub mod report;
pub mod training;
