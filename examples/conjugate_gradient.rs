//! Conjugate gradients for A·x = b, with the products of A read from an analog tile.
//!
//! A is symmetric positive definite with eigenvalues from 1/20 to 1. Prints the relative residual ‖b − A·x‖/‖b‖ of
//! solvers with exact products (*digital*), with one noisy read per product (*analog*), and in *mixed precision* (Le
//! Gallo et al., Nature Electronics 1, 246 (2018)): a few analog steps solve A·z ≈ r for a correction, x ← x + z, and
//! r = b − A·x is computed digitally. There the error of a read is relative to a residual that shrinks.
//!
//! ```text
//! cargo run --release --example conjugate_gradient
//! ```

use ohmgrad::prelude::*;

const SIZE: usize = 256;
/// Products with A that each solver uses.
const PRODUCTS: usize = 300;

fn main() -> Result<(), ohmgrad::Error> {
    let key = Key::new(0);
    let a = matrix(20.0, key.fold("system"));
    let b = exact(&a, &wide(&Tensor::normal(&[SIZE], key.fold("system").fold("solution"))));

    let mapping = MappingParameter { weight_scaling_omega: 1.0, ..Default::default() };
    let hardware = InferenceRpuConfig { mapping, ..Default::default() };
    let tiles = AnalogMatrix::new(a.clone(), &hardware, key.fold("hardware"))?;
    let read = |p: &[f64], key: Key| -> Vec<f64> {
        // Each vector is read at length 1; the magnitude of a residual, which shrinks, stays in f64.
        let norm = dot(p, p).sqrt();
        let scaled: Vec<f32> = p.iter().map(|p| (p / norm) as f32).collect();
        wide(&tiles.matvec(&Tensor::from(scaled), key)).iter().map(|y| y * norm).collect()
    };
    let digital = solve(&a, &b, |p, _| exact(&a, p), None);
    let analog = solve(&a, &b, |p, product| read(p, key.fold("analog").fold(product)), None);
    let mixed = solve(&a, &b, |p, product| read(p, key.fold("mixed").fold(product)), Some(6));
    println!("products     digital      analog  mixed precision");
    for i in (0..=PRODUCTS).step_by(20) {
        println!("{i:8}{:12.2e}{:12.2e}{:17.2e}", digital[i], analog[i], mixed[i]);
    }
    Ok(())
}

/// The relative residual after each product, from x = 0. In mixed precision the solver starts again from the exact
/// residual after `steps` steps of conjugate gradients, or when they have reduced its own residual by a factor of 10.
fn solve(a: &Tensor, b: &[f64], product: impl Fn(&[f64], usize) -> Vec<f64>, steps: Option<usize>) -> Vec<f64> {
    let residual = |x: &[f64]| sum(b, -1.0, &exact(a, x));
    let (mut x, mut residuals) = (vec![0.0; b.len()], vec![1.0]);
    while residuals.len() <= PRODUCTS {
        let (mut z, mut r) = (vec![0.0; b.len()], residual(&x));
        let (mut p, mut rr) = (r.clone(), dot(&r, &r));
        let goal = steps.map_or(0.0, |_| 1e-2 * rr);
        for _ in 0..steps.unwrap_or(PRODUCTS) {
            let ap = product(&p, residuals.len());
            let step = rr / dot(&p, &ap);
            (z, r) = (sum(&z, step, &p), sum(&r, -step, &ap));
            let now = residual(&sum(&x, 1.0, &z));
            residuals.push((dot(&now, &now) / dot(b, b)).sqrt());
            if dot(&r, &r) <= goal || residuals.len() > PRODUCTS {
                break;
            }
            (p, rr) = (sum(&r, dot(&r, &r) / rr, &p), dot(&r, &r));
        }
        x = sum(&x, 1.0, &z);
    }
    residuals
}

/// A = Σ λᵢ qᵢqᵢᵀ with random orthonormal q, and λ spread evenly on a logarithmic scale from 1 to 1/condition.
fn matrix(condition: f64, key: Key) -> Tensor {
    let random = Tensor::normal(&[SIZE, SIZE], key.fold("basis"));
    let (mut basis, mut a): (Vec<Vec<f64>>, _) = (vec![], vec![vec![0.0; SIZE]; SIZE]);
    for i in 0..SIZE {
        // Subtracting the projections twice gives orthogonality up to rounding.
        let twice = basis.iter().chain(&basis);
        let q = twice.fold(wide(&random.row(i)), |q, other| sum(&q, -dot(&q, other), other));
        let norm = dot(&q, &q).sqrt();
        basis.push(q.iter().map(|q| q / norm).collect());
        let eigenvalue = condition.powf(-(i as f64) / (SIZE - 1) as f64);
        a.iter_mut().zip(&basis[i]).for_each(|(row, q)| *row = sum(row, eigenvalue * q, &basis[i]));
    }
    Tensor::from_fn(&[SIZE, SIZE], |at| a[at[0]][at[1]] as f32)
}

/// A·p in f64.
fn exact(a: &Tensor, p: &[f64]) -> Vec<f64> {
    (0..SIZE).map(|i| dot(&wide(&a.row(i)), p)).collect()
}

fn wide(x: &Tensor) -> Vec<f64> {
    x.iter().map(|&x| x.into()).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// a + factor·b.
fn sum(a: &[f64], factor: f64, b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + factor * b).collect()
}
