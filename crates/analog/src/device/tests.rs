//! Devices under pulses.
