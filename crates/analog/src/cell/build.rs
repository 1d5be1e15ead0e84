//! Cells for training algorithms by name: aihwkit `build_config`.
