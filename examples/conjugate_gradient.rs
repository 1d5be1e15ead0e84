//! Solves A·x = b by conjugate gradients, with the products of A read from an analog tile.
//!
//! A is symmetric positive definite with eigenvalues spread evenly on a logarithmic scale from 1/condition to 1. Three
//! solvers are compared by their true relative residual ‖b − A·x‖/‖b‖:
//!
//! - *digital*: conjugate gradients with exact products in f64;
//! - *analog*: the same with one noisy analog read per product. The residual stalls at the precision of a read;
//! - *mixed precision* (Le Gallo et al., Nature Electronics 1, 246 (2018)): analog conjugate gradients only solve for a
//!   correction, A·z ≈ r, to a loose tolerance; x ← x + z, and the residual r = b − A·x is computed digitally in f64. So
//!   the analog error is relative to a residual that shrinks, and the solution reaches the precision of the residual.
//!
//! `cargo run --release --example conjugate_gradient -- --plot cg.svg`

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::Parser;
use ohmgrad::prelude::*;
use ohmgrad_plots::{Axis, Corner, Figure, Mark, Scale, Series};

#[derive(Parser)]
struct Options {
    /// Unknowns.
    #[arg(long, default_value_t = 256)]
    size: usize,
    /// Largest over smallest eigenvalue.
    #[arg(long, default_value_t = 20.0)]
    condition: f64,
    /// Products with A that each solver may use.
    #[arg(long, default_value_t = 300)]
    products: usize,
    /// Products that one correction of the mixed-precision solver takes at most.
    #[arg(long, default_value_t = 6)]
    inner: usize,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// A configuration (TOML or JSON) instead of the default one with weights mapped to the whole range.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Draws the residuals to an SVG file.
    #[arg(long)]
    plot: Option<PathBuf>,
    /// Prints a line of JSON for each product.
    #[arg(long)]
    json: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    if options.size == 0 || options.condition.is_nan() || options.condition < 1.0 || options.inner == 0 {
        return Err("--size and --inner are at least 1, and so is --condition".into());
    }
    let key = Key::new(options.seed);
    let config = match &options.config {
        Some(file) => InferenceRpuConfig::from_file(file)?,
        None => InferenceRpuConfig {
            mapping: MappingParameter { weight_scaling_omega: 1.0, ..Default::default() },
            ..Default::default()
        },
    };
    config.warnings().iter().for_each(|warning| eprintln!("warning: {warning}"));
    let system = System::random(options.size, options.condition, key.fold("system"));
    let matrix = AnalogMatrix::new(system.a.clone(), &config, key.fold("hardware"))?;
    let digital = |p: &[f64], _| system.multiply(p);
    // The residual only shrinks: scaled to 1, so that the f32 of the read has no part in the error.
    let reads = |solver: Key| {
        let matrix = &matrix;
        move |p: &[f64], product: usize| {
            let norm = dot(p, p).sqrt();
            let scaled: Vec<f32> = p.iter().map(|p| (p / norm) as f32).collect();
            let y = matrix.matvec(&Tensor::from(scaled), solver.fold(product));
            y.iter().map(|y| f64::from(*y) * norm).collect::<Vec<f64>>()
        }
    };
    let runs = [
        Run { name: "digital", residuals: plain(&system, options.products, digital) },
        Run { name: "analog", residuals: plain(&system, options.products, reads(key.fold("analog"))) },
        Run {
            name: "mixed precision",
            residuals: refined(&system, options.products, options.inner, reads(key.fold("mixed"))),
        },
    ];
    report(&runs, &options);
    if let Some(file) = &options.plot {
        draw(file, &runs, &options)?;
        eprintln!("drawn to {}", file.display());
    }
    Ok(())
}

struct System {
    a: Tensor,
    b: Vec<f64>,
}

/// The true relative residual after each number of products, from 0.
struct Run {
    name: &'static str,
    residuals: Vec<f64>,
}

impl System {
    /// A = Σ λᵢ qᵢqᵢᵀ with random orthonormal q, rounded to f32; b = A·x for a random x.
    fn random(n: usize, condition: f64, key: Key) -> Self {
        let mut basis: Vec<Vec<f64>> = Vec::with_capacity(n);
        let random = Tensor::normal(&[n, n], key.fold("basis"));
        for row in 0..n {
            let mut q: Vec<f64> = random.row(row).iter().map(|x| f64::from(*x)).collect();
            // Twice is enough for orthogonality to rounding.
            for _ in 0..2 {
                for other in &basis {
                    let along = dot(&q, other);
                    add(&mut q, -along, other);
                }
            }
            let norm = dot(&q, &q).sqrt();
            basis.push(q.into_iter().map(|q| q / norm).collect());
        }
        let eigenvalue = |i: usize| condition.powf(-(i as f64) / (n.max(2) - 1) as f64);
        let mut a = vec![vec![0.0; n]; n];
        for (i, q) in basis.iter().enumerate() {
            for (row, &q_row) in a.iter_mut().zip(q) {
                add(row, eigenvalue(i) * q_row, q);
            }
        }
        let a = Tensor::from_fn(&[n, n], |at| a[at[0]][at[1]] as f32);
        let x: Vec<f64> = Tensor::normal(&[n], key.fold("solution")).iter().map(|x| f64::from(*x)).collect();
        let mut system = Self { a, b: vec![] };
        system.b = system.multiply(&x);
        system
    }

    /// A·p in f64.
    fn multiply(&self, p: &[f64]) -> Vec<f64> {
        let a = self.a.as_slice().expect("built row by row");
        a.chunks(p.len()).map(|row| row.iter().zip(p).map(|(a, p)| f64::from(*a) * p).sum()).collect()
    }

    fn residual(&self, x: &[f64]) -> Vec<f64> {
        self.b.iter().zip(self.multiply(x)).map(|(b, y)| b - y).collect()
    }

    fn relative(&self, r: &[f64]) -> f64 {
        (dot(r, r) / dot(&self.b, &self.b)).sqrt()
    }
}

/// Conjugate gradients for A·z = r from z = 0 with the given product; `each` sees z after every step and says whether to go
/// on.
fn conjugate_gradients(
    r: &[f64],
    mut multiply: impl FnMut(&[f64]) -> Vec<f64>,
    mut each: impl FnMut(&[f64], f64) -> bool,
) -> Vec<f64> {
    let (mut z, mut r, mut p) = (vec![0.0; r.len()], r.to_vec(), r.to_vec());
    let mut rr = dot(&r, &r);
    while rr > 0.0 {
        let ap = multiply(&p);
        let curvature = dot(&p, &ap);
        // A noisy product may see no curvature where there is a little.
        if curvature <= 0.0 {
            each(&z, rr);
            return z;
        }
        let step = rr / curvature;
        add(&mut z, step, &p);
        add(&mut r, -step, &ap);
        let before = std::mem::replace(&mut rr, dot(&r, &r));
        if !each(&z, rr) {
            return z;
        }
        let turn = rr / before;
        p.iter_mut().zip(&r).for_each(|(p, r)| *p = r + turn * *p);
    }
    z
}

fn plain(system: &System, products: usize, mut multiply: impl FnMut(&[f64], usize) -> Vec<f64>) -> Vec<f64> {
    let (mut residuals, mut product) = (vec![1.0], 0);
    let count = |p: &[f64]| {
        product += 1;
        multiply(p, product)
    };
    conjugate_gradients(&system.b, count, |x, _| {
        residuals.push(system.relative(&system.residual(x)));
        residuals.len() <= products
    });
    residuals
}

fn refined(
    system: &System,
    products: usize,
    inner: usize,
    mut multiply: impl FnMut(&[f64], usize) -> Vec<f64>,
) -> Vec<f64> {
    let (mut residuals, mut x, mut product) = (vec![1.0], vec![0.0; system.b.len()], 0);
    while residuals.len() <= products {
        let r = system.residual(&x);
        let (goal, mut steps) = (dot(&r, &r) * 1e-2, 0);
        let count = |p: &[f64]| {
            product += 1;
            multiply(p, product)
        };
        let z = conjugate_gradients(&r, count, |z, rr| {
            steps += 1;
            let now: Vec<f64> = x.iter().zip(z).map(|(x, z)| x + z).collect();
            residuals.push(system.relative(&system.residual(&now)));
            rr > goal && steps < inner && residuals.len() <= products
        });
        if steps == 0 {
            break;
        }
        add(&mut x, 1.0, &z);
    }
    residuals
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(x: &mut [f64], factor: f64, y: &[f64]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += factor * y);
}

fn report(runs: &[Run], options: &Options) {
    if options.json {
        for run in runs {
            for (products, residual) in run.residuals.iter().enumerate() {
                let line = serde_json::json!({"solver": run.name, "products": products, "residual": residual});
                println!("{line}");
            }
        }
        return;
    }
    println!("{} unknowns, condition {}: relative residual after so many products\n", options.size, options.condition);
    print!("{:>8}", "products");
    runs.iter().for_each(|run| print!("  {:>16}", run.name));
    println!();
    let longest = runs.iter().map(|run| run.residuals.len()).max().unwrap_or(0);
    for products in (0..longest).step_by((longest / 16).max(1)) {
        print!("{products:>8}");
        runs.iter().for_each(|run| match run.residuals.get(products) {
            Some(residual) => print!("  {residual:>16.2e}"),
            None => print!("  {:>16}", ""),
        });
        println!();
    }
    println!();
    for run in runs {
        let best = run.residuals.iter().copied().fold(f64::INFINITY, f64::min);
        println!("{:>16}: {best:.1e} at best", run.name);
    }
}

fn draw(file: &Path, runs: &[Run], options: &Options) -> Result<(), Box<dyn Error>> {
    let shown = |r: f64| r.max(1e-17);
    let curve = |run: &Run| {
        let points = run.residuals.iter().enumerate().map(|(i, &r)| (i as f64, shown(r))).collect();
        Series::new(run.name, Mark::Line, points)
    };
    let products = format!("products with A ({} unknowns, condition {})", options.size, options.condition);
    let figure = Figure {
        x: Axis::new(products, Scale::Linear),
        y: Axis::new("relative residual ‖b − A·x‖ / ‖b‖", Scale::Log),
        series: runs.iter().map(curve).collect(),
        legend: Corner::UpperRight,
    };
    Ok(figure.save(file)?)
}
