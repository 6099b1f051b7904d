"""Added FLOPs and the efficiency eta of ACTION-Net (Sec. 4.5, eq. 10); shared by Tables 3 and 5 and Figure 4."""

from collections.abc import Mapping, Sequence

from experiments.harness import Column, Derived

FLOPS = Column(title="FLOPs (G)", metric="gmacs", rule="ptflops")
ADDED_PERCENT = "Added FLOPs (%)"
Values = Sequence[float]


def added_g(before: Values, after: Values) -> float:
    """Return the difference of one value."""
    return after[0] - before[0]


def added_percent(before: Values, after: Values) -> float:
    """Return by how much one value grows, in percent of what it was."""
    return 100 * (after[0] - before[0]) / before[0]


def efficiency(before: Values, after: Values) -> float | None:
    """Return eta (eq. 10): added FLOPs in percent over added Top-1 in percent points; None without a gain.

    Args:
        before: FLOPs and Top-1 of the baseline.
        after: FLOPs and Top-1 with the module.
    """
    gain = after[1] - before[1]
    return None if gain <= 0 else added_percent(before, after) / gain


def added_flops_g(against: Mapping[str, str]) -> Column:
    """Return the column of added FLOPs; ``against`` gives each row's baseline, by label."""
    formula = "FLOPs less those of TSM, each with its row's number of classes."
    return _derived("Added FLOPs (G)", Derived(formula=formula, columns=(FLOPS.key,), against=against, compute=added_g))


def added_flops_percent(against: Mapping[str, str]) -> Column:
    """Return the column of added FLOPs in percent of the baseline's."""
    formula = "added FLOPs in percent of TSM's."
    return _derived(
        ADDED_PERCENT, Derived(formula=formula, columns=(FLOPS.key,), against=against, compute=added_percent)
    )


def eta(accuracy: Column, against: Mapping[str, str], *, group: str = "") -> Column:
    """Return the column of eta on the data set of an accuracy column, printed beside ``group``'s columns."""
    formula = (
        "added FLOPs in percent over added Top-1 in percent points, both against TSM (eq. 10), from the values shown; "
        "FLOPs are always the full-size network's, Top-1 is that of the network as run; smaller is more efficient, no "
        "gain has no eta. It has no interval: where the gain is undecided, so is eta."
    )
    columns = (FLOPS.key, accuracy.key)
    return _derived("eta", Derived(formula=formula, columns=columns, against=against, compute=efficiency), group)


def _derived(title: str, derived: Derived, group: str = "") -> Column:
    return Column(title=title, group=group, metric="derived", derived=derived)
