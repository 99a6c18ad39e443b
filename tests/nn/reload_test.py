"""Rebuilds models/*.json in PyTorch, loads what Starling wrote and compares the logits.

usage: reload_test.py FOLDER MODELS, where FOLDER holds NAME.safetensors and NAME.io.safetensors
(tensors "input" and "logits") for each model of MODELS. Writes NAME.python.safetensors, the same
state as Python's safetensors package stores it.
"""

import json
import math
import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file
from torch import nn

TOLERANCE = 1e-5


class Embedding(nn.Embedding):
    def forward(self, tokens):
        return super().forward(tokens.long())


class LastLstm(nn.LSTM):
    def forward(self, sequence):
        return super().forward(sequence)[0][:, -1]


class PositionEmbedding(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape))

    def forward(self, sequence):
        return sequence + self.weight[: sequence.shape[1]]


class Mean(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, values):
        return values.mean(self.dim)


class Residual(nn.Module):
    def __init__(self, layers, shortcut):
        super().__init__()
        self.layers = layers
        if shortcut:
            self.shortcut = shortcut

    def forward(self, values):
        other = self.shortcut(values) if hasattr(self, "shortcut") else values
        return self.layers(values) + other


def layer(options, prefix, state):
    """One layer; sizes that the JSON leaves out are read from the state's shapes."""
    options = dict(options)
    kind = options.pop("kind")
    shape = lambda name: state[f"{prefix}.{name}"].shape
    if kind == "linear":
        outputs, inputs = shape("weight")
        return nn.Linear(inputs, outputs, bias=f"{prefix}.bias" in state)
    if kind == "conv2d":
        return nn.Conv2d(shape("weight")[1], **options)
    if kind == "group_norm":
        return nn.GroupNorm(num_channels=shape("weight")[0], **options)
    if kind == "max_pool2d":
        return nn.MaxPool2d(**options)
    if kind == "adaptive_avg_pool2d":
        return nn.AdaptiveAvgPool2d(**options)
    if kind == "embedding":
        return Embedding(**options)
    if kind == "position_embedding":
        return PositionEmbedding(shape("weight"))
    if kind == "lstm" and options.pop("output") == "last":
        return LastLstm(shape("weight_ih_l0")[1], batch_first=True, **options)
    if kind == "transformer_encoder_layer":
        return nn.TransformerEncoderLayer(shape("norm1.weight")[0], batch_first=True, **options)
    if kind == "mean":
        return Mean(**options)
    if kind == "residual":
        return Residual(
            sequential(options["layers"], f"{prefix}.layers.", state),
            sequential(options.get("shortcut", []), f"{prefix}.shortcut.", state),
        )
    return {"flatten": nn.Flatten, "relu": nn.ReLU, "tanh": nn.Tanh}[kind](**options)


def sequential(layers, prefix, state):
    return nn.Sequential(*(layer(o, f"{prefix}{i}", state) for i, o in enumerate(layers)))


def difference(folder, description):
    name = description["name"]
    state = load_file(folder / f"{name}.safetensors")
    model = sequential(description["layers"], "", state)
    model.load_state_dict(state, strict=True)
    model.eval()
    save_file(model.state_dict(), folder / f"{name}.python.safetensors")
    expected = load_file(folder / f"{name}.io.safetensors")
    with torch.no_grad():
        return (model(expected["input"]) - expected["logits"]).abs().max().item()


def main():
    folder, models = map(pathlib.Path, sys.argv[1:])
    failed = False
    for path in sorted(models.glob("*.json")):
        largest = difference(folder, json.loads(path.read_text()))
        passed = math.isfinite(largest) and largest <= TOLERANCE
        failed = failed or not passed
        print(f"{'ok' if passed else 'FAILED'} {path.stem}: largest difference {largest:.1e}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
