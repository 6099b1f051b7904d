"""Rebuild a LightningModule from its checkpoint alone: the way back from ``experiments.harness.cell.plain``."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

from datamodules.batch import InputSpec
from lightning_modules.base import ClipClassifier
from lightning_modules.checkpoints import read_checkpoint

OWN_PACKAGES = ("lightning_modules", "datamodules")
NEEDED = ("state_dict", "arguments", "input_spec")


def load_checkpoint_module(path: Path | str) -> tuple[ClipClassifier, InputSpec]:
    """Return a trained module and what it expects as input.

    Args:
        path: a checkpoint of a finished training (``weights.ckpt`` of a cell).

    Returns:
        The module in evaluation mode on the CPU, and its input specification.

    Raises:
        ValueError: the file is damaged or no such checkpoint, names classes outside of this repository, or its
            weights, arguments and class names do not fit each other or the present code.
    """
    checkpoint = read_checkpoint(path)
    missing = [key for key in NEEDED if key not in checkpoint]
    if missing:
        raise ValueError(
            f"{path} lacks {', '.join(missing)}: accepted are the final weights that a table's training leaves, "
            f"which hold {', '.join(NEEDED)}. It holds {', '.join(map(str, list(checkpoint)[:6])) or 'nothing'}"
        )
    try:
        spec = input_spec(checkpoint["input_spec"])
        module = rebuild_module(checkpoint["arguments"])
        module.load_state_dict(checkpoint["state_dict"])
    except (ValueError, TypeError, KeyError, RuntimeError) as error:
        raise ValueError(f"{path} does not fit the present code: {error}") from error
    if len(spec.class_names) != module.num_classes:
        raise ValueError(
            f"{path} names {len(spec.class_names)} classes, its network has {module.num_classes} outputs: "
            "the label order is not known"
        )
    return module.eval(), spec


def input_spec(values: Mapping[str, Any]) -> InputSpec:
    """Return the input specification that was stored field by field.

    Raises:
        ValueError: other fields than those of :class:`~datamodules.batch.InputSpec`.
    """
    names = [field.name for field in dataclasses.fields(InputSpec)]
    unknown, missing = [n for n in values if n not in names], [n for n in names if n not in values]
    if unknown or missing:
        raise ValueError(f"the input specification has unknown fields {unknown} and lacks {missing}")
    return InputSpec(**{name: _rebuilt(value) for name, value in values.items()})


def rebuild_module(arguments: Mapping[str, Any]) -> ClipClassifier:
    """Return the untrained module of a training's resolved arguments.

    Args:
        arguments: ``Training.arguments``: the module's class and constructor arguments under ``module``, and
            what the harness supplies beside it.

    Raises:
        ValueError: the class is not one of this repository's modules, or a value cannot be rebuilt.
    """
    described = dict(arguments["module"])
    cls = _named(described.pop("class"))
    if not (isinstance(cls, type) and issubclass(cls, ClipClassifier)):
        raise ValueError(f"{cls!r} is no ClipClassifier")
    supplied = {name: _rebuilt(arguments[name]) for name in sorted(cls.harness_arguments)}
    return cls(**_with_older_values(cls, described), **supplied)


def rebuild_data(arguments: Mapping[str, Any], cls: type) -> Any:
    """Return the data module that a training had, without its data set: for preparing videos from elsewhere.

    Args:
        arguments: ``Training.arguments``.
        cls: what it must be.

    Raises:
        ValueError: another class, or a value that cannot be rebuilt.
    """
    described = {name: value for name, value in arguments["data"].items() if name != "source"}
    found: Any = _named(described.pop("class"))
    if not (isinstance(found, type) and issubclass(found, cls)):
        raise ValueError(f"{found!r} is no {cls.__name__}")
    rebuilt = {"source": None, **_with_older_values(found, described)}
    return found(**rebuilt)


def _rebuilt(value: Any) -> Any:
    """Return what a plain value stands for; sequences become tuples."""
    if isinstance(value, Mapping):
        if "class" not in value:
            return {key: _rebuilt(item) for key, item in value.items()}
        fields = dict(value)
        cls = _named(fields.pop("class"))
        if not (isinstance(cls, type) and dataclasses.is_dataclass(cls)):
            raise ValueError(f"{cls!r} is no dataclass")
        return cls(**_with_older_values(cls, fields))
    if isinstance(value, list | tuple):
        return tuple(_rebuilt(item) for item in value)
    if isinstance(value, str) and value.startswith(tuple(f"{package}." for package in OWN_PACKAGES)):
        return _named(value)  # a class, a function or a member of an enumeration
    return value


def _with_older_values(cls: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return rebuilt arguments; those left out because they were unchanged get the value that this meant."""
    return {**getattr(cls, "unchanged_by", {}), **{name: _rebuilt(value) for name, value in given.items()}}


def _named(name: Any) -> Any:
    """Return the class, function or enumeration member of a full name.

    Only what this repository itself defines is found: a name may not lead through one of its modules to
    something that the module imported.

    Raises:
        ValueError: a name outside of the repository's packages, or of nothing.
    """
    parts = name.split(".") if isinstance(name, str) else [""]
    if parts[0] not in OWN_PACKAGES or not all(part.isidentifier() for part in parts):
        raise ValueError(f"the class {name!r} is refused; accepted: classes of {' and '.join(OWN_PACKAGES)}")
    for end in range(len(parts) - 1, 0, -1):
        module_name = ".".join(parts[:end])
        if not _is_module(module_name):
            continue
        found: Any = importlib.import_module(module_name)
        for part in parts[end:]:
            found = getattr(found, part, None)
        if found is None:
            break
        if isinstance(found, Enum):
            own = f"{type(found).__module__}.{type(found).__qualname__}.{found.name}"
        elif isinstance(found, ModuleType):
            own = ""
        else:
            own = f"{getattr(found, '__module__', '')}.{getattr(found, '__qualname__', '')}"
        if own != name:
            raise ValueError(f"{name!r} is refused: it leads to {own or 'a module'}")
        return found
    raise ValueError(f"there is no {name!r} in the present code")


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # a parent is no package
        return False
