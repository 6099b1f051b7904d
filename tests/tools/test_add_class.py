"""A class joins a trained MS3D from a few videos, without training, and is recognised afterwards."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from datamodules.datasets.hmdb51 import HMDB51
from datamodules.ms3d import SMOKE_DATA, Ms3dData
from datamodules.synthetic.files import default_cache, prepare
from datamodules.synthetic.stand_ins import stand_in
from datamodules.video import Video
from experiments.deploy import load_checkpoint_module
from experiments.deploy.checkpoint import rebuild_data
from experiments.harness import Build
from experiments.harness.cell import Training
from experiments.harness.runner import run
from experiments.tools.add_class import codes_of, main
from lightning_modules.checkpoints import read_checkpoint
from lightning_modules.ms3d import Ms3d
from lightning_modules.ms3d.profiles import R3D18, SMOKE_MS3D, SMOKE_RECIPE
from tests.tiny_cells import runtime

MEMBER = replace(stand_in(HMDB51(split=1).name).tiny(), num_train=8, num_val=4)
pytestmark = pytest.mark.usefixtures("benchmark_cache")


def trained(folder: Path, **module) -> Path:
    data = dict(SMOKE_DATA) if module.get("loss", 0) is not None else dict(SMOKE_DATA, class_pairs=False)
    cell = Training(
        paper="ms3d", module=Build(Ms3d, **{"backbone": SMOKE_MS3D, **module}),
        data=Build(Ms3dData, source=MEMBER, **data), recipe=replace(SMOKE_RECIPE, stages=SMOKE_RECIPE.stages[:1]),
        num_classes=4, seed=0, profile="smoke",
    )  # fmt: skip
    where = runtime(folder)
    run(cell, where)
    return where.store.folder(cell).weights


def some_videos() -> list[str]:
    root = prepare(MEMBER, default_cache())
    return [str(video.path) for video in MEMBER.videos(root, "val")[:2]]


def code_of(module, checkpoint: Path, video: str) -> torch.Tensor:
    """Return a video's code (1, D), its frames whole."""
    data = rebuild_data(read_checkpoint(checkpoint)["arguments"], Ms3dData)
    one = Video(id=Path(video).name, path=Path(video), label=4, label_name="wave")
    return codes_of(module, data, (one,), None)


def test_a_new_class_is_the_mean_of_its_videos_codes_and_the_others_stay(tmp_path, capsys):
    path, videos, out = trained(tmp_path), some_videos(), tmp_path / "grown.ckpt"
    whole = ["--whole-frames", "--out"]
    assert main([str(path), "wave", *videos, *whole, str(out)]) == 0
    assert "5 classes, the last is 'wave' from 2 video(s)" in capsys.readouterr().out
    before, _ = load_checkpoint_module(path)
    after, spec = load_checkpoint_module(out)
    assert spec.class_names == (*MEMBER.class_names(), "wave") and after.num_classes == 5
    after.check_repository()
    clips = torch.randn(3, 1, 3, 4, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(after(clips)[:, :4], before(clips))
        assert after.repository.counts.tolist() == [2, 2, 2, 2, 2]
        own = after.repository.centres[4]
        assert after.network.head(own[None]).argmax() == 4
    codes = []
    for number, video in enumerate(videos):
        single = tmp_path / f"single{number}.ckpt"
        assert main([str(path), "wave", video, *whole, str(single)]) == 0
        module, _ = load_checkpoint_module(single)
        code = code_of(module, single, video)
        assert module.network.head(code).argmax() == 4, "its video is recognised as the new class"
        torch.testing.assert_close(module.repository.centres[4], code[0])
        codes.append(code[0])
    assert not torch.allclose(*codes), "two videos, two codes"
    torch.testing.assert_close(own, torch.stack(codes).mean(0))
    assert main([str(out), "jump", videos[1], "--detector", "motion"]) == 0  # it grows again, tailored, beside itself
    assert load_checkpoint_module(tmp_path / "grown_with_jump.ckpt")[1].class_names[-2:] == ("wave", "jump")
    assert main([str(path), "push/pull it", videos[0], "--whole-frames"]) == 0
    [named] = path.parent.glob("*_with_push_pull_it.ckpt")
    assert load_checkpoint_module(named)[1].class_names[-1] == "push/pull it"


def test_what_cannot_grow_is_refused(tmp_path, capsys):
    path, videos = trained(tmp_path), some_videos()
    name = MEMBER.class_names()[0]
    foreign = read_checkpoint(path)
    foreign["state_dict"]["network.backbone.code.bias"] += 1
    torch.save(foreign, tmp_path / "foreign.ckpt")
    (tmp_path / "broken.mp4").write_bytes(b"no video" * 100)
    linear = trained(tmp_path / "linear", loss=None, backbone=R3D18.smoke)
    for given, message in (
        ([str(path), name, *videos], f"has a class {name!r} already"),
        ([str(path), "wave", *videos], "learnt on frames tailored to the actor: choose a --detector (torchvision, "),
        ([str(tmp_path / "foreign.ckpt"), "wave", *videos], "filled by another network"),
        ([str(path), "wave", str(tmp_path / "nowhere.mp4"), "--whole-frames"], "nowhere.mp4"),
        ([str(path), "wave", str(tmp_path / "broken.mp4"), "--whole-frames"], "broken.mp4"),
        ([str(tmp_path / "nowhere/x.ckpt"), "wave", *videos], "x.ckpt: no such checkpoint"),
        ([str(linear), "wave", *videos], "a Linear judges its classes"),
        (
            [str(path), "wave", *videos, "--out", str(tmp_path / "no/file.ckpt")],
            f"there is no folder {tmp_path / 'no'}",
        ),
    ):
        assert main(given) == 1
        assert message in capsys.readouterr().err
