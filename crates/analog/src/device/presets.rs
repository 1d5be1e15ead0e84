//! The reference's device presets (aihwkit `presets/devices.py`).
