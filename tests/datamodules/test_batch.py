"""A batch's columns stay together: moved, selected, and with a column that may be absent."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from datamodules.batch import ClipBatch

N, V, T = 5, 2, 3
COLUMNS = [field.name for field in dataclasses.fields(ClipBatch)]


def batch(**changes) -> ClipBatch:
    columns = dict(
        clips=torch.arange(N * V * 3 * T).view(N, V, 3, T, 1, 1),
        labels=torch.arange(N) + 10,
        video_index=torch.arange(N) + 20,
        frame_indices=torch.arange(N * V * T).view(N, V, T),
        num_frames=torch.arange(N) + 30,
        source_index=torch.arange(N) % 2,
    )
    return ClipBatch(**{**columns, **changes})


@pytest.mark.parametrize("videos", [torch.tensor([True, False, False, True, True]), torch.tensor([4, 0, 4])])
def test_selected_videos_keep_all_their_columns(videos):
    given = batch(ignored=torch.tensor([True, False, True, False, False]))
    taken = given.select(videos)
    positions = videos.nonzero().flatten().tolist() if videos.dtype == torch.bool else videos.tolist()
    assert len(taken) == len(positions)
    for name in COLUMNS:
        rows = [getattr(given, name)[i] for i in positions]
        assert torch.equal(getattr(taken, name), torch.stack(rows)), name


def test_no_video_is_ignored_unless_said_so_and_absence_survives_every_move():
    given = batch()
    assert given.ignored is None
    for moved in (given.to("cpu"), given.to("meta"), given.select(torch.tensor([0])), given.with_clips(given.clips)):
        assert moved.ignored is None


def test_moving_a_batch_moves_every_column():
    moved = batch(ignored=torch.zeros(N, dtype=torch.bool)).to("meta")
    assert all(getattr(moved, name).is_meta for name in COLUMNS)
