"""Adaptive Clip Selection: per-frame scores of training videos, and where their next clips should start.

LIGAR, Sec. V.ii, Eq. 1-2. Plain bookkeeping: who calls it, and when, is the caller's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_RESOLUTION = 2.0**24


@dataclass(frozen=True, kw_only=True)
class ClipSelection:
    """Set when Adaptive Clip Selection collects scores and when it uses them.

    Args:
        ready_fraction: a video is sampled by its scores once more than this fraction of its frames has been
            in a training clip (the paper's 70%, the released configurations' 0.8). Scores that happen to be
            0 count: the paper says "frames with non-zero score", the authors' code counts visits, as here.
        first_epoch: first epoch (from 0) whose clips are recorded; the paper leaves out "the very first".
        ignore_rejected: leave a ready video out of the loss while all its windows weigh 0, because each of its
            frames counts against its label. Its clips are still served, from anywhere in it, and recorded, so
            that it can come back. The paper tried this and found it worse.
    """

    ready_fraction: float = 0.7
    first_epoch: int = 1
    ignore_rejected: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.ready_fraction < 1.0:
            raise ValueError(f"ready_fraction must be in [0, 1), got {self.ready_fraction}")
        if self.first_epoch < 0:
            raise ValueError(f"first_epoch must be at least 0, got {self.first_epoch}")

    def records(self, epoch: int) -> bool:
        """Return whether clips of ``epoch`` (from 0) are recorded."""
        return epoch >= self.first_epoch


def window_weights(frame_scores: NDArray[np.floating], span: int) -> NDArray[np.float64]:
    """Return the unnormalised probability of each start of a window of ``span`` frames (Eq. 1).

    Eq. 1 can be read in several ways; as in the authors' code a frame of score v weighs 1 + v where v >= 0
    and 0 where v < 0, and a window weighs the sum of its frames. If every window weighs 0 all weigh 1.

    Args:
        frame_scores: ``(F,)``, one score per frame; 0 for frames never visited.
        span: source frames that a clip covers, at most F.

    Returns:
        ``(F - span + 1,)``.
    """
    return _window_sums(_frame_weights(np.asarray(frame_scores, dtype=np.float64)), span)


class ClipScores:
    """Collect the scores of the frames of every training video.

    Confidences are rounded to multiples of 2^-24 (single precision at 1). Sums of them are exact in double
    precision, so that the scores do not depend on the order in which clips are recorded.

    Args:
        selection: when a video counts as ready.
    """

    def __init__(self, selection: ClipSelection) -> None:
        self.selection = selection
        self._scores: dict[int, NDArray[np.float64]] = {}
        self._visited: dict[int, NDArray[np.bool_]] = {}

    def __len__(self) -> int:
        """Return the number of videos with a recorded clip."""
        return len(self._scores)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ClipScores):
            return NotImplemented
        return (
            self.selection == other.selection
            and self._scores.keys() == other._scores.keys()
            and all(np.array_equal(scores, other._scores[v]) for v, scores in self._scores.items())
            and all(np.array_equal(visited, other._visited[v]) for v, visited in self._visited.items())
        )

    __hash__ = None  # type: ignore[assignment]

    def record(
        self,
        video_index: ArrayLike,
        first: ArrayLike,
        end: ArrayLike,
        num_frames: ArrayLike,
        correct: ArrayLike,
        confidence: ArrayLike,
    ) -> None:
        """Add the predictions of a batch of N clips to the frames that the clips cover (Eq. 2).

        Every frame in [first, end) gets +confidence if the prediction was right and -confidence if not,
        the frames between the sampled ones included. Under several processes each records the clips of all.

        Args:
            video_index: ``(N,)`` position of the video in the training list.
            first: ``(N,)`` first frame of the clip.
            end: ``(N,)`` last frame of the clip plus one.
            num_frames: ``(N,)`` frames of the video; clips of videos with 0 (undecodable) are skipped.
            correct: ``(N,)`` whether the predicted class is the label.
            confidence: ``(N,)`` score of the predicted class; LIGAR's largest cosine, in [-1, 1].

        Raises:
            ValueError: if a clip leaves its video, a confidence is not finite, or a video changes its length.
        """
        columns = (
            np.atleast_1d(np.asarray(video_index, dtype=np.int64)),
            np.atleast_1d(np.asarray(first, dtype=np.int64)),
            np.atleast_1d(np.asarray(end, dtype=np.int64)),
            np.atleast_1d(np.asarray(num_frames, dtype=np.int64)),
            np.where(np.atleast_1d(np.asarray(correct, dtype=bool)), 1.0, -1.0),
            np.atleast_1d(np.asarray(confidence, dtype=np.float64)),
        )
        if len({len(column) for column in columns}) != 1:
            raise ValueError(f"all arguments must have one entry per clip, got {[len(c) for c in columns]}")
        videos, firsts, ends, lengths, signs, confidences = columns
        decoded = lengths > 0
        inside = (firsts >= 0) & (firsts < ends) & (ends <= lengths)
        _refuse(videos[decoded & ~inside], "a clip outside its frames")
        _refuse(videos[decoded & ~np.isfinite(confidences)], "a confidence that is not finite")
        steps = signs * np.round(confidences * _RESOLUTION) / _RESOLUTION
        for video, start, stop, length, step in zip(
            *(column[decoded].tolist() for column in (videos, firsts, ends, lengths, steps)), strict=True
        ):
            scores, visited = self._frames(video, length)
            scores[start:stop] += step
            visited[start:stop] = True

    def snapshot(self) -> ClipSnapshot:
        """Return what the sampler needs of the scores, frozen as they are now."""
        videos, counts, lengths, weights = [], [], [], []
        for video in sorted(self._scores):
            visited = self._visited[video]
            if np.count_nonzero(visited) / len(visited) > self.selection.ready_fraction:
                run_lengths, run_weights = _encode_runs(_frame_weights(self._scores[video]))
                videos.append(video)
                counts.append(len(run_lengths))
                lengths.append(run_lengths)
                weights.append(run_weights)
        return ClipSnapshot(
            videos=_frozen(np.array(videos, dtype=np.int64)),
            offsets=_frozen(np.concatenate(([0], np.cumsum(counts, dtype=np.int64))).astype(np.int64)),
            run_lengths=_frozen(np.concatenate(lengths) if lengths else np.zeros(0, dtype=np.int64)),
            run_weights=_frozen(np.concatenate(weights) if weights else np.zeros(0)),
            ignore_rejected=self.selection.ignore_rejected,
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the scores as plain tensors, which ``torch.load(weights_only=True)`` accepts.

        Frames that follow each other with equal scores are stored as one run: a video has few of them.
        """
        import torch

        videos = sorted(self._scores)
        encoded = [_encode_runs(self._scores[v], self._visited[v]) for v in videos]

        def joined(position: int, dtype: Any) -> Any:
            parts = [np.asarray(runs[position], dtype=dtype) for runs in encoded]
            return torch.from_numpy(np.concatenate(parts) if parts else np.zeros(0, dtype=dtype))

        return {
            "video_index": torch.tensor(videos, dtype=torch.int64),
            "run_counts": torch.tensor([len(runs[0]) for runs in encoded], dtype=torch.int64),
            "run_lengths": joined(0, np.int64),
            "run_scores": joined(1, np.float64),
            "run_visited": joined(2, np.bool_),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Replace the scores by those of ``state_dict``."""
        ends = np.cumsum(state["run_counts"].numpy())
        keys = ("run_lengths", "run_scores", "run_visited")
        runs = [np.split(state[key].numpy(), ends[:-1]) for key in keys]
        self._scores, self._visited = {}, {}
        for video, lengths, scores, visited in zip(state["video_index"].tolist(), *runs, strict=False):
            self._scores[video] = np.repeat(scores, lengths)
            self._visited[video] = np.repeat(visited, lengths)

    def _frames(self, video: int, length: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        if video not in self._scores:
            self._scores[video] = np.zeros(length, dtype=np.float64)
            self._visited[video] = np.zeros(length, dtype=np.bool_)
        if len(self._scores[video]) != length:
            raise ValueError(f"video {video} has {len(self._scores[video])} frames on record, got {length}")
        return self._scores[video], self._visited[video]


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipSnapshot:
    """Hold the frame weights of the ready videos; cheap to send to loader workers, never changes.

    Args:
        videos: ``(R,)`` ready videos in ascending order.
        offsets: ``(R + 1,)`` where each video's runs begin.
        run_lengths: frames of each run of equal weight.
        run_weights: weight of each frame of the run.
        ignore_rejected: see :class:`ClipSelection`.
    """

    videos: NDArray[np.int64]
    offsets: NDArray[np.int64]
    run_lengths: NDArray[np.int64]
    run_weights: NDArray[np.float64]
    ignore_rejected: bool = False

    def __len__(self) -> int:
        """Return the number of ready videos."""
        return len(self.videos)

    def start_weights(self, video_index: int, num_frames: int, span: int) -> NDArray[np.float64] | None:
        """Return the unnormalised probability of each valid start of a clip (Eq. 1).

        Args:
            video_index: position of the video in the training list.
            num_frames: frames of the video.
            span: source frames that a clip covers.

        Returns:
            ``(num_frames - span + 1,)``, not all zero; None, for the ordinary sampler, if the video is not
            ready or shorter than the span.

        Raises:
            ValueError: if the video had another number of frames when it was recorded.
        """
        runs = self._runs(video_index, num_frames, span)
        if runs is None:
            return None
        return _window_sums(np.repeat(self.run_weights[runs], self.run_lengths[runs]), span)

    def rejects(self, video_index: int, num_frames: int, span: int) -> bool:
        """Return whether the loss leaves out the clips of a video (``ClipSelection.ignore_rejected``).

        Arguments and errors are those of :meth:`start_weights`. A video that the ordinary sampler serves is never left
        out.
        """
        runs = self._runs(video_index, num_frames, span) if self.ignore_rejected else None
        return runs is not None and not self.run_weights[runs].any()  # every frame is in some window

    def _runs(self, video_index: int, num_frames: int, span: int) -> slice | None:
        row = int(np.searchsorted(self.videos, video_index))
        if row == len(self.videos) or self.videos[row] != video_index or num_frames < span:
            return None
        runs = slice(int(self.offsets[row]), int(self.offsets[row + 1]))
        recorded = int(self.run_lengths[runs].sum())
        if recorded != num_frames:
            raise ValueError(f"video {video_index} has {recorded} frames on record, got {num_frames}")
        return runs


def _frame_weights(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(scores < 0, 0.0, 1.0 + scores)


def _window_sums(weights: NDArray[np.float64], span: int) -> NDArray[np.float64]:
    if not 1 <= span <= len(weights):
        raise ValueError(f"span must be in [1, {len(weights)}], got {span}")
    cumulative = np.concatenate(([0.0], np.cumsum(weights)))
    sums = np.maximum(cumulative[span:] - cumulative[:-span], 0.0)
    return sums if sums.any() else np.ones_like(sums)


def _encode_runs(*columns: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Return the lengths of the runs over which no column changes, then each column's value in each run."""
    changes = np.zeros(len(columns[0]) - 1, dtype=np.bool_)
    for column in columns:
        changes |= column[1:] != column[:-1]
    starts = np.concatenate(([0], np.flatnonzero(changes) + 1))
    lengths = np.diff(starts, append=len(columns[0])).astype(np.int64)
    return lengths, *(column[starts] for column in columns)


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    array.setflags(write=False)
    return array


def _refuse(videos: NDArray[np.int64], what: str) -> None:
    if len(videos):
        raise ValueError(f"got {what}, in video(s) {sorted(set(videos.tolist()))[:5]}")
