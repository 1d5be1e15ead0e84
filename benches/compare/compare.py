"""Runs our workloads and those of the reference in turn, on one machine, and writes the table of docs/performance.md.

    python3 benches/compare/compare.py --peer PYTHON [--rounds 5] [--seconds 3] [NAME ...]

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
WORKLOADS = {
    "regression_digital_b32": 4,
    "regression_analog_b32": 10,
    "regression_analog_b256": 5,
    "mlp_digital_b64": 1,
    "mlp_analog_b64": 4,
    "cnn_digital_b64": 1,
    "cnn_analog_b64": 4,
    "mvm_512x512_b256": 3,
    "mvm_128x128_b32": 3,
    "gemm_512x512_b256": 0.85,
    "drift_sweep_mlp_10k": 4,
}


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
    parser.add_argument("names", nargs="*", metavar="NAME", help="workloads [default: all]")
    args = parser.parse_args()
    names = args.names or list(WORKLOADS)

    subprocess.run(["cargo", "build", "--release", "--quiet", "--example", "throughput"], check=True, cwd=ROOT)
    ours = ["cargo", "run", "--release", "--quiet", "--example", "throughput", "--"]
    ours += ["--threads", "1", "--seconds", str(args.seconds)]
    rates = {name: ([], []) for name in names}
    for round_ in range(args.rounds):
        for name in names:
            rates[name][0].append(rate(ours + [name], {"RAYON_NUM_THREADS": "1"}))
            rates[name][1].append(rate([args.peer, str(HERE / "peer_bench.py"), name], {"OMP_NUM_THREADS": "1"}))
            print(f"round {round_ + 1} {name}: {rates[name][0][-1]:.0f} against {rates[name][1][-1]:.0f}", flush=True)

    versions = "import aihwkit, torch; print(f'aihwkit {aihwkit.__version__}, PyTorch {torch.__version__}')"
    peer = subprocess.run([args.peer, "-c", versions], capture_output=True, text=True).stdout.strip()
    rust = subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.strip()
    lines = [
        f"Measured on {cpu()}, one thread, {rust}; {peer}. Samples per second, medians of {args.rounds} rounds in turn.",
        "",
        "| workload | ohmgrad | reference or PyTorch | ratio | goal |",
        "|---|---|---|---|---|",
    ]
    for name in names:
        a, b = (statistics.median(side) for side in rates[name])
        lines.append(f"| `{name}` | {a:,.0f} | {b:,.0f} | {a / b:.2f} | {WORKLOADS.get(name, '')} |")
    file = ROOT / "docs" / "performance.md"
    text = file.read_text()
    before, rest = text.split(TABLE[0])
    _, after = rest.split(TABLE[1])
    new = file.with_suffix(".tmp")
    new.write_text(before + TABLE[0] + "\n" + "\n".join(lines) + "\n" + TABLE[1] + after)
    new.replace(file)


if __name__ == "__main__":
    main()
