"""Writes data/layers_random: layers under options, shapes and layouts drawn at random, as PyTorch computes them in f64.

Run it in its own folder, with PyTorch 2.10: `python make_random_layers.py [CASES [SEED [FOLDER]]]`. What PyTorch refuses is
left out; everything else must agree.
"""

import pathlib
import random
import sys

import make_layers

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 120
DRAW = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
FOLDER = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else pathlib.Path(__file__).parent / "data" / "layers_random"

make_layers.FOLDER = FOLDER
torch = make_layers.torch
for axes in (1, 2, 3):
    for kind in ("MaxPool", "AvgPool", "AdaptiveAvgPool", "BatchNorm"):
        name = {"MaxPool": "max_pool", "AvgPool": "avg_pool", "AdaptiveAvgPool": "adaptive_avg_pool", "BatchNorm": "batch_norm"}[kind]
        make_layers.LAYERS[f"{name}{axes}d"] = getattr(torch.nn, f"{kind}{axes}d")


def chance(p=0.5):
    return DRAW.random() < p


def upto(n, least=1):
    return DRAW.randint(least, n)


def each(axes, draw):
    return [draw() for _ in range(axes)] if axes > 1 and chance() else draw()


def batch():
    """The batch axis, or none."""
    return DRAW.choice([[], [1], [2], [2], [3]])


def pool(kind, axes):
    args = {"kernel_size": each(axes, lambda: upto(4)), "ceil_mode": chance()}
    if chance():
        args["stride"] = each(axes, lambda: upto(4))
    smallest = min(args["kernel_size"]) if isinstance(args["kernel_size"], list) else args["kernel_size"]
    args["padding"] = each(axes, lambda: upto(smallest // 2, 0))
    if kind == "max_pool" and chance():
        args["dilation"] = each(axes, lambda: upto(2))
    if kind == "avg_pool":
        args["count_include_pad"] = chance()
    return [upto(2)] + [upto(8) for _ in range(axes)], args


def conv(axes):
    groups = DRAW.choice([1, 1, 2, 3])
    ins, outs = groups * upto(2), groups * upto(2)
    args = {
        "in_channels": ins, "out_channels": outs, "groups": groups, "bias": chance(0.7),
        "kernel_size": each(axes, lambda: upto(3)), "stride": each(axes, lambda: upto(3)),
        "padding": each(axes, lambda: upto(2, 0)), "dilation": each(axes, lambda: upto(2)),
    }
    return [ins] + [upto(7) for _ in range(axes)], args


def recurrent(kind):
    batch_first = chance()
    ins, hidden = upto(3), upto(4)
    args = {
        "input_size": ins, "hidden_size": hidden, "num_layers": upto(2), "bias": chance(0.7),
        "batch_first": batch_first, "bidirectional": chance(),
    }
    if kind == "lstm" and hidden > 1 and chance():
        args["proj_size"] = upto(hidden - 1)
    if kind == "rnn" and chance():
        args["nonlinearity"] = "relu"
    samples, time = batch(), [upto(4)]
    shape = (samples + time if batch_first else time + samples) + [ins]
    return shape, args, bool(samples) and chance()


def draw():
    axes = upto(3)
    kind = DRAW.choice(["pool", "pool", "conv", "conv", "recurrent", "recurrent", "linear", "norm", "embedding", "adaptive"])
    extra = {}
    if kind == "pool":
        kind = DRAW.choice(["max_pool", "avg_pool"])
        shape, args = pool(kind, axes)
        return f"{kind}{axes}d", batch() + shape, args, extra
    if kind == "conv":
        shape, args = conv(axes)
        return f"conv{axes}d", batch() + shape, args, extra
    if kind == "recurrent":
        kind = DRAW.choice(["rnn", "lstm", "gru"])
        shape, args, extra["initial_state"] = recurrent(kind)
        return kind, shape, args, extra
    if kind == "linear":
        ins = upto(5)
        shape = DRAW.choice([[], [2], [2, 3], [1, 2, 2]]) + [ins]
        return kind, shape, {"in_features": ins, "out_features": upto(4), "bias": chance(0.7)}, extra
    if kind == "embedding":
        rows = upto(6)
        args = {"num_embeddings": rows, "embedding_dim": upto(3)}
        if chance():
            args["padding_idx"] = upto(rows) - 1
        extra["rows"] = rows
        return kind, DRAW.choice([[3], [2, 3], [2, 1, 2]]), args, extra
    if kind == "adaptive":
        shape = batch() + [upto(2)] + [upto(7) for _ in range(axes)]
        return f"adaptive_avg_pool{axes}d", shape, {"output_size": each(axes, lambda: upto(5))}, extra
    if chance():
        shape = [upto(3) for _ in range(upto(4))]
        last = upto(len(shape))
        return "layer_norm", shape, {"normalized_shape": shape[-last:], "elementwise_affine": chance(0.7), "eps": 1e-3}, extra
    features = upto(3)
    shape = [upto(4, 2), features] + [upto(3) for _ in range(axes)]
    if axes == 1 and chance():
        shape = shape[:2]
    args = {"num_features": features, "affine": chance(0.7), "track_running_stats": chance(0.7)}
    if chance():
        args["momentum"] = DRAW.choice([0.3, None])
    extra["mode"] = DRAW.choice(["train", "eval"])
    return f"batch_norm{axes}d", shape, args, extra


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.json"):
        old.unlink()
    written = refused = 0
    while written < COUNT:
        kind, shape, args, extra = draw()
        try:
            make_layers.layer(f"{written:04}_{kind}", kind, tuple(shape), **extra, **args)
        except (RuntimeError, ValueError):
            refused += 1
            continue
        written += 1
    print(f"{written} cases; PyTorch refused {refused} more")


main()
