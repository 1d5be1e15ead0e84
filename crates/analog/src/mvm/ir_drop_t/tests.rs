use super::*;
use crate::noise::SinglePair;

fn io(timed: IrDropT) -> IoParameters {
    IoParameters { out_noise: 0.0, out_bound: -1.0, ir_drop_t: Some(timed), ..Default::default() }
}

/// Driven rows through a tile whose columns have 16 devices.
fn read(timed: IrDropT, w: &Tensor, v: &Tensor) -> Tensor {
    let array = TimedArray::new(timed, w, 16, Arc::new(SinglePair::default()), true);
    let numbers: Vec<usize> = (0..v.shape()[0]).collect();
    array.pass(&io(timed), &Pattern::default(), v, &numbers, Key::new(1)).0
}

/// Codes of a DAC with 126 steps.
fn codes(rows: usize, ins: usize, seed: u64) -> Tensor {
    Tensor::normal(&[rows, ins], Key::new(seed)).map(|x| (20.0 * x).round().clamp(-63.0, 63.0) * (2.0 / 126.0))
}

/// The charge of a simulated circuit: its segments are joined one by one, at each time.
fn followed(timed: IrDropT, g: [&[f32]; 2], v: &[f32]) -> f64 {
    let per_segment = g[0].len() / timed.ir_drop_segments as usize;
    let wire = 1e-6 * f64::from(timed.ir_drop) * f64::from(timed.ir_drop_rs) * per_segment as f64;
    let current = |t: f32| {
        let mut column: Option<(f64, f64)> = None;
        for first in (0..g[0].len()).step_by(per_segment) {
            let (mut total, mut driven) = (1e-12, 0.0);
            for i in first..first + per_segment {
                let [high, low] = if v[i] > t { [0, 1] } else { [1, 0] };
                let [plus, minus] = if v[i].abs() > t { [0.6, 0.2] } else { [0.4, 0.4] };
                total += f64::from(g[0][i]) + f64::from(g[1][i]);
                driven += plus * f64::from(g[high][i]) + minus * f64::from(g[low][i]);
            }
            let (own, r2) = (driven / total, 1.0 / total);
            column = Some(column.map_or((own, r2), |(voltage, r)| {
                let r1 = r + wire;
                let r = r1 * r2 / (r1 + r2);
                ((voltage / r1 + own / r2) * r, r)
            }));
        }
        let (voltage, r) = column.unwrap();
        (voltage - f64::from(timed.ir_drop_v_read)) / (r + wire / 2.0)
    };
    let currents: Vec<f64> = times(64, 1.0).into_iter().map(current).collect();
    let samples: Vec<f64> = [currents[0]].into_iter().chain(currents).collect();
    samples.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0).sum()
}

#[test]
fn a_solved_column_is_one_that_is_followed() {
    let timed = IrDropT { ir_drop: 30.0, ir_drop_segments: 4, adc_quantization: false, ..Default::default() };
    let (w, v) = (Tensor::normal(&[3, 16], Key::new(1)), codes(5, 16, 2));
    let y = read(timed, &w, &v);
    let converter = SinglePair::default();
    let (g, scales) = converter.to_conductances(&w);
    for (out, row) in (0..3).flat_map(|out| (0..5).map(move |row| (out, row))) {
        let along = |t: &Tensor, i| {
            let mut values = t.row(i).to_vec();
            if out % 2 == 1 {
                values.reverse();
            }
            values
        };
        let charge = followed(timed, [&along(&g[0], out), &along(&g[1], out)], &along(&v, row));
        let expected = charge / f64::from(scales.ratio().unwrap()) / 0.2 / 63.0;
        assert!((f64::from(y[[row, out]]) - expected).abs() < 1e-5, "{} {expected}", y[[row, out]]);
    }
}

#[test]
fn perfect_wires_and_whole_pulses_are_a_product() {
    let timed = IrDropT {
        ir_drop_rs: 0.0,
        ir_drop_v_read: 0.4,
        adc_quantization: false,
        ir_drop_integration_sum: true,
        ..Default::default()
    };
    let (w, v) = (Tensor::normal(&[3, 13], Key::new(1)), codes(5, 13, 2));
    let exact = product::linear(&v, &w);
    for mv_type in [PulseMode::OnePass, PulseMode::SplitMode, PulseMode::BitWise] {
        // By rounding, some pulses of k steps are on at the k-th step too, which adds at most 1/63 of the weight.
        let off = (&read(IrDropT { mv_type, ..timed }, &w, &v) - &exact).abs().max();
        let most = w.abs().sum() / 63.0 * if mv_type == PulseMode::SplitMode { 9.0 } else { 1.0 };
        assert!(off < most && (off < 1e-5 || mv_type != PulseMode::BitWise), "{mv_type}: {off}");
    }
}

#[test]
fn codes_are_put_together_from_their_pulses() {
    let (codes, unit) = (Tensor::from([63.0, -63.0, 5.0, -1.0, 0.0, 8.0]), 2.0 / 126.0);
    let steps = |timed: IrDropT| -> Vec<Vec<f32>> {
        let parts = pulses(timed, &codes.map(|code| code * unit), unit);
        parts.into_iter().map(|part| part.map(|v| (v / unit).round()).to_vec()).collect()
    };
    let split = IrDropT { mv_type: PulseMode::SplitMode, ..Default::default() };
    let low_and_high = steps(split);
    assert_eq!(low_and_high[1], [7.0, -7.0, 0.0, 0.0, 0.0, 1.0]);
    assert_eq!(low_and_high[0], [7.0, -7.0, 5.0, -1.0, 0.0, 0.0]);
    let bits = steps(IrDropT { mv_type: PulseMode::BitWise, ..Default::default() });
    assert_eq!(bits.len(), 6);
    for (i, &code) in codes.iter().enumerate() {
        let sum: f32 = bits.iter().zip([1.0, 2.0, 4.0, 8.0, 16.0, 32.0]).map(|(bit, weight)| bit[i] * weight).sum();
        assert_eq!(sum, code);
    }
}

#[test]
fn a_column_with_one_unused_device_is_filled_up() {
    let timed = IrDropT { ir_drop_segments: 8, ..Default::default() };
    let (w, v) = (Tensor::normal(&[2, 15], Key::new(1)), codes(2, 15, 2));
    let nothing = |rows| Tensor::full(&[rows, 1], 0.0);
    let filled =
        read(timed, &Tensor::concat(&[w.clone(), nothing(2)], 1), &Tensor::concat(&[v.clone(), nothing(2)], 1));
    assert_eq!(read(timed, &w, &v), filled);
}

#[test]
fn noise_depends_on_the_row_alone() {
    let timed = IrDropT { apply_xdep_pcm_read_noise: true, ..Default::default() };
    let (w, v) = (Tensor::normal(&[3, 9], Key::new(1)), codes(20, 9, 2));
    let all = read(timed, &w, &v);
    assert_eq!(read(timed, &w, &v.slice(0, 0..1)), all.slice(0, 0..1));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(pool.install(|| read(timed, &w, &v)), all);
    assert_ne!(all, read(IrDropT::default(), &w, &v));
}

#[test]
fn a_row_of_zeros_has_no_read_noise() {
    let timed = IrDropT { apply_xdep_pcm_read_noise: true, ..Default::default() };
    let (w, v) = (Tensor::normal(&[3, 9], Key::new(1)), Tensor::full(&[1, 9], 0.0));
    assert_eq!(read(timed, &w, &v), read(IrDropT::default(), &w, &v));
}
