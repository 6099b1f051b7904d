"""How a stored frame is turned and mirrored for display."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from av.video.frame import VideoFrame


class Turn(NamedTuple):
    """Hold a quarter turn, mirrored or not, as a transposition followed by flips."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Return a view of an image ``(H, W, 3)`` as it is to be shown."""
        if self.transpose:
            image = image.transpose(1, 0, 2)  # (W, H, 3)
        return image[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]


def turn_of(frame: VideoFrame) -> Turn:
    """Return what the display matrix of a frame asks for; angles are rounded to the nearest quarter turn.

    The matrix ``[[a, b, u], [c, d, v], [x, y, w]]`` shows the stored point (p, q) at (a p + c q + x, b p + d
    q + y).
    """
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return Turn()
    (a, b), (c, d) = np.frombuffer(memoryview(data), np.int32)[:9].reshape(3, 3)[:2, :2].tolist()
    if abs(b) > abs(a):
        return Turn(transpose=True, flip_x=c < 0, flip_y=b < 0)
    return Turn(flip_x=a < 0, flip_y=d < 0)
