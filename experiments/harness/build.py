"""Remember how to construct something, checked at once against its real constructor (no torch)."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Changed:
    """An argument computed from the one it replaces, so that a row's change means the same in every profile.

    Args:
        change: receives the value so far (the constructor's default where none was given), returns the new one.
    """

    change: Callable[[Any], Any]


class Build:
    """Remember a class and the keyword arguments to construct it with, without constructing it.

    Args:
        cls: the class; its constructor must name every argument (no ``**kwargs``).
        **arguments: keyword arguments, checked against the constructor at once.

    Raises:
        ValueError: an argument that the constructor does not have, or that the harness supplies.
    """

    __slots__ = ("arguments", "cls")

    def __init__(self, cls: type, /, **arguments: Any) -> None:
        self.cls = cls
        self.arguments: Mapping[str, Any] = MappingProxyType(dict(arguments))
        check_arguments(cls, arguments, where=f"Build({cls.__name__})")

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"Build({self.cls.__name__}, {arguments})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.cls, dict(self.arguments))

    def with_arguments(self, overrides: Mapping[str, Any], *, where: str) -> Build:
        """Return a copy with ``overrides`` on top; ``where`` names the table and row in the error."""
        check_arguments(self.cls, overrides, where=where)
        return Build(self.cls, **{**self.arguments, **{k: self._value(k, v) for k, v in overrides.items()}})

    def _value(self, name: str, given: Any) -> Any:
        if not isinstance(given, Changed):
            return given
        return given.change(self.arguments.get(name, constructor_parameters(self.cls)[name].default))

    def resolved(self) -> dict[str, Any]:
        """Return every argument the constructor takes from a build, defaults filled in."""
        supplied = harness_arguments(self.cls)
        values = {}
        for name, parameter in constructor_parameters(self.cls).items():
            if name in supplied:
                continue
            if name in self.arguments:
                values[name] = self.arguments[name]
            elif parameter.default is not inspect.Parameter.empty:
                values[name] = parameter.default
            else:
                raise ValueError(f"{self.cls.__name__} needs the argument {name!r}, which nothing supplies")
        return values


def _rebuild(cls: type, arguments: dict[str, Any]) -> Build:
    """Unpickle a build (a mapping proxy does not pickle by itself)."""
    return Build(cls, **arguments)


def constructor_parameters(cls: type) -> dict[str, inspect.Parameter]:
    """Return the keyword parameters of a constructor, in order."""
    return {
        name: parameter
        for name, parameter in inspect.signature(cls).parameters.items()
        if parameter.kind in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    }


def harness_arguments(cls: type) -> frozenset[str]:
    """Return the constructor arguments that the harness supplies at run time (``harness_arguments`` of the class)."""
    return frozenset(getattr(cls, "harness_arguments", ()))


def check_arguments(cls: type, arguments: Mapping[str, Any], *, where: str) -> None:
    """Raise a ValueError that names ``where`` unless the constructor of ``cls`` takes these arguments."""
    supplied = harness_arguments(cls)
    accepted = [name for name in constructor_parameters(cls) if name not in supplied]
    for name in arguments:
        if name in supplied:
            raise ValueError(f"{where}: {name!r} of {cls.__name__} is supplied by the harness and cannot be set")
        if name not in accepted:
            raise ValueError(f"{where}: {cls.__name__} has no argument {name!r}; it accepts {', '.join(accepted)}")


def with_fields(value: Any, changes: Mapping[str, Any]) -> Any:
    """Return a copy of a dataclass with other fields, each given or :class:`Changed`."""
    new = {k: v.change(getattr(value, k)) if isinstance(v, Changed) else v for k, v in changes.items()}
    return dataclasses.replace(value, **new)
