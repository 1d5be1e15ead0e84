//! Rates of products on one thread, and their ratio to those of `matrixmultiply` in the same run, at every level of vector
//! instructions that the processor has.
//!
//! ```text
//! cargo bench -p ohmgrad-tensor --bench products
//! ```

use std::env;
use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

use ohmgrad_tensor::simd::{self, Level};
use ohmgrad_tensor::{Key, Tensor};

fn main() {
    if env::var_os(RATIOS).is_some() { this_level() } else { all_levels() }
}

/// Set in the processes that measure the products of one level.
const RATIOS: &str = "OHMGRAD_BENCH_RATIOS";

/// Rates of products on one thread and their ratio to those of `matrixmultiply`, in a process for each level of vector
/// instructions that the processor has.
fn all_levels() {
    println!("G multiply-adds per second on one thread, and the ratio to matrixmultiply");
    println!(
        "{:<8} {:>18} {:>8} {:>12} {:>16} {:>6}",
        "level", "product", "plain", "transposed", "matrixmultiply", "ratio"
    );
    for level in Level::ALL.into_iter().filter(|&level| level != Level::None && level <= simd::level()) {
        let program = env::current_exe().expect("a bench has a program");
        let mut command = Command::new(program);
        command.env("OHMGRAD_SIMD", level.to_string()).env("RAYON_NUM_THREADS", "1").env(RATIOS, "1");
        assert!(command.status().expect("the program runs").success());
        if level < simd::level() {
            println!(
                "{level}: not like for like, matrixmultiply takes {} wherever the processor has it",
                simd::level()
            );
        }
    }
}

/// The rates at the level of this process: the products take turns, and the best of many rounds counts for each.
fn this_level() {
    for [m, k, n] in [[256, 512, 512], [64, 784, 256], [32, 128, 128], [36_864, 288, 64]] {
        let (x, w, wt) = (normal([m, k]), normal([k, n]), normal([n, k]));
        let (a, b, mut c) = (x.to_vec(), w.to_vec(), vec![0.0; m * n]);
        let calls = (20_000_000 / (m * k * n)).max(1);
        let mut best = [f64::INFINITY; 3];
        let start = Instant::now();
        while start.elapsed().as_secs_f64() < 2.0 {
            let mut time = |side: usize, f: &mut dyn FnMut()| {
                let start = Instant::now();
                (0..calls).for_each(|_| f());
                best[side] = best[side].min(start.elapsed().as_secs_f64() / calls as f64);
            };
            time(0, &mut || _ = black_box(x.matmul(&w)));
            time(1, &mut || _ = black_box(x.matmul(&wt.t())));
            time(2, &mut || peer(&a, &b, &mut c, [m, k, n]));
        }
        let [plain, transposed, peer] = best.map(|time| (m * k * n) as f64 / time / 1e9);
        let (product, ratio) = (format!("{m}×{k}×{n}"), plain.min(transposed) / peer);
        println!(
            "{:<8} {product:>18} {plain:>8.1} {transposed:>12.1} {peer:>16.1} {ratio:>6.2}",
            simd::level().to_string()
        );
    }
}

/// `c ← a·b`, row-major, by `matrixmultiply`.
fn peer(a: &[f32], b: &[f32], c: &mut [f32], [m, k, n]: [usize; 3]) {
    let (row, columns) = (k as isize, n as isize);
    let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
    // SAFETY: the slices are as large as these sizes.
    unsafe { matrixmultiply::sgemm(m, k, n, 1.0, a, row, 1, b, columns, 1, 0.0, c, columns, 1) }
}

fn normal(shape: [usize; 2]) -> Tensor {
    Tensor::normal(&shape, Key::new(1))
}
