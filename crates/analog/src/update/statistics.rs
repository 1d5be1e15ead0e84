//! Counts of the pulses that were sent to a tile.

/// Counts of the pulses of an update, for a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Statistics {
    /// Number of samples, including those without pulses.
    pub samples: u64,
    /// The sum of the lengths of all samples' trains.
    pub length: u64,
    /// The sum over samples of [`Lines::k`](super::Lines::k), the most pulses that a crosspoint needs; 0 without
    /// management.
    pub k: f64,
    /// d lines that are not 0.
    pub d_lines: u64,
    /// d lines with a probability above 1, whose gradients saturate.
    pub d_clipped: u64,
    /// Pulses at crosspoints, of the stochastic types.
    pub coincidences: u64,
    /// Pulses of transfers and refreshes within a cell, of the stochastic types.
    pub written: u64,
}

impl Statistics {
    /// The mean length of a sample's trains.
    pub fn mean_length(&self) -> f64 {
        self.length as f64 / self.samples.max(1) as f64
    }

    /// The share of d lines, among those that are not 0, whose gradients saturate.
    pub fn clipped(&self) -> f64 {
        self.d_clipped as f64 / self.d_lines.max(1) as f64
    }
}

impl std::ops::AddAssign for Statistics {
    fn add_assign(&mut self, other: Self) {
        let Self { samples, length, k, d_lines, d_clipped, coincidences, written } = other;
        self.samples += samples;
        self.length += length;
        self.k += k;
        self.d_lines += d_lines;
        self.d_clipped += d_clipped;
        self.coincidences += coincidences;
        self.written += written;
    }
}
