"""The task of crates/bench/src/linear_map.rs with the reference, with the same settings; for docs/results.md.

    OMP_NUM_THREADS=1 python peer_tiki_taka.py [STATES] [OFFSET] [STEPS] [LR]
"""
import sys

import torch
import torch.nn.functional as F

from aihwkit.nn import AnalogLinear
from aihwkit.optim import AnalogSGD
from aihwkit.simulator.configs import build_config
from aihwkit.simulator.configs.devices import SoftBoundsReferenceDevice

SIZE, EVERY = 20, 200
states, offset, steps, rate = (float(sys.argv[i]) if len(sys.argv) > i else value for i, value in
                               enumerate([20, 0.0, 20000, 0.02], 1))
for name in ["sgd", "ttv2", "c-ttv2", "agad"]:
    torch.manual_seed(1)
    goal = 0.3 * torch.randn(SIZE, SIZE).clamp(-2.0, 2.0)
    device = SoftBoundsReferenceDevice(dw_min=2.0 / states, w_max=1.0, w_min=-1.0, reference_std=offset,
                                       subtract_symmetry_point=True)
    layer = AnalogLinear(SIZE, SIZE, bias=False, rpu_config=build_config(name, device))
    optimizer = AnalogSGD(layer.parameters(), lr=rate)
    optimizer.regroup_param_groups(layer)
    curve = []
    for step in range(int(steps)):
        if step % EVERY == 0:
            curve.append(((layer.get_weights()[0] - goal).norm() / goal.norm()).item())
        x = torch.randn(1, SIZE)
        target = x @ goal.t() + 0.3 * torch.randn(1, SIZE)
        optimizer.zero_grad()
        F.mse_loss(layer(x), target).backward()
        optimizer.step()
    tail = curve[-(-9 * len(curve) // 10):]
    print(f"{name:>6}  error of the weights {100 * sum(tail) / len(tail):5.1f} %", flush=True)
