"""MS3D, unknown actions: how well the distance to the nearest centre tells classes never seen in training.

Paper:      Man, Zou, Li, The Action Recognition with Multi-Clue Sparse 3-Dimensional Convolutional Networks, Sec. III.D
            announces a threshold gamma beyond which a video is no known action, and never measures it.
Run:        python experiments/ms3d_figure_open_set.py            (embedded benchmark)
            python experiments/ms3d_figure_open_set.py --profile paper --data-root DATA --accelerator gpu
Protocol:   Kinetics from scratch without every fifth class (80 of 400; on the benchmark every fourth of 16, so that an
            unknown action's shape and motion are each known from other classes), whose test videos are to be refused.
            AUROC of known against unknown; accuracy of the known videos, and the share of unknown ones that pass, where
            95 % of the known ones are accepted. Intervals over seeds and test videos, also of the difference of the
            rows. On the right all test videos are ranked, known or not, and the least sure ones rejected: an unknown
            one that stays is a mistake. Gamma itself is set on training clips, by their distance to the centre of
            their own class: nearest centres are nearer, so that it accepts more than 95 %.
Deviations: the figure is ours. On the benchmark a modified loss (LOSS_NOTE in ms3d_profiles). Compared with the largest
            probability of the ablations' network under cross-entropy: its codes are raw, as normalised ones serve the
            N-pair loss alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from datamodules.datasets.kinetics import Kinetics
from datamodules.known_classes import unknown_labels
from datamodules.ms3d import Ms3dData
from experiments.harness import Build, Column, Figure, Row, Table, main
from experiments.harness.figures import Cell, Drawing, Load
from experiments.ms3d_ablations import CROSS_ENTROPY as LINEAR
from experiments.ms3d_ablations import TABLE as ABLATIONS
from experiments.ms3d_profiles import MS3D, profiles_for
from lightning_modules.ms3d import Ms3d, profiles

CROSS_ENTROPY = "cross-entropy, largest probability"
UNKNOWN_CLASSES = {"smoke": 1, "proxy": 4, "paper": 80}
ACCEPTED = 0.95
RESAMPLED, SEED = 1000, 0
SHARES = np.linspace(0, 1, 101)  # of the known videos that are accepted, and of all videos that are rejected
COLOURS = {MS3D: "#1f5f8b", CROSS_ENTROPY: "#c9762b"}
Measure = Callable[[np.ndarray, np.ndarray], float]  # of the numbers of the drawn seeds and videos


class OpenSetScores:
    """Hold what one trained network says of known and unknown test videos.

    Args:
        scores: ``(N, K)`` class scores, distances or logits; not-a-number for a video that could not be decoded, which
            is judged wrongly and with no confidence.
        labels: ``(N,)``.
        unknown: number of classes that were never trained, of K.
    """

    def __init__(self, scores: np.ndarray, labels: np.ndarray, unknown: int) -> None:
        trained = np.setdiff1d(np.arange(scores.shape[1]), unknown_labels(scores.shape[1], unknown))
        seen = torch.from_numpy(scores[:, trained].astype(np.float64)).nan_to_num(-torch.inf)
        self.labels, self.known = labels, np.isin(labels, trained)
        self.decoded = ~np.isnan(scores).any(1)
        self.right = (trained[seen.argmax(1).numpy()] == labels) & self.decoded
        self.distances, self.seen = seen.max(1).values.numpy(), seen

    def confidence(self, row: str) -> np.ndarray:
        """Return ``(N,)``: minus the squared distance to the nearest centre, or the largest probability."""
        surest = self.distances if row == MS3D else self.seen.softmax(1).max(1).values.numpy()
        return np.where(self.decoded, surest, -np.inf)


def auroc(confidence: np.ndarray, known: np.ndarray) -> float:
    """Return in percent how often a known video is surer than an unknown one."""
    from torchmetrics.functional.classification import binary_auroc

    order = confidence.argsort().argsort()  # ranks: torchmetrics would squash values outside of 0 to 1
    tied = np.unique(confidence, return_inverse=True)[1] if len(np.unique(confidence)) < len(confidence) else order
    ranks = torch.from_numpy(tied / max(1, tied.max()))
    return 100 * float(binary_auroc(ranks, torch.from_numpy(known.astype(np.int64))))


def at_acceptance(confidence: np.ndarray, known: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """Return in percent, where 95 % of known videos pass: the right ones of those, and the unknown ones that pass."""
    least = np.quantile(confidence[known], 1 - ACCEPTED, method="lower")
    passed = confidence >= least
    return 100 * float(right[known & passed].mean()), 100 * float(passed[~known].mean())


def measured(found: Sequence[OpenSetScores], row: str) -> dict[str, Measure]:
    """Return each measure as a function of the drawn seeds and videos."""
    confidences = [one.confidence(row) for one in found]

    def mean(measure: Callable[[np.ndarray, np.ndarray, np.ndarray], float]):
        def value(seeds: np.ndarray, videos: np.ndarray) -> float:
            return float(np.mean([
                measure(confidences[s][videos], found[s].known[videos], found[s].right[videos]) for s in seeds
            ]))  # fmt: skip

        return value

    return {
        "AUROC": mean(lambda confidence, known, right: auroc(confidence, known)),
        "accuracy of known videos at 95 % acceptance": mean(lambda *given: at_acceptance(*given)[0]),
        "unknown videos that pass at 95 % acceptance": mean(lambda *given: at_acceptance(*given)[1]),
        "accuracy of known videos without refusing": mean(lambda _, known, right: 100 * float(right[known].mean())),
    }


def interval(value: Measure, known: np.ndarray, seeds: int) -> tuple[float, float, float]:
    """Return a measure and its 95 % interval by resampling seeds and, within known and unknown, videos."""
    rng, groups = np.random.default_rng(SEED), (np.flatnonzero(known), np.flatnonzero(~known))
    drawn = [
        value(rng.integers(seeds, size=seeds), np.concatenate([rng.choice(group, len(group)) for group in groups]))
        for _ in range(RESAMPLED)
    ]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return value(np.arange(seeds), np.arange(len(known))), float(low), float(high)


def draw(cells: Sequence[Cell], load: Load) -> Drawing:
    """Draw who passes and how many of those are right; give all measures, with intervals, and the curves."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 4.4))
    numbers, curves = [], []
    by_row: dict[str, list[OpenSetScores]] = {}
    for row in (MS3D, CROSS_ENTROPY):
        own = [cell for cell in cells if cell.row == row]
        unknown = load.data(own[0]).unknown_classes
        found = [OpenSetScores(cell.scores["scores"], cell.scores["labels"], unknown) for cell in own]
        by_row[row] = found
        numbers += [_resampled(row, name, value, found) for name, value in measured(found, row).items()]
        if row == MS3D:
            numbers += _at_gamma(own, found, load)
        passed = 100 * np.mean([_pass_rates(one.confidence(row), one.known, SHARES) for one in found], axis=0)
        kept = 100 * np.mean([_accuracies(one.confidence(row), one.right, SHARES[:-1]) for one in found], axis=0)
        left.plot(100 * SHARES, passed, color=COLOURS[row], lw=2, label=row)
        right.plot(100 * SHARES[:-1], kept, color=COLOURS[row], lw=2, label=row)
        for name, values in (("known videos accepted", passed), ("all videos rejected", kept)):
            what = "unknown videos accepted" if values is passed else "accuracy of what is accepted"
            curves += [
                _number(row, f"curve: {what}", value, len(found), at=f"{name}: {100 * share:.0f} %")
                for share, value in zip(SHARES, values, strict=False)
            ]
    left.plot([0, 100], [0, 100], color="#bbbbbb", lw=0.8, ls="--")
    left.set_xlabel("known videos accepted (%)")
    left.set_ylabel("unknown videos accepted (%)")
    right.set_xlabel("videos rejected, known or unknown (%)")
    right.set_ylabel("accuracy of the accepted videos (%)")
    left.legend(frameon=False)
    figure.tight_layout()
    return Drawing(figure, numbers + compared(by_row) + curves)


def compared(by_row: Mapping[str, Sequence[OpenSetScores]]) -> list[dict[str, object]]:
    """Return what the first row has more than the second of each measure, seed by seed on the same videos.

    Raises:
        ValueError: they were tested on other videos.
    """
    (first, ones), (second, others) = by_row.items()
    if any(not np.array_equal(one.labels, other.labels) for one, other in zip(ones, others, strict=True)):
        raise ValueError(f"{first} and {second} were not tested on the same videos")
    measures, of_others = measured(ones, first), measured(others, second)

    def more(name: str) -> Measure:
        return lambda seeds, videos: measures[name](seeds, videos) - of_others[name](seeds, videos)

    return [_resampled(f"{first} less {second}", name, more(name), ones, sign="+") for name in measures]


def _resampled(
    row: str, name: str, value: Measure, found: Sequence[OpenSetScores], sign: str = ""
) -> dict[str, object]:
    mean, low, high = interval(value, found[0].known, len(found))
    return _number(row, name, mean, len(found), low=f"{low:{sign}.1f}", high=f"{high:{sign}.1f}", sign=sign)


def _number(
    row: str, measure: str, percent: float, seeds: int, *, at: str = "", low: str = "", high: str = "", sign: str = ""
) -> dict[str, object]:
    """Return one line of the drawn numbers; ``at`` is where on a curve it lies."""
    return {"row": row, "measure": measure, "at": at, "percent": f"{percent:{sign}.1f}", "low": low, "high": high,
            "seeds": seeds}  # fmt: skip


def _pass_rates(confidence: np.ndarray, known: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return the share of unknown videos that pass where each of ``shares`` of the known ones does."""
    least = np.quantile(confidence[known], 1 - shares, method="lower")
    return (confidence[~known][None, :] >= least[:, None]).mean(1)


def _accuracies(confidence: np.ndarray, right: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return the accuracy of the surest videos where each of ``shares``, all below 1, of all videos is rejected."""
    accuracy = right[np.argsort(-confidence, kind="stable")].cumsum() / np.arange(1, len(right) + 1)
    return accuracy[np.ceil((1 - shares) * len(right) - 1e-9).astype(int) - 1]


def _at_gamma(cells: Sequence[Cell], found: Sequence[OpenSetScores], load: Load) -> list[dict[str, object]]:
    """Return what the threshold accepts that was set on the training clips (95 % of them, by their own centre)."""
    passed = [
        -one.distances < float(load(cell)[0].repository.threshold) ** 2 for cell, one in zip(cells, found, strict=True)
    ]

    def mean(of: Callable[[OpenSetScores, np.ndarray], tuple[np.ndarray, np.ndarray]]) -> Measure:
        """Return the mean over seeds of how many of the second videos are among the first."""

        def value(seeds: np.ndarray, videos: np.ndarray) -> float:
            pairs = [of(found[s], passed[s]) for s in seeds]
            return 100 * float(np.mean([(a & b)[videos].sum() / max(1, b[videos].sum()) for a, b in pairs]))

        return value

    shares = {
        "known videos that pass at gamma": mean(lambda one, passed: (passed, one.known)),
        "accuracy of known videos at gamma": mean(lambda one, passed: (one.right, one.known & passed)),
        "unknown videos that pass at gamma": mean(lambda one, passed: (passed, ~one.known)),
    }
    return [_resampled(MS3D, name, value, found) for name, value in shares.items()]


CELLS = Table(
    id="ms3d/figure_open_set_cells",
    title="MS3D with unknown classes",
    module=Build(Ms3d),
    recipe=profiles.PAPER_RECIPE,
    profiles={
        name: replace(profile, data={**profile.data, "unknown_classes": UNKNOWN_CLASSES[name]})
        for name, profile in profiles_for(proxy_recipe=profiles.PROXY_KINETICS_RECIPE, on_kinetics=True).items()
    },
    columns=(
        Column(
            group="Kinetics",
            title="Top-1",
            metric="top1",
            data=Build(Ms3dData, source=Kinetics(num_classes=400)),
            init=None,
        ),
    ),
    rows=(
        Row(label=MS3D, published=(None,), init=None, classes=400),
        replace(ABLATIONS.row(LINEAR), label=CROSS_ENTROPY, published=(None,), on=None, note=""),
    ),
)
FIGURE = Figure(
    id="ms3d/figure_open_set",
    title="MS3D: known against unknown actions",
    table=CELLS,
    rows=(MS3D, CROSS_ENTROPY),
    draw=draw,
    compares=True,
)

if __name__ == "__main__":
    main(FIGURE)
