"""What a checkpoint says of itself, and what a reader must know of what was taken from it."""

from __future__ import annotations

from typing import Any

from lightning_modules.checkpoints import LoadReport

NAMES_SHOWN = 4  # of tensors that a checkpoint did not fill, or that had no place


def check_class_names(checkpoint: dict[str, Any], class_names: tuple[str, ...]) -> None:
    """Refuse weights whose outputs mean other classes.

    Files of other origin may spell the names otherwise: there only another order of the same names is refused.

    Raises:
        ValueError: another number, other names or another order; it names the first class that differs.
    """
    theirs, own = _class_names(checkpoint), "input_spec" in checkpoint
    if not theirs or theirs == class_names or (not own and set(theirs) != set(class_names)):
        return
    at = next((i for i, (a, b) in enumerate(zip(theirs, class_names, strict=False)) if a != b), None)
    differs = f"{len(theirs)} and {len(class_names)} classes" if at is None else \
        f"class {at} is {theirs[at]!r} there and {class_names[at]!r} in the data set"  # fmt: skip
    raise ValueError(f"trained for other classes or another label order: {differs}")


def _class_names(checkpoint: dict[str, Any]) -> tuple[str, ...]:
    """Return the names of a checkpoint's outputs in order: ours, or those that mmcv's runners keep; none if unknown."""
    spec, meta = checkpoint.get("input_spec"), checkpoint.get("meta")
    names = spec.get("class_names") if isinstance(spec, dict) else None
    if names is None and isinstance(meta, dict):
        names = meta.get("CLASSES")
    return tuple(names) if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names) else ()


def label_order(checkpoint: dict[str, Any], class_names: tuple[str, ...]) -> str:
    """Return what a reader must know where a file does not say which class each output is."""
    theirs = _class_names(checkpoint)
    if theirs == class_names:
        return ""
    known = f"are named otherwise there ({theirs[0]}, ...)" if theirs else "are not in the file"
    return f"; its labels {known} and taken to be in our order"


def described(report: LoadReport) -> str:
    """Return a report with the first names of what was not filled or not used: a reader must be able to judge it."""
    parts = {"missing": report.missing, "of another shape": report.mismatched, "unused": report.unused}
    named = (
        f"{what}: {', '.join(names[:NAMES_SHOWN])}{', ...' if len(names) > NAMES_SHOWN else ''}"
        for what, names in parts.items()
        if names
    )
    return "; ".join((str(report), *named))
