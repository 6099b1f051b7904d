"""Each test video's prediction in a few bytes, for evidence that is committed (no torch)."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping

import numpy as np

UNDECODABLE = 0xFFFF
TYPES = {"video": "<u4", "label": "<u2", "predicted": "<u2", "rank": "<u2", "probability": "<u1"}


def pack_predictions(
    *, video_index: np.ndarray, labels: np.ndarray, scores: np.ndarray, ids: np.ndarray
) -> dict[str, str]:
    """Return each test video's label, predicted label, the rank of its label and its top probability, in a few bytes.

    The rank counts from 0 (the label scores highest; of equal scores the smaller class goes first, as in the metrics).
    The probability is the softmax over the scores as they are. A video that could not be decoded is predicted as
    ``UNDECODABLE`` and ranked last. See :func:`unpack_predictions` for the types.
    """
    decoded = ~np.isnan(scores).any(axis=1)
    filled = np.where(decoded[:, None], scores, 0.0)
    exponent = np.exp(filled - filled.max(1, keepdims=True))
    own = np.take_along_axis(filled, labels[:, None], axis=1)
    classes = np.arange(scores.shape[1])
    before = (filled > own) | ((filled == own) & (classes < labels[:, None]))
    columns = {
        "video": video_index.astype(TYPES["video"]),
        "label": labels.astype(TYPES["label"]),
        "predicted": np.where(decoded, filled.argmax(1), UNDECODABLE).astype(TYPES["predicted"]),
        "rank": np.where(decoded, before.sum(1), scores.shape[1]).astype(TYPES["rank"]),
        "probability": np.where(decoded, np.round(exponent.max(1) / exponent.sum(1) * 255), 0).astype(
            TYPES["probability"]
        ),
    }
    return {name: base64.b64encode(zlib.compress(column.tobytes(), 9)).decode() for name, column in columns.items()}


def unpack_predictions(packed: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Return the arrays that :func:`pack_predictions` packed; the probability in 0..1."""
    raw = {name: zlib.decompress(base64.b64decode(packed[name])) for name in TYPES}
    arrays = {name: np.frombuffer(raw[name], dtype=kind) for name, kind in TYPES.items()}
    return {**arrays, "probability": arrays["probability"] / 255}
