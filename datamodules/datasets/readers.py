"""Every reader of a real data set by the name of its folder."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
from typing import Any

import datamodules.datasets
from datamodules.datasets.joint import disk_name
from datamodules.datasets.kinetics import Kinetics

WITHOUT_DEFAULTS = (Kinetics(num_classes=400), Kinetics(num_classes=700))  # readers that must be told which


def readers() -> dict[str, Any]:
    """Return a reader of each real data set by its name on disk, variants of another name included."""
    found: dict[str, Any] = {disk_name(source): source for source in WITHOUT_DEFAULTS}
    for info in pkgutil.iter_modules(datamodules.datasets.__path__):
        module = importlib.import_module(f"datamodules.datasets.{info.name}")
        for _, cls in inspect.getmembers(module, inspect.isclass):
            if cls.__module__ != module.__name__ or not (hasattr(cls, "videos") and dataclasses.is_dataclass(cls)):
                continue
            columns = dataclasses.fields(cls)
            if any(c.default is dataclasses.MISSING and c.default_factory is dataclasses.MISSING for c in columns):
                continue  # one of the above, or a joint data set
            flags = [column.name for column in columns if column.type in ("bool", bool)]
            for source in (cls(), *(cls(**{flag: not getattr(cls(), flag)}) for flag in flags)):
                found.setdefault(disk_name(source), source)
    return dict(sorted(found.items()))


def source_named(name: str, **settings: Any) -> Any:
    """Return the reader of a data set with some of its fields set; None leaves a field alone.

    Raises:
        ValueError: unknown name, or a field that the reader does not have or refuses.
    """
    known = readers()
    if name not in known:
        raise ValueError(f"no reader is called {name!r}; accepted: {', '.join(known)}")
    given = {field: value for field, value in settings.items() if value is not None}
    for field, value in given.items():
        if not hasattr(known[name], field):
            raise ValueError(f"--{field} {value}: {name} has no such choice")
    return dataclasses.replace(known[name], **given)
