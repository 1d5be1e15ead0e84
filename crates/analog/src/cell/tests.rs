//! Cells under updates.
