"""A row may name a network of another class in each profile, with the clips it takes and a pre-training of its own."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest

from experiments.harness.cell import Options
from experiments.harness.evidence import gather
from experiments.harness.index import verdict_counts
from experiments.harness.render_claims import claims_section
from experiments.harness.spec import Build, Network, Pretrain, Profile, Row, Table
from experiments.harness.store import Store
from experiments.harness.table_cells import TableCells
from tests.harness.fakes import SOURCE, Data, Net, NewerNet, Recipe, evaluation, profile, table, training, with_row

PRINTED = ("1", "2", "3", "4")
OTHER = Network(module=Build(NewerNet, width=3.0, gate="soft"), clips=dict(size=8))


def with_networks(**changes: Any) -> dict[str, Profile]:
    """Return three profiles that have a second network, pre-trained by itself, and change the table's own."""
    own = Pretrain(data=Build(Data, source=SOURCE, size=16), recipe=Recipe(epochs=2), network="other")
    plain = Pretrain(data=Build(Data, source=SOURCE), recipe=Recipe(epochs=2))
    arguments: dict[str, Any] = dict(
        networks={"other": OTHER}, inits={"source": plain, "own": own}, module=dict(width=0.5), data=dict(size=24)
    )
    return {name: profile(**{**arguments, **changes}) for name in ("smoke", "proxy", "paper")}


def two_classes(**row: Any) -> Table:
    """Return a table whose third row is of the second network."""
    other = Row(**{"label": "other", "published": PRINTED, "network": "other", "init": "own", "classes": 4, **row})
    return table(profiles=with_networks(), rows=(*table().rows[:2], other))


def test_a_row_of_another_class_has_its_profiles_network_and_its_own_changes_alone():
    made = two_classes(module=dict(parts=("a",)))
    own, plain = training(made, row="other"), training(made, row="plain")
    assert (own.module.cls, own.module.resolved()) == (NewerNet, dict(width=3.0, parts=("a",), gate="soft"))
    assert (plain.module.cls, plain.module.resolved()["width"]) == (Net, 0.5)


def test_its_clips_are_between_the_profiles_and_the_rows():
    assert training(two_classes(), row="other").data.resolved()["size"] == 8
    assert training(two_classes(data=dict(size=4)), row="other").data.resolved()["size"] == 4
    assert training(two_classes(), row="plain").data.resolved()["size"] == 24
    assert evaluation(two_classes(), row="other", column="U/Top-1").data.resolved()["views"] == 3


def test_its_pretraining_is_of_the_same_network_and_clips():
    made = two_classes()
    before, plain = training(made, row="other").init, training(made, row="plain").init
    assert isinstance(before, type(plain)) and before.module.cls is NewerNet
    assert before.module.resolved()["width"] == 3.0 and before.data.resolved()["size"] == 8
    assert plain.module.cls is Net and plain.data.resolved()["size"] == 24


def test_a_pretraining_with_the_rows_changes_is_of_the_rows_network():
    inits = {"source": Pretrain(data=Build(Data, source=SOURCE), recipe=Recipe(), with_row=True)}
    made = table(
        profiles=with_networks(inits=inits),
        rows=(Row(label="other", published=PRINTED, network="other", module=dict(width=4.0), classes=4),),
        claims=(),
    )
    before = training(made, row="other").init
    assert before is not None and before.module.resolved()["width"] == 4.0 and before.module.cls is NewerNet


def test_a_second_network_changes_no_cell_of_the_tables_own():
    alone = table(profiles={name: dataclasses.replace(p, networks={}, inits={"source": p.inits["source"]})
                            for name, p in with_networks().items()})  # fmt: skip
    for row in ("plain", "wide"):
        for column in ("S/Top-1", "U/Top-1"):
            assert evaluation(two_classes(), row=row, column=column) == evaluation(alone, row=row, column=column)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (dict(network="third"), "row 'odd': profile 'smoke' has no network 'third'; it has 'other'"),
        (dict(network="other", module=dict(depth=1)), "row 'odd': NewerNet has no argument 'depth'"),
        (dict(module=dict(gate="hard")), "row 'odd': Net has no argument 'gate'; it accepts width, parts"),
    ],
)
def test_a_wrong_network_is_refused_by_the_rows_name(row: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        table(profiles=with_networks(), rows=(table().rows[0], Row(label="odd", published=PRINTED, **row)), claims=())


def test_clips_that_the_data_do_not_know_are_refused_by_row_and_profile():
    wrong = {"other": dataclasses.replace(OTHER, clips=dict(lenght=3))}
    with pytest.raises(ValueError, match=r"row 'odd': profile 'smoke': Data has no argument 'lenght'"):
        table(
            profiles=with_networks(networks=wrong),
            rows=(table().rows[0], Row(label="odd", published=PRINTED, network="other")),
            claims=(),
        )


def test_a_pretraining_of_an_unknown_network_is_refused():
    inits = {"source": Pretrain(data=Build(Data, source=SOURCE), recipe=Recipe(), network="third")}
    with pytest.raises(ValueError, match="initialisation 'source' has no network 'third'; it has 'other'"):
        table(profiles=with_networks(inits=inits))


def test_a_recipe_may_be_one_data_sets_own():
    made = table(profiles=with_networks(recipe=Recipe(epochs=5), recipe_on={"U": Recipe(epochs=9)}))
    assert training(made, column="U/Top-1").recipe.epochs == 9
    assert training(made, column="S/Top-1").recipe.epochs == 5
    assert training(with_row(made, "wide", recipe=dict(rate=0.2)), row="wide", column="U/Top-1").recipe == Recipe(
        epochs=9, rate=0.2
    )
    with pytest.raises(ValueError, match=re.escape("recipe_on for 'V'; the table has '', 'S', 'U'")):
        table(profiles=with_networks(recipe_on={"V": Recipe()}))


def test_a_rows_data_need_fit_only_where_it_is_run():
    class Other(Data):
        def __init__(self, *, source: Any, size: int = 32, batch_size: int, seed: int, data_root: Any,
                     num_workers: int) -> None: ...  # fmt: skip

    columns = table().columns
    mixed = (*columns[:2], dataclasses.replace(columns[2], data=Build(Other, source=SOURCE)), columns[3])
    row = Row(label="odd", published=PRINTED, data=dict(clip_selection=True), on=("S",))
    assert table(columns=mixed, rows=(table().rows[0], row), claims=()).row("odd").on == ("S",)
    with pytest.raises(ValueError, match="row 'odd': Other has no argument 'clip_selection'"):
        table(columns=mixed, rows=(table().rows[0], dataclasses.replace(row, on=None)), claims=())


def test_questions_have_no_published_values_and_are_answered_in_words_of_their_own(tmp_path: Any):
    with pytest.raises(ValueError, match="questions=True, but the row 'plain' has published values"):
        table(questions=True)
    rows = tuple(dataclasses.replace(row, published=(None,) * 4) for row in table().rows[:2])
    made = table(questions=True, rows=rows)
    cells = TableCells(made, Options(), Store(tmp_path), rows=(), controls=False)
    entries = gather(cells)["claims"]
    assert {entry["answer"] for entry in entries} == {"not run"}
    for verdict, answer in (("reproduced", "yes"), ("not reproduced", "no"), ("undecided", "undecided")):
        one = {**entries[0], "verdict": verdict, "answer": answer}
        text = claims_section({"claims": [one]})
        assert text.startswith("## Questions") and f"**{answer}**" in text and "eproduced" not in text
        assert verdict_counts({"claims": [one, one]}) == f"2 {answer}"
    asked_nothing = gather(TableCells(table(), Options(), Store(tmp_path), rows=(), controls=False))["claims"]
    assert not any("answer" in entry for entry in asked_nothing)
