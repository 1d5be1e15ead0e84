//! Poses of a robot arm, a regression without files.

use std::f32::consts::FRAC_PI_2;

use ohmgrad::prelude::*;

use super::{Goal, Read};

/// The Denavit-Hartenberg parameters of a UR5, in metres and quarter turns.
const A: [f64; 6] = [0.0, -0.425, -0.39225, 0.0, 0.0, 0.0];
const D: [f64; 6] = [0.089159, 0.0, 0.0, 0.10915, 0.09465, 0.0823];
const ALPHA: [f64; 6] = [1.0, 0.0, 0.0, 1.0, -1.0, 0.0];

/// Joint angles, uniform within a quarter turn to either side and in units of it, and the positions of the tool in
/// metres.
pub fn read(poses: usize, key: Key) -> Read {
    let unit = Tensor::uniform(&[poses, 6], key).map(|u| 2.0 * u - 1.0);
    let position = |pose: usize| {
        // The tool's origin, carried from the last joint's frame to the base's.
        (0..6).rev().fold([0.0; 3], |[x, y, z], joint| {
            let (sin, cos) = f64::from(unit[[pose, joint]] * FRAC_PI_2).sin_cos();
            let (sin_a, cos_a) = (ALPHA[joint] * f64::from(FRAC_PI_2)).sin_cos();
            let (u, v) = (x + A[joint], cos_a * y - sin_a * z);
            [cos * u - sin * v, sin * u + cos * v, sin_a * y + cos_a * z + D[joint]]
        })
    };
    let positions: Vec<f32> = (0..poses).flat_map(position).map(|metres| metres as f32).collect();
    Read { train: (unit, Goal::Numbers(Tensor::from_vec(positions, &[poses, 3]))), test: None }
}
