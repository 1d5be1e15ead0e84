"""Writes data/layers_more: layers and losses with options, as PyTorch computes them in f64.

Arguments stand in a case under PyTorch's names, numbers rounded to nine decimals; inputs and parameters are rounded before
the computation. Run it in its own folder, with PyTorch 2.10.
"""

import json
import pathlib
import zlib

import torch

FOLDER = pathlib.Path(__file__).parent / "data" / "layers_more"


class Attention(torch.nn.MultiheadAttention):
    """Attention of a sequence to itself."""

    def __init__(self, causal=False, **args):
        super().__init__(batch_first=True, **args)
        self.causal = causal

    def forward(self, x):
        time = x.shape[1]
        mask = torch.ones(time, time, dtype=torch.bool).triu(1) if self.causal else None
        return super().forward(x, x, x, need_weights=False, attn_mask=mask)[0]


LAYERS = {
    "linear": torch.nn.Linear,
    "flatten": torch.nn.Flatten,
    "leaky_relu": torch.nn.LeakyReLU,
    "elu": torch.nn.ELU,
    "gelu": torch.nn.GELU,
    "silu": torch.nn.SiLU,
    "softplus": torch.nn.Softplus,
    "sigmoid": torch.nn.Sigmoid,
    "softmax": lambda: torch.nn.Softmax(dim=-1),
    "log_softmax": lambda: torch.nn.LogSoftmax(dim=-1),
    "max_pool1d": torch.nn.MaxPool1d,
    "max_pool2d": torch.nn.MaxPool2d,
    "avg_pool1d": torch.nn.AvgPool1d,
    "avg_pool2d": torch.nn.AvgPool2d,
    "adaptive_avg_pool1d": torch.nn.AdaptiveAvgPool1d,
    "adaptive_avg_pool2d": torch.nn.AdaptiveAvgPool2d,
    "batch_norm1d": torch.nn.BatchNorm1d,
    "batch_norm2d": torch.nn.BatchNorm2d,
    "layer_norm": torch.nn.LayerNorm,
    "embedding": torch.nn.Embedding,
    "rnn": torch.nn.RNN,
    "lstm": torch.nn.LSTM,
    "gru": torch.nn.GRU,
    "attention": Attention,
    "transformer_encoder_layer": lambda **args: torch.nn.TransformerEncoderLayer(batch_first=True, dropout=0, **args),
    "conv1d": torch.nn.Conv1d,
    "conv2d": torch.nn.Conv2d,
    "conv3d": torch.nn.Conv3d,
}
LOSSES = {
    "mse": torch.nn.MSELoss,
    "l1": torch.nn.L1Loss,
    "huber": torch.nn.HuberLoss,
    "bce_with_logits": torch.nn.BCEWithLogitsLoss,
    "cross_entropy": torch.nn.CrossEntropyLoss,
    "nll": torch.nn.NLLLoss,
}


def rounded(x):
    return torch.round(x.detach(), decimals=9) if x.is_floating_point() else x.detach()


def normal(*shape, scale=1.0):
    return rounded(torch.randn(*shape, dtype=torch.float64) * scale)


def write(name, case):
    def numbers(x):
        if isinstance(x, torch.Tensor):
            return rounded(x).tolist()
        if isinstance(x, dict):
            return {key: numbers(value) for key, value in x.items()}
        return [numbers(value) for value in x] if isinstance(x, (list, tuple)) else x

    case = {"name": name, "kind": "exact", **numbers(case)}
    (FOLDER / f"{name}.json").write_text(json.dumps(case) + "\n")


def layer(name, kind, shape, mode="train", scale=1.0, initial_state=False, batches=0, rows=None, **args):
    torch.manual_seed(zlib.crc32(name.encode()))
    module = LAYERS[kind](**args).double().train(mode == "train")
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(normal(*parameter.shape, scale=0.5))
        for path, buffer in module.named_buffers():
            if path == "num_batches_tracked":
                buffer.fill_(batches)
            else:
                value = normal(*buffer.shape)
                buffer.copy_(rounded(value.exp()) if path == "running_var" else value)
        if kind == "embedding" and module.padding_idx is not None:
            module.weight[module.padding_idx] = 0
    state_dict = {path: value.clone() for path, value in module.state_dict().items()}
    x = normal(*shape, scale=scale) if rows is None else torch.randint(rows, shape)
    if rows is None:
        x.requires_grad_()
    first = []
    if initial_state:
        directions = 2 if module.bidirectional else 1
        batch = shape[0 if module.batch_first else 1]
        widths = [module.proj_size or module.hidden_size] + [module.hidden_size] * (kind == "lstm")
        first = [normal(module.num_layers * directions, batch, width).requires_grad_() for width in widths]
    if kind in ("rnn", "lstm", "gru"):
        y, last = module(x, (tuple(first) if kind == "lstm" else first[0]) if first else None)
        last = list(last) if kind == "lstm" else [last]
    else:
        y, last = module(x), []
    d = normal(*y.shape)
    y.backward(d)
    expected = {"output": y, "gradients": {path: p.grad for path, p in module.named_parameters()}}
    if rows is None:
        expected["input_gradient"] = x.grad
    if last:
        expected["state"] = last
    if first:
        expected["state_gradients"] = [part.grad for part in first]
    buffers = {path: value.double() for path, value in module.named_buffers()}
    if buffers:
        expected["buffers_after"] = buffers
    case = {"op": "layer", "layer": kind, "mode": mode, "args": args, "params": state_dict, "input": x}
    if first:
        case["initial_state"] = first
    write(name, {**case, "output_gradient": d, "expected": expected})


def loss(name, kind, shape, scale=1.0, **args):
    torch.manual_seed(zlib.crc32(name.encode()))
    x = normal(*shape, scale=scale).requires_grad_()
    if kind in ("cross_entropy", "nll"):
        target = torch.randint(shape[1], shape[:1])
    else:
        target = rounded(torch.rand(*shape, dtype=torch.float64)) if "bce" in kind else normal(*shape)
    value = LOSSES[kind](**args)(x, target)
    value.backward()
    expected = {"loss": value, "input_gradient": x.grad}
    write(name, {"op": "loss", "loss": kind, "args": args, "input": x, "target": target, "expected": expected})


def main():
    layer("linear", "linear", (3, 5), in_features=5, out_features=4)
    layer("linear_three_axes_no_bias", "linear", (2, 3, 5), in_features=5, out_features=4, bias=False)
    layer("flatten", "flatten", (2, 3, 4))
    layer("leaky_relu_slope", "leaky_relu", (4, 6), negative_slope=0.3)
    layer("elu_alpha", "elu", (4, 6), alpha=0.5)
    for kind in ("elu", "gelu", "silu", "softplus", "sigmoid", "softmax", "log_softmax"):
        layer(f"{kind}_wide", kind, (6, 9), scale=15.0)
    layer("softmax_three_axes", "softmax", (2, 3, 4))

    layer("max_pool1d_dilation", "max_pool1d", (2, 3, 13), kernel_size=3, stride=2, padding=1, dilation=2)
    layer("max_pool1d_ceil", "max_pool1d", (2, 3, 12), kernel_size=3, stride=2, ceil_mode=True)
    layer("max_pool1d_gaps", "max_pool1d", (2, 3, 12), kernel_size=2, stride=5)
    layer(
        "max_pool2d_everything", "max_pool2d", (2, 3, 10, 9),
        kernel_size=[3, 2], stride=[2, 3], padding=[1, 1], dilation=[2, 1], ceil_mode=True,
    )
    layer("max_pool2d_ceil_padding", "max_pool2d", (2, 2, 8, 8), kernel_size=4, stride=3, padding=2, ceil_mode=True)
    for counted in (True, False):
        ending = "counted" if counted else "not_counted"
        options = {"count_include_pad": counted}
        layer(f"avg_pool1d_padding_{ending}", "avg_pool1d", (2, 3, 11), kernel_size=4, stride=2, padding=2, **options)
        layer(
            f"avg_pool1d_ceil_{ending}", "avg_pool1d", (2, 3, 11),
            kernel_size=4, stride=3, padding=1, ceil_mode=True, **options,
        )
        layer(
            f"avg_pool2d_everything_{ending}", "avg_pool2d", (2, 3, 9, 8),
            kernel_size=[3, 4], stride=[2, 3], padding=[1, 2], ceil_mode=True, **options,
        )
    layer("adaptive_avg_pool1d", "adaptive_avg_pool1d", (2, 3, 10), output_size=4)
    layer("adaptive_avg_pool1d_more_than_there_are", "adaptive_avg_pool1d", (2, 3, 5), output_size=7)
    layer("adaptive_avg_pool2d_uneven", "adaptive_avg_pool2d", (2, 3, 7, 8), output_size=[3, 5])
    layer("adaptive_avg_pool2d_one", "adaptive_avg_pool2d", (2, 3, 7, 8), output_size=1)

    layer("batch_norm1d_no_affine", "batch_norm1d", (6, 4), num_features=4, affine=False)
    layer("batch_norm1d_three_axes", "batch_norm1d", (3, 4, 5), num_features=4, momentum=0.3, eps=1e-3, batches=2)
    layer("batch_norm1d_eval_three_axes", "batch_norm1d", (3, 4, 5), mode="eval", num_features=4, eps=1e-2)
    layer("batch_norm1d_cumulative_first", "batch_norm1d", (6, 4), num_features=4, momentum=None)
    layer("batch_norm2d_cumulative", "batch_norm2d", (2, 3, 4, 5), num_features=3, momentum=None, batches=6)
    layer("batch_norm2d_cumulative_eval", "batch_norm2d", (2, 3, 4, 5), mode="eval", num_features=3, momentum=None, batches=6)
    layer("batch_norm2d_no_affine_eval", "batch_norm2d", (2, 3, 4, 5), mode="eval", num_features=3, affine=False)
    for mode in ("train", "eval"):
        layer(f"batch_norm2d_untracked_{mode}", "batch_norm2d", (2, 3, 4, 5), mode=mode, num_features=3, track_running_stats=False)
    layer("batch_norm1d_bare", "batch_norm1d", (6, 4), num_features=4, affine=False, track_running_stats=False)

    layer("layer_norm_two_axes", "layer_norm", (2, 3, 4, 5), normalized_shape=[4, 5])
    layer("layer_norm_no_affine", "layer_norm", (4, 6), normalized_shape=[6], elementwise_affine=False, eps=1e-3)
    layer("layer_norm_no_bias", "layer_norm", (4, 6), normalized_shape=6, bias=False)
    layer("embedding_padding", "embedding", (3, 6), rows=7, num_embeddings=7, embedding_dim=3, padding_idx=2)
    layer("embedding_three_axes", "embedding", (2, 3, 4), rows=5, num_embeddings=5, embedding_dim=2)

    sizes = {"input_size": 3, "hidden_size": 4}
    for kind in ("rnn", "lstm", "gru"):
        layer(f"{kind}_no_bias", kind, (5, 2, 3), **sizes, bias=False)
        layer(f"{kind}_time_first", kind, (5, 2, 3), initial_state=True, **sizes)
        layer(f"{kind}_one_step", kind, (2, 1, 3), initial_state=True, **sizes, batch_first=True)
        layer(
            f"{kind}_everything", kind, (2, 4, 3), initial_state=True,
            **sizes, num_layers=2, bidirectional=True, batch_first=True, bias=kind != "gru",
        )
        layer(f"{kind}_three_layers", kind, (4, 2, 3), **sizes, num_layers=3)
    layer("rnn_relu_bidirectional", "rnn", (5, 2, 3), **sizes, nonlinearity="relu", bidirectional=True, initial_state=True)
    layer("lstm_projection", "lstm", (5, 2, 3), **sizes, proj_size=2)
    layer(
        "lstm_projection_everything", "lstm", (2, 4, 3), initial_state=True,
        **sizes, proj_size=3, num_layers=2, bidirectional=True, batch_first=True,
    )

    layer("attention", "attention", (2, 5, 6), embed_dim=6, num_heads=2)
    layer("attention_causal", "attention", (3, 4, 6), embed_dim=6, num_heads=3, causal=True)
    layer("attention_wide", "attention", (2, 5, 4), scale=20.0, embed_dim=4, num_heads=1, bias=False)
    block = {"d_model": 6, "nhead": 2, "dim_feedforward": 7}
    layer("transformer_encoder_layer", "transformer_encoder_layer", (2, 5, 6), **block)
    layer(
        "transformer_encoder_layer_norm_first", "transformer_encoder_layer", (2, 5, 6),
        **block, activation="gelu", norm_first=True, layer_norm_eps=1e-3,
    )

    channels = {"in_channels": 4, "out_channels": 6}
    layer("conv1d_same_size", "conv1d", (2, 4, 9), **channels, kernel_size=5, padding=4, dilation=2)
    layer("conv1d_depthwise", "conv1d", (2, 4, 9), in_channels=4, out_channels=4, kernel_size=3, groups=4, padding=1)
    layer("conv1d_channel_multiplier", "conv1d", (2, 3, 9), in_channels=3, out_channels=9, kernel_size=2, groups=3, stride=3)
    layer("conv2d_one_by_one", "conv2d", (2, 4, 3, 5), **channels, kernel_size=1)
    layer("conv2d_one_by_one_strided", "conv2d", (2, 4, 5, 5), **channels, kernel_size=1, stride=2, bias=False)
    layer(
        "conv2d_dilated_groups", "conv2d", (2, 4, 8, 7),
        **channels, kernel_size=[3, 2], dilation=[2, 3], padding=[2, 1], groups=2,
    )
    layer("conv2d_more_padding_than_input", "conv2d", (1, 2, 2, 3), in_channels=2, out_channels=2, kernel_size=3, padding=3)
    layer("conv2d_stride_beyond_kernel", "conv2d", (2, 4, 9, 9), **channels, kernel_size=2, stride=[4, 3])
    layer(
        "conv3d_everything", "conv3d", (2, 4, 5, 6, 4),
        **channels, kernel_size=[2, 3, 1], stride=[1, 2, 2], padding=[1, 2, 0], dilation=[2, 1, 1], groups=2, bias=False,
    )

    for kind in ("mse", "l1", "huber", "bce_with_logits"):
        loss(f"{kind}_three_axes", kind, (2, 3, 4))
    loss("huber_delta", "huber", (5, 4), scale=2.0, delta=0.4)
    loss("bce_with_logits_wide", "bce_with_logits", (5, 4), scale=40.0)
    loss("cross_entropy_wide", "cross_entropy", (7, 5), scale=40.0)
    loss("cross_entropy_one_row", "cross_entropy", (1, 9))
    loss("nll_more_rows", "nll", (11, 3))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    torch.set_default_dtype(torch.float64)
    main()
