"""Writes the cases of data/straight_through: gradients of TorchInferenceRPUConfig, without noise.

Usage: python make_straight_through.py data/straight_through

Made with aihwkit 1.1.0 and PyTorch 2.10. Rows go through the layer one by one, because its bound management repeats a
whole batch together. Gradients of the weights are those of the logical weight W = s·w: the reference's, which it divides
by s², times s.
"""

import json
import sys
from pathlib import Path

import torch
from aihwkit.nn import AnalogLinear
from aihwkit.simulator.configs import TorchInferenceRPUConfig
from aihwkit.simulator.parameters.enums import BoundManagementType, NoiseManagementType

QUIET = {"out_noise": 0.0}

CASES = {
    "default": {},
    "no_management": {"forward": {"noise_management": "NONE", "bound_management": "NONE"}},
    "constant": {"forward": {"noise_management": "CONSTANT", "nm_thres": 1.5, "inp_res": 0.1}},
    "max": {"forward": {"noise_management": "MAX", "bound_management": "NONE", "inp_res": 0.03}},
    "capped": {"forward": {"nm_thres": 1.0}},
    "small_bounds": {"forward": {"out_bound": 1.0, "bound_management": "NONE"}},
    "iterative": {"forward": {"out_bound": 1.0, "out_res": 0.02}},
    "coarse_inputs": {"forward": {"inp_res": 0.35}},
    "no_converters": {"forward": {"inp_res": -1.0, "out_res": -1.0, "out_bound": -1.0}},
    "asymmetric": {"forward": {"inp_asymmetry": 0.2, "out_asymmetry": 0.1, "out_bound": 2.0, "bound_management": "NONE"}},
    "unscaled_small_range": {"forward": {"noise_management": "NONE", "inp_bound": 0.6, "bound_management": "NONE"}},
    "out_scale": {"forward": {"out_scale": 0.7}},
    "perfect": {"forward": {"is_perfect": True}},
    "mapped": {"mapping": {"weight_scaling_omega": 0.6, "weight_scaling_columnwise": True}},
    "mapped_layerwise": {
        "mapping": {"weight_scaling_omega": 1.0},
        "forward": {"out_bound": 1.5, "bound_management": "NONE"},
    },
    "input_range": {
        "forward": {"noise_management": "NONE", "bound_management": "NONE", "out_bound": 2.0},
        "range": {"init_from_data": 0, "init_value": 1.2, "input_min_percentage": 0.5},
    },
    "input_range_wide": {
        "forward": {"noise_management": "NONE", "bound_management": "NONE"},
        "mapping": {"weight_scaling_omega": 0.8, "weight_scaling_columnwise": True},
        "range": {"init_from_data": 0, "init_value": 4.0, "decay": 0.02, "gradient_scale": 0.5},
    },
    "input_range_managed": {
        "range": {"init_from_data": 0, "init_value": 0.8, "gradient_relative": False},
    },
    "tiles": {"mapping": {"weight_scaling_omega": 0.6, "max_input_size": 4, "max_output_size": 3}, "forward": {"out_bound": 1.0}},
}


def config_of(case):
    config = TorchInferenceRPUConfig()
    for field, value in {**QUIET, **case.get("forward", {})}.items():
        if field == "noise_management":
            value = NoiseManagementType[value]
        if field == "bound_management":
            value = BoundManagementType[value]
        setattr(config.forward, field, value)
    for field, value in case.get("mapping", {}).items():
        setattr(config.mapping, field, value)
    if "range" in case:
        config.pre_post.input_range.enable = True
        for field, value in case["range"].items():
            setattr(config.pre_post.input_range, field, value)
    return config


def numbers(tensor):
    return tensor.detach().double().tolist()


def run(name, case):
    torch.manual_seed(sum(map(ord, name)))
    ins, outs, rows = 6, 5, 7
    w = torch.randn(outs, ins) * 0.5
    x, d = torch.randn(rows, ins), torch.randn(rows, outs)
    layer = AnalogLinear(ins, outs, bias=False, rpu_config=config_of(case))
    layer.set_weights(w)
    layer.train()
    tiles = list(layer.analog_tiles())
    outputs, of_inputs = [], []
    # The decay of a range is added once per call; one call is only possible where nothing is repeated together.
    batches = [slice(0, rows)] if "range" in case and "NONE" == case.get("forward", {}).get("bound_management") else [
        slice(i, i + 1) for i in range(rows)
    ]
    for batch in batches:
        part = x[batch].clone().requires_grad_()
        y = layer(part)
        y.backward(d[batch])
        outputs.append(y)
        of_inputs.append(part.grad)
    grads = []
    for tile in tiles:
        s = tile.get_mapping_scales()
        grad = tile.tile.weight.grad
        grads.append(grad if s is None else grad * s.view(-1, 1))
    if len(tiles) == 1:
        of_weights = grads[0]
    else:
        # Tiles are ordered by inputs, then outputs.
        count = -(-outs // case["mapping"]["max_output_size"])
        columns = [torch.cat(grads[i : i + count]) for i in range(0, len(grads), count)]
        of_weights = torch.cat(columns, 1)
    expected = {
        "outputs": numbers(torch.cat(outputs)),
        "input_gradient": numbers(torch.cat(of_inputs)),
        "weight_gradient": numbers(of_weights),
    }
    if "range" in case:
        expected["range_gradient"] = [tile.input_range.grad.item() for tile in tiles]
    return {
        "name": f"straight_through_{name}",
        "kind": "exact",
        "op": "straight_through",
        "params": {
            "forward": {**QUIET, **case.get("forward", {})},
            "mapping": case.get("mapping", {}),
            "input_range": case.get("range"),
        },
        "calls": len(batches),
        "inputs": {"weights": numbers(w), "inputs": numbers(x), "output_gradient": numbers(d)},
        "expected": expected,
    }


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, case in CASES.items():
        (folder / f"{name}.json").write_text(json.dumps(run(name, case)) + "\n")
