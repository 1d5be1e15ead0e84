"""The reference simulator's accuracy over time for weights that the example `drift` wrote (`--save DIR`), under its settings.

usage: drift.py WEIGHTS.safetensors mlp|lenet DATA_DIR [--chips N] [--test-images N] [--times 1,3600,...]

Needs aihwkit 1.1.0. DATA_DIR has MNIST's four IDX files, plain or gzipped. Prints a JSON line per time, with
the mean, the standard deviation over chips and half the width of the 95 % interval of the mean.
"""
import argparse, gzip, json, math, os

import numpy as np
import torch
from aihwkit.inference import GlobalDriftCompensation, PCMLikeNoiseModel
from aihwkit.nn.conversion import convert_to_analog
from aihwkit.simulator.configs.configs import InferenceRPUConfig
from aihwkit.simulator.parameters.enums import WeightNoiseType
from torch import nn

T_975 = {4: 2.776, 9: 2.262, 24: 2.064}  # Student's t by degrees of freedom


def config():
    rpu = InferenceRPUConfig()
    rpu.forward.out_res = -1.0
    rpu.forward.w_noise_type = WeightNoiseType.ADDITIVE_CONSTANT
    rpu.forward.w_noise = 0.02
    rpu.mapping.weight_scaling_omega = 1.0
    rpu.noise_model = PCMLikeNoiseModel(g_max=25.0)
    rpu.drift_compensation = GlobalDriftCompensation()
    return rpu


def network(name):
    if name == "mlp":
        return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))
    return nn.Sequential(
        nn.Conv2d(1, 16, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(512, 128), nn.Tanh(), nn.Linear(128, 10))


def idx(folder, name):
    path = os.path.join(folder, name)
    with (gzip.open(path + ".gz") if os.path.exists(path + ".gz") else open(path, "rb")) as file:
        data = file.read()
    shape = [int.from_bytes(data[4 + 4 * i:8 + 4 * i], "big") for i in range(data[3])]
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def weights(path):
    """The tensors of a safetensors file."""
    data = open(path, "rb").read()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    tensor = lambda e: torch.from_numpy(np.frombuffer(data, "<f4", offset=8 + length + e["data_offsets"][0],
                                                      count=math.prod(e["shape"])).reshape(e["shape"]).copy())
    return {name: tensor(entry) for name, entry in header.items() if name != "__metadata__"}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("weights"), parser.add_argument("net", choices=["mlp", "lenet"]), parser.add_argument("data")
    parser.add_argument("--chips", type=int, default=10, choices=[5, 10, 25]), parser.add_argument("--test-images", type=int, default=10000)
    parser.add_argument("--times", default="1,3600,86400,31557600,315576000")
    args = parser.parse_args()
    x = (torch.from_numpy(idx(args.data, "t10k-images-idx3-ubyte")[:args.test_images].copy()).float() / 255 - 0.1307) / 0.3081
    x = x.flatten(1) if args.net == "mlp" else x.unsqueeze(1)
    y = torch.from_numpy(idx(args.data, "t10k-labels-idx1-ubyte")[:args.test_images].astype(np.int64))
    digital = network(args.net)
    digital.load_state_dict(weights(args.weights))
    times = [float(t) for t in args.times.split(",")]
    accuracies = []
    with torch.no_grad():
        for _ in range(args.chips):
            chip = convert_to_analog(digital, config())
            chip.eval()
            chip.program_analog_weights()
            row = []
            for t in times:
                chip.drift_analog_weights(t)
                right = sum((chip(a).argmax(1) == b).sum().item() for a, b in zip(x.split(1000), y.split(1000)))
                row.append(right / len(y))
            accuracies.append(row)
    accuracies = np.array(accuracies)
    for t, column in zip(times, accuracies.T):
        std = column.std(ddof=1)
        half = T_975[args.chips - 1] * std / math.sqrt(args.chips)
        print(json.dumps({"t": t, "mean": round(column.mean(), 5), "std": round(std, 5), "interval": round(half, 5), "chips": args.chips}))


if __name__ == "__main__":
    main()
