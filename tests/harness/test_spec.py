from __future__ import annotations

import dataclasses
import pickle
import re
from typing import Any

import pytest

from experiments.harness.spec import Build, CheckpointFile, Claim, Column, Figure, Profile, Row, Table
from tests.harness.fakes import SCENES, Data, Net, Recipe, profile, table

PUBLISHED = ("1", "2", "3", "4")


def refuses(message: str, **changes: Any) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        table(**changes)


def rows(**changes: Any) -> tuple[Row, ...]:
    return (table().rows[0], Row(**{"label": "odd", "published": PUBLISHED, **changes}))


def column(**changes: Any) -> tuple[Column, ...]:
    arguments: dict[str, Any] = {
        "group": "S",
        "title": "odd",
        "metric": "top1",
        "data": Build(Data, source=SCENES),
        **changes,
    }
    return (*table().columns[:3], Column(**arguments))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(module=dict(widht=2.0)), "Net has no argument 'widht'; it accepts width, parts"),
        (dict(module=dict(num_classes=7)), "'num_classes' of Net is supplied by the harness and cannot be set"),
        (
            dict(data=dict(sise=9)),
            "Data has no argument 'sise'; it accepts source, size, clip_selection, views, frame_order",
        ),
        (dict(recipe=dict(epoch=9)), "the recipe has no field 'epoch'; it has epochs, batch_size, rate, stages"),
        (dict(init="elsewhere"), "profile 'smoke' has no initialisation 'elsewhere'; it has 'source'"),
        (dict(published=("1", "2")), "2 published values for 4 columns"),
        (dict(published=("1", "2", 3.0, "4")), "published value 3.0 must be a string, as printed"),
        (dict(published=("1", "2", "n/a", "4")), "published value 'n/a' must be a number as printed"),
        (dict(published=("1", "2", "nan", "4")), "published value 'nan' must be a number as printed"),
    ],
)
def test_a_wrong_row_is_refused_at_once_by_its_name(changes: dict[str, Any], message: str):
    refuses(f"paper/table9, row 'odd': {message}", rows=rows(**changes), claims=())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(metric="top3"), "unknown metric 'top3'; accepted: top1, top5, mean_class_acc, map, params_m"),
        (dict(data=None), "the metric 'top1' needs data=Build(...)"),
        (dict(metric="gmacs"), "a cost is computed from the network; it takes no data"),
        (dict(metric="gmacs", data=None, rule="guess"), "unknown rule 'guess'; accepted: torch, fvcore"),
    ],
)
def test_a_wrong_column_is_refused_at_once_by_its_name(changes: dict[str, Any], message: str):
    refuses(f"paper/table9, column 'S/odd': {message}", columns=column(**changes))


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        (Claim("X7", "wide", "<", "plain"), "unknown relation '<'; accepted: >, ~"),  # type: ignore[arg-type]
        (Claim("X7", "wide", "~", "plain"), "equality needs a margin above 0"),
        (Claim("X7", "wide", ">", "plain", margin=-1.0), "margin -1.0 must not be negative"),
        (Claim("X7", "wider", ">", "plain"), "paper/table9 has no row 'wider'; it has 'plain', 'wide', 'quoted'"),
        (Claim("X7", "wide", ">", "plan"), "paper/table9 has no row 'plan'"),
        (
            Claim("X7", "wide", ">", "plain", columns=("S/Top1",)),
            "paper/table9 has no column 'S/Top1'; it has 'S/Top-1'",
        ),
        (Claim("X7", "wide", ">", "plain", gains_over=("plain", "plan")), "paper/table9 has no row 'plan'"),
        (
            Claim("X7", "wide", ">", "plain", columns=("Param. (M)",), gains_over=("plain", "quoted")),
            "'Param. (M)' is no accuracy; gains over other rows are compared in accuracies only",
        ),
        (
            Claim("X7", "wide", ">", "plain", gains_over=("plain", "plain")),
            "asks what the row 'plain' gains over itself",
        ),
        (
            Claim("X7", "wide", ">", "plain", gains_over=("plain", "wide"), worse_column="S/Top-1"),
            "accepted is one of gains_over, worse_column and less_column",
        ),
        (
            Claim("X7", "wide", ">", "plain", columns=("S/Top-1",), less_column="S/Top-1"),
            "less_column 'S/Top-1' (top1); accepted: another accuracy than 'S/Top-1', and of the same metric",
        ),
        (
            Claim("X7", "wide", ">", "plain", columns=("S/Top-1",), less_column="S/Top-5"),
            "paper/table9 has no column 'S/Top-5'",
        ),
    ],
)
def test_a_wrong_claim_is_refused_at_once_by_its_number(claim: Claim, message: str):
    with pytest.raises(ValueError, match=re.escape("paper/table9, claim X7: ") + ".*" + re.escape(message)):
        table(claims=(claim,))


def test_a_wrong_table_is_refused_by_its_id():
    refuses("table id 'table9' must read '<paper>/<table>'", id="table9")
    refuses("paper/table9: profile 'paper' is missing", profiles={"smoke": profile(), "proxy": profile()})
    refuses("paper/table9: row label 'plain' stands twice", rows=(table().rows[0],) * 2)
    refuses("paper/table9: column 'S/Top-1' stands twice", columns=(table().columns[0],) * 2)
    refuses("paper/table9 has no row 'none'", baseline="none")
    quoted = tuple(dataclasses.replace(row, cited=True) for row in table().rows)
    refuses("paper/table9: every row is cited; nothing would run", rows=quoted)


def test_a_wrong_profile_is_refused_by_its_name():
    wrong = {**table().profiles, "proxy": profile(module=dict(depth=3))}
    refuses("paper/table9, profile 'proxy': Net has no argument 'depth'", profiles=wrong)
    wrong = {**table().profiles, "proxy": profile(data=dict(depth=3))}
    refuses("paper/table9, profile 'proxy': Data has no argument 'depth'", profiles=wrong)


def test_an_empty_profile_is_one_without_initialisations():
    empty = {name: Profile() for name in ("smoke", "proxy", "paper")}
    refuses("row 'plain': profile 'smoke' has no initialisation 'source'; it has none", profiles=empty)
    assert isinstance(table(profiles=empty, init=None), Table)
    named = {name: Profile(inits={"source": CheckpointFile("a file")}) for name in empty}
    assert isinstance(table(profiles=named), Table)


def test_a_build_checks_its_arguments_where_it_is_written():
    with pytest.raises(ValueError, match=r"Build\(Net\): Net has no argument 'hieght'"):
        Build(Net, hieght=2)
    with pytest.raises(ValueError, match="'recipe' of Net is supplied by the harness"):
        Build(Net, recipe=Recipe())
    with pytest.raises(ValueError, match="needs the argument 'source', which nothing supplies"):
        Build(Data).resolved()


def test_a_build_refuses_constructors_that_swallow_any_keyword():
    class Swallowing:
        def __init__(self, *, width: int = 1, **rest: Any) -> None: ...

    with pytest.raises(ValueError, match="has no argument 'hieght'"):
        Build(Swallowing, hieght=2)


def test_a_build_fills_in_defaults_and_leaves_out_what_the_harness_supplies():
    assert Build(Net, width=2.0).resolved() == {"width": 2.0, "parts": ()}
    assert set(Build(Data, source=SCENES).resolved()) == {"source", "size", "clip_selection", "views", "frame_order"}


def test_a_build_is_not_changed_by_overrides_nor_by_pickling():
    build = Build(Net, width=2.0)
    other = build.with_arguments({"parts": ("a",)}, where="here")
    assert dict(build.arguments) == {"width": 2.0} and dict(other.arguments) == {"width": 2.0, "parts": ("a",)}
    with pytest.raises(TypeError):
        build.arguments["width"] = 3.0  # type: ignore[index]
    copy = pickle.loads(pickle.dumps(other))
    assert copy.cls is Net and copy.resolved() == other.resolved()


def test_columns_are_known_by_group_and_title():
    assert [column.key for column in table().columns] == ["S/Top-1", "S/mAP", "U/Top-1", "Param. (M)"]
    assert [column.is_cost for column in table().columns] == [False, False, False, True]


def test_the_control_is_the_first_row_that_runs_unless_named():
    first = dataclasses.replace(table().rows[0], cited=True)
    assert table(rows=(first, *table().rows[1:])).control_row.label == "wide"
    assert table().control_row.label == "plain"
    assert table(baseline="wide").control_row.label == "wide"


def test_a_figure_of_rows_that_do_not_exist_is_refused():
    with pytest.raises(ValueError, match="paper/table9 has no row 'nowhere'"):
        Figure(id="paper/figure1", title="", table=table(), rows=("nowhere",), draw=print)


@pytest.mark.parametrize(
    ("columns", "other"),
    [(("S/Top-1",), "U/Top-1"), (("S/Top-1",), "S/mAP"), (("S/Top-1",), "Param. (M)"), (("Param. (M)",), "S/Top-1")],
)
def test_columns_that_have_no_paired_difference_cannot_be_claimed(columns: tuple[str, ...], other: str):
    with pytest.raises(ValueError, match=f"claim X: .* and worse_column '{re.escape(other)}' .* cannot be compared"):
        table(claims=(Claim("X", "plain", ">", "plain", columns=columns, worse_column=other),))


def test_a_table_of_costs_alone_is_refused():
    costs = table().columns[-1:]
    rows = tuple(dataclasses.replace(row, published=("1",)) for row in table().rows)
    with pytest.raises(ValueError, match="paper/table9: every column is a cost"):
        table(columns=costs, rows=rows, claims=())
