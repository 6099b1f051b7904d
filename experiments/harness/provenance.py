"""What a result was made with: versions, hardware, and a hash of the sources behind a cell."""

from __future__ import annotations

import ast
import hashlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from experiments.harness.store import REPOSITORY

PACKAGES = ("torch", "torchvision", "lightning", "numpy", "av")
OWN_PACKAGES = ("lightning_modules", "datamodules")
EXPORT = "experiments.deploy"
# The fingerprints of cells hold each field of their members (only that of MixUp's images is not in them).
HELD_BY_ARGUMENTS = ("datamodules.synthetic.stand_ins",)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide results."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def hardware(accelerator: str = "cpu") -> str:
    """Return the processor's or the GPU's name."""
    if accelerator != "cpu":
        import torch

        if torch.cuda.is_available():
            return torch.cuda.get_device_name(0)
    for line in _cpuinfo():
        if line.startswith("model name"):
            return f"{line.split(':', 1)[1].strip()} (CPU)"
    return f"{platform.machine()} (CPU)"


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []


@cache
def source_hash(*classes: type) -> str:
    """Return a hash over the code that these classes need, directly or through imports of this repository.

    Comments, docstrings and layout do not count: they change no result.
    """
    return _hash_of([cls.__module__ for cls in classes], OWN_PACKAGES)


@cache
def export_hash() -> str:
    """Return a hash over the code that exports a network and computes an exported one's scores."""
    return _hash_of([f"{EXPORT}.export"], (*OWN_PACKAGES, EXPORT))


def _hash_of(todo: list[str], packages: tuple[str, ...]) -> str:
    """Hash the code of modules and of all that they import from these packages."""
    files: set[Path] = set()
    while todo:
        path = _module_path(todo.pop(), packages)
        if path is None or path in files:
            continue
        files.add(path)
        todo += _own_imports(path)
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path.relative_to(REPOSITORY)}: {_code(path)}\n".encode())
    return digest.hexdigest()[:16]


def _code(path: Path) -> str:
    """Return a file's syntax tree, the same for every version of Python, without comments and docstrings.

    Neither ``ast.unparse`` nor ``ast.dump`` will do: 3.12 writes other quotes into formatted strings, and newer nodes
    have fields that older ones lack.
    """
    tree = ast.parse(path.read_text())
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    return _written(tree)


def _written(value: object) -> str:
    """Write a node as its name and those of its fields that hold something, in one line."""
    if isinstance(value, ast.JoinedStr):  # early 3.12 ends some formatted strings with an empty piece
        value.values = [one for one in value.values if not (isinstance(one, ast.Constant) and one.value == "")]
    if isinstance(value, list):
        return f"[{' '.join(_written(one) for one in value)}]"
    if not isinstance(value, ast.AST):
        return repr(value)
    fields = [(name, one) for name, one in ast.iter_fields(value) if one is not None and one != []]
    return f"({type(value).__name__} {' '.join(f'{name}={_written(one)}' for name, one in fields)})"


def _module_path(module: str, packages: tuple[str, ...]) -> Path | None:
    if not any(f"{module}.".startswith(f"{package}.") for package in packages) or module in HELD_BY_ARGUMENTS:
        return None
    path = REPOSITORY.joinpath(*module.split("."))
    if path.with_suffix(".py").exists():
        return path.with_suffix(".py")
    return path / "__init__.py" if (path / "__init__.py").exists() else None


def _own_imports(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return names
