//! IR drop: the wire's resistance lowers the voltage at far devices, the more the larger the current.
//!
//! With the total current `aᵢ = (n/ir_drop_g_ratio)·Σⱼ|wᵢⱼ||vⱼ|` and `cᵢ = aᵢ(aᵢ(0.05aᵢ − 0.2) + 0.5)`:
//! `yᵢ −= ir_drop·cᵢ·Σⱼ wᵢⱼ vⱼ (1 − (1 − j/n)²)`, with j counted from the driven end. Source: Rasch et al. 2023,
//! aihwkit `applyIrDrop`.

use ohmgrad_tensor::{Right, Tensor};

use crate::config::IoParameters;

/// Weights [out, in] times the share of each input's voltage that the wire takes: `1 − (1 − j/n)²`.
pub(super) fn far(w: &Tensor) -> Tensor {
    let n = w.shape()[1];
    let lost = (0..n).map(|j| {
        let near = 1.0 - j as f32 / n as f32;
        1.0 - near * near
    });
    w * &Tensor::from(lost.collect::<Vec<_>>())
}

/// Lowers the outputs `y` [n, out] of inputs `v` [n, in].
pub(super) fn apply(io: &IoParameters, y: &mut [f32], v: &Tensor, far: &Right<'_, f32>, magnitude: &Right<'_, f32>) {
    let n = v.shape()[1];
    let current = magnitude.of(&v.abs());
    let lost = far.of(v);
    let scale = n as f32 / io.ir_drop_g_ratio;
    let drop = current.zip(&lost, |current, lost| {
        let a = scale * current;
        a * (a * (0.05 * a - 0.2) + 0.5) * (io.ir_drop * lost)
    });
    let drop = drop.as_slice().expect("a product writes rows");
    y.iter_mut().zip(drop).for_each(|(y, drop)| *y -= drop);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ohmgrad_tensor::product;

    #[test]
    fn the_second_of_two_devices_loses_by_the_formula() {
        let io = IoParameters { ir_drop: 2.0, ir_drop_g_ratio: 10.0, ..Default::default() };
        let (v, w) = (Tensor::from([[1.0, -1.0]]), Tensor::from([[0.5, -0.25]]));
        let mut y = product::linear(&v, &w);
        apply(&io, y.make_mut(), &v, &product::right_of(&far(&w)), &product::right_of(&w.abs()));
        let a: f32 = 0.2 * 0.75;
        let expected = 0.75 - 2.0 * a * (a * (0.05 * a - 0.2) + 0.5) * 0.25 * 0.75;
        assert!((y.item() - expected).abs() < 1e-6);
    }
}
