"""Runs our workloads and those of the reference in turn, on one machine, and writes the table of docs/performance.md.

    python3 benches/compare/compare.py --peer PYTHON [--rounds 5] [--seconds 3] [--levels avx512 avx2] [NAME ...]

PYTHON is an interpreter with aihwkit 1.1.0 and torch 2.10 (`pip install aihwkit==1.1.0 torch==2.10.0`). Both sides run on
one thread; each number is the median of the rounds. Only the ratios mean something on another machine.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TABLE = ("<!-- table: benches/compare/compare.py -->", "<!-- end of table -->")
# The goals with AVX-512 and with AVX2.
WORKLOADS = {
    "regression_digital_b32": (5, 6),
    "regression_analog_b32": (14, 18),
    "regression_analog_b256": (8, 8),
    "mlp_digital_b64": (1.6, 2.0),
    "mlp_analog_b64": (7, 7),
    "cnn_digital_b64": (1.4, 1.7),
    "cnn_analog_b64": (6, 4.5),
    "mvm_512x512_b256": (5, 3.3),
    "mvm_128x128_b32": (7, 4.5),
    "gemm_512x512_b256": (0.95, 1.05),
    "drift_sweep_mlp_10k": (6, 4.3),
    "lstm_analog_b16": (8, 8),
    "mlp_pulsed_b64": (8, 8),
    "mlp_pulsed_b1": (8, 8),
    "tiki_taka_b1": (10, 10),
}
LEVELS = {"avx512": "AVX-512", "avx2": "AVX2"}


def lowered(level):
    """The variables that lower both sides to a level."""
    upper = level.upper()
    return {"OHMGRAD_SIMD": level, "ATEN_CPU_CAPABILITY": level, "ONEDNN_MAX_CPU_ISA": upper,
            "MKL_ENABLE_INSTRUCTIONS": upper} if level != "avx512" else {}


def rate(command, environment):
    run = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, cwd=ROOT)
    lines = [line for line in run.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise SystemExit(f"{' '.join(command)} printed no result:\n{run.stderr[-2000:]}")
    return json.loads(lines[-1])["value"]


def cpu():
    try:
        names = [line for line in open("/proc/cpuinfo") if line.startswith("model name")]
        return names[0].split(":")[1].strip()
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", required=True, help="a Python with aihwkit 1.1.0")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    has_avx512 = "avx512f" in open("/proc/cpuinfo").read() if os.path.exists("/proc/cpuinfo") else False
    levels = list(LEVELS) if has_avx512 else ["avx2"]
    parser.add_argument("--levels", nargs="+", choices=LEVELS, default=levels, help="vector instructions of both sides")
    parser.add_argument("names", nargs="*", metavar="NAME", help="workloads [default: all]")
    args = parser.parse_args()
    names = args.names or list(WORKLOADS)

    subprocess.run(["cargo", "build", "--release", "--quiet", "--example", "throughput"], check=True, cwd=ROOT)
    ours = ["cargo", "run", "--release", "--quiet", "--example", "throughput", "--"]
    ours += ["--threads", "1", "--seconds", str(args.seconds)]
    rates = {(level, name): ([], []) for level in args.levels for name in names}
    for round_ in range(args.rounds):
        for level, name in rates:
            own, peers = rates[level, name]
            environment = lowered(level)
            own.append(rate(ours + [name], {"RAYON_NUM_THREADS": "1", **environment}))
            peer = [args.peer, str(HERE / "peer_bench.py"), name]
            peers.append(rate(peer, {"OMP_NUM_THREADS": "1", **environment}))
            print(f"round {round_ + 1} {level} {name}: {own[-1]:.0f} against {peers[-1]:.0f}", flush=True)

    versions = "import aihwkit, torch; print(f'aihwkit {aihwkit.__version__}, PyTorch {torch.__version__}')"
    peer = subprocess.run([args.peer, "-c", versions], capture_output=True, text=True).stdout.strip()
    rust = subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.strip()
    lines = [
        f"Measured on {cpu()}, one thread, {rust}; {peer}. Samples per second "
        f"here and there (the reference, or PyTorch for what is digital), medians of {args.rounds} rounds in turn.",
        "",
        "| workload |" + "".join(f" {LEVELS[level]}: here | there | ratio | goal |" for level in args.levels),
        "|---|" + "---|" * 4 * len(args.levels),
    ]
    for name in names:
        cells = []
        for level in args.levels:
            a, b = (statistics.median(side) for side in rates[level, name])
            goal = WORKLOADS.get(name, ("", ""))[list(LEVELS).index(level)]
            cells.append(f" {a:,.0f} | {b:,.0f} | {a / b:.2f} | {goal} |")
        lines.append(f"| `{name}` |" + "".join(cells))
    file = ROOT / "docs" / "performance.md"
    text = file.read_text()
    before, rest = text.split(TABLE[0])
    _, after = rest.split(TABLE[1])
    new = file.with_suffix(".tmp")
    new.write_text(before + TABLE[0] + "\n" + "\n".join(lines) + "\n" + TABLE[1] + after)
    new.replace(file)


if __name__ == "__main__":
    main()
