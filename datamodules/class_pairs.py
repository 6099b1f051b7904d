"""Batches of P classes with two videos each, as metric learning needs them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler


class ClassPairSampler(Sampler):
    """Yield (epoch, position) so that each run of ``batch_size`` holds two videos of each of P classes.

    An epoch draws every class's videos into pairs and fills batch after batch with the classes that have most pairs
    left, ties at random; it ends when fewer than P have any. A pure function of (seed, epoch): the same for any number
    of workers. Several processes share each batch: what they yield together is what one would with as large a batch.

    Args:
        labels: of the videos by position.
        batch_size: even, of this process; 2 P is that of all processes together.
        seed: of the run.
        rank: this process.
        world_size: number of processes.

    Raises:
        ValueError: an odd batch, a class with a single video, or fewer than P classes.
    """

    def __init__(
        self, labels: Sequence[int], *, batch_size: int, seed: int, rank: int = 0, world_size: int = 1
    ) -> None:
        self.labels, self.batch_size, self.seed = np.asarray(labels), batch_size, seed
        self.rank, self.world_size, self.epoch = rank, world_size, 0
        classes, counts = np.unique(self.labels, return_counts=True)
        self.num_classes = batch_size * world_size // 2  # P
        if batch_size < 2 or batch_size % 2 or self.num_classes < 2:
            raise ValueError(
                f"batch_size={batch_size} of each of {world_size} process(es); accepted: even numbers, from 4 over all "
                "processes, two videos of each class"
            )
        if counts.min() < 2:
            alone = classes[counts < 2].tolist()
            raise ValueError(f"class(es) {alone[:10]} have a single training video; a pair needs two")
        if len(classes) < self.num_classes:
            raise ValueError(
                f"batch_size={batch_size} of each of {world_size} process(es) needs {self.num_classes} classes of two "
                f"videos each; there are {len(classes)}"
            )
        self.counts = dict(zip(classes.tolist(), (counts // 2).tolist(), strict=True))
        self.num_batches = len(self._plan(np.random.default_rng(0)))  # at least one, as P classes have a pair

    def set_epoch(self, epoch: int) -> None:
        """Choose the pairs; called by Lightning at each epoch start."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.num_batches * self.batch_size

    def __iter__(self) -> Iterator[tuple[int, int]]:
        rng = np.random.default_rng([self.seed, self.epoch])
        waiting = {label: self._pairs(label, rng) for label in self.counts}
        share = self.batch_size // 2
        for classes in self._plan(rng):
            pairs = [next(waiting[label]) for label in classes]
            for pair in pairs[self.rank * share : (self.rank + 1) * share]:
                yield from ((self.epoch, int(position)) for position in pair)

    def _pairs(self, label: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
        videos = rng.permutation(np.flatnonzero(self.labels == label))
        return iter(videos[: len(videos) // 2 * 2].reshape(-1, 2))

    def _plan(self, rng: np.random.Generator) -> list[list[int]]:
        """Return the classes of each batch; their number does not depend on the generator."""
        classes = np.array(list(self.counts))
        left = np.array(list(self.counts.values()))
        batches = []
        while (left > 0).sum() >= self.num_classes:
            order = rng.permutation(len(classes))
            chosen = order[np.argsort(-left[order], kind="stable")][: self.num_classes]
            left[chosen] -= 1
            batches.append(rng.permutation(classes[chosen]).tolist())
        return batches
