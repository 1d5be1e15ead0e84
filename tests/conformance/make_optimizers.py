"""Writes data/optimizers: trainings of a perfect network with every option of the optimizers, as PyTorch computes them in f64.

Run it in its own folder, with PyTorch 2.10.
"""

import json
import pathlib

import torch

FOLDER = pathlib.Path(__file__).parent / "data" / "optimizers"
STEPS = 12
CASES = {
    "sgd_momentum": {"type": "sgd", "lr": 0.05, "momentum": 0.9},
    "sgd_nesterov": {"type": "sgd", "lr": 0.05, "momentum": 0.8, "nesterov": True},
    "sgd_weight_decay": {"type": "sgd", "lr": 0.1, "weight_decay": 0.2},
    "sgd_everything": {"type": "sgd", "lr": 0.05, "momentum": 0.7, "nesterov": True, "weight_decay": 0.1},
    "adam_betas": {"type": "adam", "lr": 0.05, "betas": [0.6, 0.95]},
    "adam_weight_decay": {"type": "adam", "lr": 0.03, "weight_decay": 0.3},
    "adam_eps": {"type": "adam", "lr": 0.1, "eps": 0.05},
    "adamw": {"type": "adamw", "lr": 0.05},
    "adamw_everything": {"type": "adamw", "lr": 0.04, "betas": [0.7, 0.9], "eps": 0.01, "weight_decay": 0.5},
}
OPTIMIZERS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


def rounded(x):
    return torch.round(x.detach(), decimals=7)


def moments(x):
    return {"mean": rounded(x).tolist(), "std": torch.zeros_like(x).tolist()}


def write(name, options):
    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 2)).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(rounded(parameter))
    init = {path: parameter.tolist() for path, parameter in net.named_parameters()}
    x, y = (rounded(torch.randn(10, n, dtype=torch.float64)) for n in (4, 2))
    rest = {key: value for key, value in options.items() if key != "type"}
    optimizer = OPTIMIZERS[options["type"]](net.parameters(), **rest)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(net(x), y)
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
    case = {
        "name": name, "kind": "statistical", "op": "training",
        "net": [{"layer": "linear", "in": 4, "out": 6}, {"layer": "tanh"}, {"layer": "linear", "in": 6, "out": 2}],
        "init": init, "config": {"forward": {"is_perfect": True}}, "loss": "mse", "optimizer": options,
        "inputs": x.tolist(), "targets": y.tolist(), "steps": STEPS, "repeats": 400,
        "expected": {
            "loss": moments(torch.tensor(losses, dtype=torch.float64)),
            "final": {path: moments(parameter) for path, parameter in net.named_parameters()},
        },
    }
    (FOLDER / f"{name}.json").write_text(json.dumps(case) + "\n")


FOLDER.mkdir(exist_ok=True)
for name, options in CASES.items():
    write(name, options)
