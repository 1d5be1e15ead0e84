//! The poses of a robot arm, a regression without files.

use std::f32::consts::FRAC_PI_2;

use ohmgrad_tensor::{Key, Tensor};

use super::Dataset;

/// The Denavit–Hartenberg parameters of a UR5 in metres and quarter turns, as its maker published them (Universal
/// Robots, "DH parameters for calculations of kinematics and dynamics").
const A: [f64; 6] = [0.0, -0.425, -0.39225, 0.0, 0.0, 0.0];
const D: [f64; 6] = [0.089159, 0.0, 0.0, 0.10915, 0.09465, 0.0823];
const ALPHA: [f64; 6] = [1.0, 0.0, 0.0, 1.0, -1.0, 0.0];

/// Poses of a UR5, a robot arm with six joints: the joint angles, uniform within ±90° and divided by 90°, and the
/// position of the tool in metres.
///
/// ```
/// use ohmgrad_models::data::robot_arm;
/// use ohmgrad_tensor::Key;
///
/// let poses = robot_arm(100, Key::new(1));
/// assert_eq!((poses.x.shape(), poses.y.shape()), (&[100, 6][..], &[100, 3][..]));
/// ```
pub fn robot_arm(poses: usize, key: Key) -> Dataset<Tensor> {
    let unit = Tensor::uniform(&[poses, 6], key).map(|u| 2.0 * u - 1.0);
    let position = |pose: usize| position(|joint| f64::from(unit[[pose, joint]] * FRAC_PI_2));
    let positions: Vec<f32> = (0..poses).flat_map(position).map(|metres| metres as f32).collect();
    Dataset::new(unit, Tensor::from_vec(positions, &[poses, 3]))
}

/// The tool's origin, carried from the last joint's frame to the base's.
fn position(angle: impl Fn(usize) -> f64) -> [f64; 3] {
    (0..6).rev().fold([0.0; 3], |[x, y, z], joint| {
        let (sin, cos) = angle(joint).sin_cos();
        let (sin_a, cos_a) = (ALPHA[joint] * f64::from(FRAC_PI_2)).sin_cos();
        let (u, v) = (x + A[joint], cos_a * y - sin_a * z);
        [cos * u - sin * v, sin * u + cos * v, sin_a * y + cos_a * z + D[joint]]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stretched_arm_reaches_its_published_position() {
        let expected = [-0.425 - 0.39225, -0.10915 - 0.0823, 0.089159 - 0.09465];
        for (found, expected) in position(|_| 0.0).into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} instead of {expected}");
        }
    }
}
