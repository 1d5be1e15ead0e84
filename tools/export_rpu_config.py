"""Writes an aihwkit RPU configuration as JSON that ohmgrad reads, with every field in full.

From a program:

    from export_rpu_config import export
    export(rpu_config, "chip.json")

From a shell, for a name in a file or module (a configuration, or a class or function that makes one):

    python export_rpu_config.py experiment.py:rpu_config -o chip.json
    python export_rpu_config.py aihwkit.simulator.presets:StandardHWATrainingPreset

Read it with `RpuConfig::from_aihwkit` of the crate ohmgrad-aihwkit, or turn it into TOML:

    cargo run --release -- import chip.json

The text that `print(rpu_config)` gives can be read too, but it rounds conductance converters to two decimals and
leaves out their coefficients.
"""

import argparse
import dataclasses
import enum
import importlib
import importlib.util
import json
import math
import os
import sys

# Attributes that calls leave in an object, and that are no parameters.
LEFT_BEHIND = {"scale_ratio"}


def node(value):
    """A value as JSON: objects with their class, enumerations as the name of the member."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else repr(float(value))
    if isinstance(value, (list, tuple)):
        return [node(item) for item in value]
    if isinstance(value, dict):
        return {"entries": [[node(key), node(item)] for key, item in value.items()]}
    if hasattr(value, "tolist"):  # arrays and tensors
        return node(value.tolist())
    if isinstance(value, type) or callable(value):
        return {"opaque": repr(value)}
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        # Attributes that are not fields of the class; the import lists them as notes.
        names += [name for name in vars(value) if name not in names]
    else:
        names = list(vars(value))
    bases = [base.__name__ for base in type(value).__mro__[1:] if base is not object]
    fields = {name: node(getattr(value, name)) for name in names if hasattr(value, name) and name not in LEFT_BEHIND}
    return {"class": type(value).__name__, "bases": bases, "fields": fields}


def document(rpu_config):
    """The whole file as a dictionary."""
    from aihwkit.version import __version__

    return {"aihwkit": __version__, "rpu_config": node(rpu_config)}


def export(rpu_config, path):
    """Writes the configuration to a file."""
    text = json.dumps(document(rpu_config), indent=1, allow_nan=False)
    unfinished = f"{path}.tmp"
    with open(unfinished, "w", encoding="utf-8") as file:
        file.write(text + "\n")
    os.replace(unfinished, path)


def find(name):
    """The configuration that `module:name` or `file.py:name` says."""
    place, _, attribute = name.rpartition(":")
    if not place:
        sys.exit(f"{name}: expected MODULE:NAME or FILE.py:NAME")
    if place.endswith(".py"):
        spec = importlib.util.spec_from_file_location("configured", place)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(place)
    found = getattr(module, attribute)
    return found() if callable(found) else found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="MODULE:NAME or FILE.py:NAME")
    parser.add_argument("-o", "--output", help="the file to write; standard output otherwise")
    arguments = parser.parse_args()
    rpu_config = find(arguments.name)
    if arguments.output:
        export(rpu_config, arguments.output)
    else:
        print(json.dumps(document(rpu_config), indent=1, allow_nan=False))


if __name__ == "__main__":
    main()
