"""Reads with time-dependent IR drop, as the reference simulator (aihwkit 1.1.0, torch 2.10, on a processor with fused
multiplication) computes them.

    python make_ir_drop_t.py FOLDER [--random N]

writes the cases that are kept in data/ir_drop_t, or N random ones for a closer look. Each row is read by itself: the
reference repeats a whole batch where one row hits the bound. An odd number of outputs is not possible there; a further
output of zero weights is, and is left out of the case.
"""

import argparse
import json
import pathlib
import random

import torch
from aihwkit.inference import PCMLikeNoiseModel
from aihwkit.inference.converter.conductance import (
    CustomPairConductanceConverter,
    NPairConductanceConverter,
    SinglePairConductanceConverter,
)
from aihwkit.nn import AnalogLinear
from aihwkit.simulator.configs import TorchInferenceRPUConfigIRDropT
from aihwkit.simulator.parameters.enums import (
    AnalogMVType,
    BoundManagementType,
    NoiseManagementType,
)

ENUMS = {
    "mv_type": AnalogMVType,
    "bound_management": BoundManagementType,
    "noise_management": NoiseManagementType,
}
CONVERTERS = {
    "SinglePairConductanceConverter": SinglePairConductanceConverter,
    "NPairConductanceConverter": NPairConductanceConverter,
    "CustomPairConductanceConverter": CustomPairConductanceConverter,
}
QUIET = {"out_noise": 0.0, "bound_management": "NONE"}


def layer(config, outs, ins):
    rpu = TorchInferenceRPUConfigIRDropT()
    forward = dict(config["forward"])
    timed = forward.pop("ir_drop_t")
    for field, value in {**forward, **timed}.items():
        assert hasattr(rpu.forward, field), field
        setattr(rpu.forward, field, ENUMS[field][value] if field in ENUMS else value)
    for field, value in config.get("mapping", {}).items():
        assert hasattr(rpu.mapping, field), field
        setattr(rpu.mapping, field, value)
    converter = config.get("noise_model", {}).get("g_converter")
    if converter is not None:
        arguments = dict(converter)
        rpu.noise_model = PCMLikeNoiseModel(g_converter=CONVERTERS[arguments.pop("type")](**arguments))
    return AnalogLinear(ins, outs, bias=False, rpu_config=rpu).eval()


def read(config, weights, inputs, repeats=1):
    outs, ins = weights.shape
    even = outs + outs % 2
    padded = torch.zeros(even, ins)
    padded[:outs] = weights
    net = layer(config, even, ins)
    net.set_weights(padded, None)
    with torch.no_grad():
        draws = [torch.cat([net(row[None, :].clone()) for row in inputs])[:, :outs] for _ in range(repeats)]
    return torch.stack(draws)


def case(name, config, outs, ins, rows=3, repeats=None, seed=0, scale=0.3):
    torch.manual_seed(seed)
    weights = scale * torch.randn(outs, ins)
    inputs = torch.randn(rows, ins)
    if config["forward"].get("noise_management") in ("NONE", "CONSTANT"):
        inputs = 0.4 * inputs
    content = {"name": name, "op": "ir_drop_t", "kind": "statistical" if repeats else "exact", "config": config}
    content |= {"weights": weights.tolist(), "inputs": inputs.tolist()}
    draws = read(config, weights, inputs, repeats or 1)
    if repeats:
        content |= {"repeats": repeats, "mean": draws.double().mean(0).tolist(), "std": draws.double().std(0).tolist()}
    else:
        content["expected"] = draws[0].tolist()
    return content


def config(forward=(), timed=(), mapping=(), converter=None):
    made = {"forward": {**QUIET, **dict(forward), "ir_drop_t": dict(timed)}}
    if mapping:
        made["mapping"] = dict(mapping)
    if converter:
        made["noise_model"] = {"type": "PCMLikeNoiseModel", "g_converter": converter}
    return made


def kept():
    small, table = {"max_input_size": 64}, [2.0, 4.0, 6.0, 14.0, 22.0]
    split, bits = {"mv_type": "SPLIT_MODE"}, {"mv_type": "BIT_WISE"}
    exact = {"out_res": -1.0, "out_bound": -1.0}
    single = {"type": "SinglePairConductanceConverter", "g_max": 40.0, "g_min": 1.5}
    pairs = {"type": "NPairConductanceConverter", "f_lst": [1.0, 3.0], "g_max": 25.0, "g_min": 0.1}
    own = {"type": "CustomPairConductanceConverter", "f_lst": [1.0], "g_max": 25.0}
    own["g_lst"] = [table, list(reversed(table))]
    yield case("default", config(mapping=small), 6, 64)
    yield case("full_size", config(), 2, 300, rows=2)
    yield case("no_ticks", config(exact, {"adc_quantization": False}, small), 5, 33)
    yield case("plain_sum", config(exact, {"adc_quantization": False, "ir_drop_integration_sum": True}, small), 4, 50)
    yield case("strong_wires", config(exact, {"ir_drop": 20.0, "adc_quantization": False}, small), 4, 50)
    yield case("all_segments", config(exact, {"ir_drop_segments": 64, "ir_drop": 5.0}, small), 4, 40)
    yield case("unlimited_size", config(exact, {"ir_drop_segments": 4}, {"max_input_size": 0}), 4, 36)
    yield case("two_tiles", config((), {"ir_drop_segments": 4}, {"max_input_size": 32}), 4, 50)
    yield case("no_wires", config((), {"ir_drop": 0.0, **split}, small), 4, 50)
    yield case("v_read", config(exact, {"ir_drop_v_read": 0.41}, small), 4, 50)
    yield case("adc_frequency", config((), {"adc_frequency": 1.7}, small), 4, 50)
    yield case("resolution", config(exact, {"ir_drop_time_step_resolution_scale": 0.5}, small), 4, 50)
    yield case("split", config((), split, small), 6, 61)
    yield case("split_by_5", config(exact, {**split, "split_mode_bit_shift": 5}, small), 4, 50)
    yield case("split_by_0", config(exact, {**split, "split_mode_bit_shift": 0}, small), 4, 50)
    yield case("split_9_bits", config({"inp_res": 510.0}, {**split, "split_mode_bit_shift": 4}, small), 4, 50)
    yield case("bit_wise", config((), bits, small), 5, 57)
    yield case("bit_wise_5_bits", config({"inp_res": 30.0, **exact}, bits, small), 4, 50)
    yield case("not_managed", config({"noise_management": "NONE"}, split, small), 4, 50)
    yield case("constant_scale", config({"noise_management": "CONSTANT", "nm_thres": 0.7}, (), small), 4, 50)
    yield case("wide_inputs", config({"noise_management": "NONE", "inp_bound": 0.5}, (), small), 4, 50)
    bound = {"bound_management": "ITERATIVE", "out_bound": 1.0}
    yield case("bound_management", config(bound, (), small), 4, 50)
    yield case("bound_management_split", config({**bound, "out_bound": 0.7}, split, small), 4, 50)
    asymmetric = {"inp_asymmetry": 0.1, "out_asymmetry": 0.05, "out_scale": 1.5}
    yield case("asymmetry", config(asymmetric, split, small), 4, 50)
    yield case("g_range", config((), (), small, single), 4, 50)
    yield case("two_pairs", config((), split, small, pairs), 4, 50)
    yield case("custom_pair", config(exact, (), small, own), 4, 50)
    noisy = {"apply_xdep_pcm_read_noise": True, "adc_quantization": False}
    little = {"max_input_size": 16}
    yield case("read_noise", config(exact, noisy, little), 2, 11, rows=2, repeats=4000)
    yield case("read_noise_split", config(exact, {**noisy, **split, "xdep_pcm_read_noise_scale": 2.0}, little), 2, 11, rows=2, repeats=4000)
    yield case("read_noise_no_wires", config(exact, {**noisy, "ir_drop": 0.0}, little), 2, 11, rows=1, repeats=4000)
    yield case("out_noise_bit_wise", config({"out_noise": 0.06}, bits, little), 2, 11, rows=1, repeats=4000)


def at_random(n):
    for i in range(n):
        rng = random.Random(i)
        mapping = {"max_input_size": rng.choice([16, 32, 64, 128, 512])}
        timed = {
            "mv_type": rng.choice(["ONE_PASS", "SPLIT_MODE", "BIT_WISE"]),
            "ir_drop": rng.choice([0.0, 1.0, 1.0, 4.0]),
            "ir_drop_rs": rng.choice([0.15, 0.35]),
            "ir_drop_segments": rng.choice([1, 4, 8, 16]),
            "ir_drop_v_read": rng.choice([0.4, 0.4005, 0.39]),
            "ir_drop_integration_sum": rng.random() < 0.3,
            "adc_quantization": rng.random() < 0.5,
            "adc_frequency": rng.choice([6.24, 3.0]),
            "split_mode_bit_shift": rng.choice([0, 1, 2, 3, 4]),
        }
        forward = {
            "inp_res": rng.choice([1 / 126, 126.0, 254.0, 62.0, 1 / 30]),
            "out_res": rng.choice([-1.0, 1 / 510, 254.0]),
            "noise_management": rng.choice(["ABS_MAX", "NONE", "CONSTANT"]),
            "bound_management": rng.choice(["NONE", "ITERATIVE"]),
            "out_bound": rng.choice([12.0, 3.0]),
        }
        converter = None
        if rng.random() < 0.5:
            g_min = rng.choice([0.0, 0.5, 3.0])
            converter = {"type": "SinglePairConductanceConverter", "g_max": rng.choice([5.0, 20.0, 90.0]), "g_min": g_min}
        elif rng.random() < 0.3:
            converter = {"type": "NPairConductanceConverter", "f_lst": [1.0, rng.choice([2.0, 0.3])], "g_max": 30.0}
        ins = rng.randint(1, 2 * mapping["max_input_size"])
        while mapping["max_input_size"] * -(-ins // mapping["max_input_size"]) - ins == 1:
            ins = rng.randint(1, 2 * mapping["max_input_size"])
        parts = -(-ins // mapping["max_input_size"])
        if any(mapping["max_input_size"] - size == 1 for size in (ins // parts, -(-ins // parts))):
            continue
        yield case(f"random_{i:03}", config(forward, timed, mapping, converter), rng.randint(1, 9), ins, seed=i)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--random", type=int, default=0)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for content in at_random(arguments.random) if arguments.random else kept():
        text = json.dumps(content)
        (arguments.folder / f"{content['name']}.json").write_text(text + "\n")
        print(content["name"])


main()
