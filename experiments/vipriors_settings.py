"""The 22 test settings of the VIPriors report's Table 3 as data, and the rows that they are in Tables 3 and 4."""

from dataclasses import dataclass
from typing import Any

from experiments.harness import Row
from experiments.vipriors_profiles import MODIFIED, MODIFIED_DIFF, TSM

CENTRE, FLIP, RANDOM, CONCATENATED, REVERSE = "centre", "flip", "random crop", "concatenated", "reverse"
NETWORKS: dict[tuple[str, str], dict[str, Any]] = {
    ("SlowFast", "RGB"): MODIFIED,
    ("SlowFast", "Diff"): MODIFIED_DIFF,
    ("TSM", "RGB"): TSM,
}
AUGMENTATIONS: dict[str, dict[str, Any]] = {
    CENTRE: {},
    FLIP: dict(test_crop="flip"),
    RANDOM: dict(test_crop="random"),
    CONCATENATED: dict(test_playback="concatenated"),
    REVERSE: dict(test_playback="reverse"),
}


@dataclass(frozen=True)
class Setting:
    """One row of Table 3.

    Args:
        id: its number there, which Table 4 refers to.
        network: "SlowFast" (as modified, R50) or "TSM" (with shift, R50).
        input: "RGB" or "Diff".
        interval: source frames between two frames of a test clip.
        augmentation: a name of ``AUGMENTATIONS``.
        published: accuracy as printed.
    """

    id: int
    network: str
    input: str
    interval: int
    augmentation: str
    published: str

    @property
    def label(self) -> str:
        """Return the row's label."""
        return f"{self.id} {self.network} {self.input} i{self.interval}, {self.augmentation}"

    def row(self, *others: str | None) -> Row:
        """Return the row; ``others`` are published values of further columns."""
        network = NETWORKS[self.network, self.input]
        test = dict(test_interval=self.interval) | AUGMENTATIONS[self.augmentation]
        return Row(
            label=self.label,
            published=(self.published, *others),
            **(network | dict(data=network.get("data", {}) | test)),
        )


SETTINGS = tuple(
    Setting(*values)
    for values in (
        (1, "SlowFast", "RGB", 1, CENTRE, "75.5"),
        (2, "SlowFast", "Diff", 1, CENTRE, "74.6"),
        (3, "SlowFast", "RGB", 1, FLIP, "75.6"),
        (4, "SlowFast", "Diff", 1, FLIP, "74.3"),
        (5, "SlowFast", "RGB", 1, RANDOM, "73.3"),
        (6, "SlowFast", "RGB", 1, CONCATENATED, "75.1"),
        (7, "SlowFast", "RGB", 1, REVERSE, "74.6"),
        (8, "SlowFast", "Diff", 1, CONCATENATED, "72.1"),
        (9, "SlowFast", "Diff", 1, REVERSE, "71.6"),
        (10, "TSM", "RGB", 1, CENTRE, "70.8"),
        (11, "TSM", "RGB", 2, CENTRE, "71.2"),
        (12, "TSM", "RGB", 1, RANDOM, "71.3"),
        (13, "TSM", "RGB", 1, FLIP, "72.2"),
        (14, "TSM", "RGB", 1, REVERSE, "70.8"),
        (15, "SlowFast", "RGB", 2, CENTRE, "71.3"),
        (16, "SlowFast", "Diff", 2, CENTRE, "74.5"),
        (17, "SlowFast", "RGB", 2, FLIP, "75.4"),
        (18, "SlowFast", "Diff", 2, FLIP, "74.0"),
        (19, "SlowFast", "RGB", 2, RANDOM, "73.2"),
        (20, "SlowFast", "RGB", 2, CONCATENATED, "75.0"),
        (21, "SlowFast", "RGB", 2, REVERSE, "73.6"),
        (22, "SlowFast", "Diff", 2, CONCATENATED, "72.0"),
    )
)
LABELS = {setting.id: setting.label for setting in SETTINGS}

# Table 4 by the settings' augmentation: a multiple of centre crops, flips and random crops, all else once.
INTERVAL_1 = (1, 2, 3, 4, 5, 6, 8)  # SlowFast but for reverse order
INTERVAL_1_AND_TSM = (*INTERVAL_1, 7, 9, 10, 12, 13, 14)
ALL = tuple(LABELS)


def weighted(ids: tuple[int, ...], **times: float) -> tuple[tuple[str, float], ...]:
    """Return members and weights.

    Args:
        ids: of the settings.
        times: weight of an augmentation's settings: ``centre``, ``flip``, ``random``; 1 where not given.
    """
    by_id = {setting.id: setting for setting in SETTINGS}
    return tuple((LABELS[i], times.get(by_id[i].augmentation.split()[0], 1.0)) for i in ids)
