"""Trains the network of examples/on_chip.rs with the reference, with the same settings; for docs/results.md.

    OMP_NUM_THREADS=1 python peer_on_chip.py DIR PRESET EPOCHS [LR] [SEED]

DIR has the four gzipped IDX files of MNIST. Prints the test accuracy after each epoch.
"""
import gzip
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from aihwkit.nn.conversion import convert_to_analog
from aihwkit.optim import AnalogSGD
from aihwkit.simulator import presets
from aihwkit.simulator.configs import FloatingPointRPUConfig


def idx(path, skip):
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8)[skip:]


folder, preset, epochs = sys.argv[1], sys.argv[2], int(sys.argv[3])
rate = float(sys.argv[4]) if len(sys.argv) > 4 else 0.01
torch.manual_seed(int(sys.argv[5]) if len(sys.argv) > 5 else 1)
data = {}
for part in ["train", "t10k"]:
    images = idx(f"{folder}/{part}-images-idx3-ubyte.gz", 16).reshape(-1, 784)
    labels = idx(f"{folder}/{part}-labels-idx1-ubyte.gz", 8)
    pixels = (images / 255 - 0.1307) / 0.3081
    data[part] = torch.tensor(pixels, dtype=torch.float32), torch.tensor(labels.astype(np.int64))

net = nn.Sequential(
    nn.Linear(784, 256), nn.Sigmoid(), nn.Linear(256, 128), nn.Sigmoid(), nn.Linear(128, 10)
)
config = FloatingPointRPUConfig() if preset == "FloatingPoint" else getattr(presets, preset + "Preset")()
net = convert_to_analog(net, config)
optimizer = AnalogSGD(net.parameters(), lr=rate)
optimizer.regroup_param_groups(net)
for epoch in range(epochs):
    for group in optimizer.param_groups:
        group["lr"] = rate * 0.5 ** (3 * epoch // epochs)
    net.train()
    x, y = data["train"]
    for i in torch.randperm(len(x)):
        optimizer.zero_grad()
        F.cross_entropy(net(x[i : i + 1]), y[i : i + 1]).backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        x, y = data["t10k"]
        hits = (net(x).argmax(1) == y).float().mean().item()
    print(f"epoch {epoch + 1}  test accuracy {100 * hits:.2f} %", flush=True)
