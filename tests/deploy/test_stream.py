"""A stream is sampled and prepared as the tables' test clips are, in memory that does not grow."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import experiments.deploy.stream as stream_module
from datamodules.batch import InputSpec
from datamodules.datasets.folder import Folder
from datamodules.frame_sampling import ContinuousSampling
from datamodules.ligar import LigarData
from datamodules.video import write_video
from experiments.deploy.frames import FrameStream
from experiments.deploy.stream import REMEMBERED, Latencies, Prediction, Recogniser, recognise
from tests.deploy.tiny_networks import Recorder


def spec(**changes: Any) -> InputSpec:
    values = dict(
        num_frames=4, frame_interval=2, size=16, short_side=16, mean=(0.0,) * 3, std=(1.0,) * 3, class_names=("a", "b")
    )
    return InputSpec(**{**values, **changes})


def numbered_frames(count: int, height: int = 16, width: int = 16) -> Iterator[np.ndarray]:
    """Yield frames whose level is their number."""
    return (np.full((height, width, 3), number, np.uint8) for number in range(count))


def frames_seen(clip: np.ndarray) -> list[int]:
    assert np.ptp(clip, axis=(1, 3, 4)).max() == 0, "level frames stay level"
    return clip[0, 0, :, 0, 0].astype(int).tolist()


@pytest.mark.parametrize("every", [1, 2, 3, 8, 100])
@pytest.mark.parametrize(("num_frames", "interval"), [(4, 2), (3, 1), (1, 3), (5, 4)])
def test_windows_are_the_latest_frames_at_the_frame_interval(every: int, num_frames: int, interval: int):
    network = Recorder(spec(num_frames=num_frames, frame_interval=interval))
    recogniser = Recogniser(network, every=every)
    ends = []
    for number, image in enumerate(numbered_frames(60)):
        if (prediction := recogniser.feed(image)) is not None:
            expected = list(range(number - (num_frames - 1) * interval, number + 1, interval))
            assert frames_seen(network.clips[-1]) == expected == list(prediction.frame_indices)
            ends.append(number)
    assert ends[0] == (num_frames - 1) * interval
    steps = np.diff(ends)
    assert (steps == -(-every // interval) * interval).all(), "rounded up to a sampled frame"
    assert recogniser.num_predictions == len(ends) and recogniser.num_frames == 60


def test_another_frame_interval_fits_another_frame_rate():
    network = Recorder(spec())
    recognise(numbered_frames(20), Recogniser(network, frame_interval=5), lambda image, prediction: None)
    assert frames_seen(network.clips[0]) == [0, 5, 10, 15]


def test_a_stream_shorter_than_the_window_is_played_in_a_loop_as_in_the_tables():
    for count in range(1, 8):
        network = Recorder(spec())
        shown: list[Prediction | None] = []
        recognise(numbered_frames(count), Recogniser(network), lambda image, prediction: shown.append(prediction))  # noqa: B023
        assert len(network.clips) == 1 and len(shown) == count and shown[-1] is not None
        assert (
            frames_seen(network.clips[0]) == ContinuousSampling(num_frames=4, frame_interval=2).test(count)[0].tolist()
        )


def test_an_empty_stream_has_no_prediction():
    recogniser = Recogniser(Recorder(spec()))
    assert recogniser.finish() is None and recogniser.mean_prediction() is None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write three videos of different shape and length, the last shorter than a window."""
    root = tmp_path_factory.mktemp("videos")
    rng = np.random.default_rng(0)
    for name, frames, height, width in (("a", 31, 60, 90), ("b", 8, 96, 64), ("c", 5, 50, 50)):
        low = rng.integers(0, 255, (frames, height // 10 + 1, width // 10 + 1, 3), dtype=np.uint8)
        images = low.repeat(10, axis=1).repeat(10, axis=2)[:, :height, :width]
        for split in ("train", "val"):
            (root / split / "class").mkdir(parents=True, exist_ok=True)
            write_video(root / split / "class" / f"{name}.mp4", images)
    return root


@pytest.mark.parametrize("interval", [1, 2])
def test_clips_equal_those_of_the_data_modules_test_bit_for_bit(folder: Path, interval: int):
    data = LigarData(
        source=Folder(), data_root=folder, batch_size=1, num_frames=4, frame_interval=interval, short_side=40, size=32
    )
    videos, _ = data.subset("test")
    met = 0
    for video, batch in zip(videos, data.test_dataloader(), strict=True):
        expected = data.on_after_batch_transfer(batch, 0)
        network = Recorder(data.input_spec)
        predictions: dict[tuple[int, ...], np.ndarray] = {}
        with FrameStream(video.path) as stream:
            recogniser = Recogniser(network, every=1)
            for image in stream:
                if (prediction := recogniser.feed(image)) is not None:
                    predictions[prediction.frame_indices] = network.clips[-1]
            if (prediction := recogniser.finish()) is not None:
                predictions[prediction.frame_indices] = network.clips[-1]
        wanted = tuple(expected.frame_indices[0, 0].tolist())
        if wanted[0] % interval == 0:  # the stream samples frames 0, I, 2 I, ...
            assert np.array_equal(predictions[wanted], expected.clips[0].numpy())
            met += 1
    assert met >= 2


def test_a_network_that_samples_whole_videos_is_refused():
    with pytest.raises(ValueError, match=r"takes 4 frames spread over a whole video \(segment sampling\)"):
        Recogniser(Recorder(spec(frame_interval=None)))


@pytest.mark.parametrize("name", ["every", "frame_interval"])
def test_numbers_of_frames_below_one_are_refused(name: str):
    with pytest.raises(ValueError, match=f"{name}=0; accepted: 1 or more"):
        Recogniser(Recorder(spec()), **{name: 0})


def test_frames_too_small_for_the_crop_of_an_unscaled_network_are_refused():
    recogniser = Recogniser(Recorder(spec(short_side=None)))
    with pytest.raises(ValueError, match="crop of 16 x 16 does not fit into frames of 16 x 12"):
        recogniser.feed(np.zeros((12, 16, 3), np.uint8))


@pytest.mark.parametrize("view_score", ["logits", "probs"])
def test_the_mean_over_windows_averages_what_views_of_a_video_average(view_score: str):
    network = Recorder(spec())
    network.view_score, network.confidence_scale = view_score, 1.0 if view_score == "probs" else 0.5
    recogniser = Recogniser(network, every=2)
    predictions = [p for image in numbered_frames(15) if (p := recogniser.feed(image)) is not None]
    mean = recogniser.mean_prediction()
    assert mean is not None and len(predictions) == 5
    scores = torch.tensor([[float(number), 1.0] for number in range(1, 6)], dtype=torch.float64)
    if view_score == "probs":
        expected = expected_confidences = scores.softmax(1).mean(0)
    else:
        expected = scores.mean(0)
        expected_confidences = (0.5 * expected).softmax(0)
    assert np.allclose(mean.scores, expected) and np.allclose(mean.confidences, expected_confidences)
    assert mean.top(("a", "b"), 1) == [("a", pytest.approx(float(expected_confidences[0])))]


def test_confidences_are_the_softmax_of_the_scaled_scores():
    network = Recorder(spec(num_frames=1))
    network.confidence_scale = 3.0
    prediction = Recogniser(network).feed(np.zeros((16, 16, 3), np.uint8))
    assert prediction is not None
    assert np.allclose(prediction.confidences, (3 * torch.tensor([1.0, 1.0])).softmax(0))
    assert [name for name, _ in prediction.top(("a", "b"))] == ["a", "b"], "equal ones in the order of classes"


class Distances(Recorder):
    """Score by minus squared distances: the nearest centre comes nearer by one with every call, from 4 on."""

    rejection_distance = 2.0

    def __call__(self, clips: np.ndarray) -> np.ndarray:
        self.clips.append(clips)
        return np.array([[-((5.0 - len(self.clips)) ** 2), -100.0]], np.float32)


def test_what_is_not_nearer_than_the_threshold_is_unknown_and_the_nearest_class_is_named():
    recogniser = Recogniser(Distances(spec(num_frames=1)), every=1, frame_interval=1)
    found = [recogniser.feed(np.zeros((16, 16, 3), np.uint8)) for _ in range(4)]
    assert [one.unknown for one in found if one is not None] == [True, True, True, False], "distances 4, 3, 2 and 1"
    assert [one.top(("a", "b"), 1)[0][0] for one in found if one is not None] == ["unknown, nearest: a"] * 3 + ["a"]
    mean = recogniser.mean_prediction()
    assert mean is not None and mean.unknown, "most windows are"
    for _ in range(3):
        recogniser.feed(np.zeros((16, 16, 3), np.uint8))
    assert recogniser.mean_prediction().unknown, "distances 0, 1 and 2 follow: four of seven"
    recogniser.network.rejection_distance = None
    assert not recogniser.feed(np.zeros((16, 16, 3), np.uint8)).unknown


class Forgetful(Recorder):
    """Keep no clips."""

    def __call__(self, clips: np.ndarray) -> np.ndarray:
        return np.ones((1, 2), np.float32)


def test_memory_stays_flat_over_a_long_stream(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stream_module, "REMEMBERED", 32)  # full before the measurement starts
    recogniser = Recogniser(Forgetful(spec()), every=4)
    image = np.zeros((24, 32, 3), np.uint8)
    for _ in range(200):
        recogniser.feed(image)
    tracemalloc.start()
    try:
        for number in range(3000):
            recogniser.feed(image)
            if number == 500:
                before = tracemalloc.get_traced_memory()[0]
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert recogniser.num_frames == 3200 and recogniser.num_predictions > 700
    assert grown < 200_000, "one kept frame in ten would be more; PyTorch keeps some small objects for a while"


def test_only_the_latest_durations_are_kept():
    latencies = Latencies()
    for number in range(3 * REMEMBERED):
        latencies.add("infer", 1.0 if number < 2 * REMEMBERED else 2.0)
    assert latencies.percentiles_ms() == {"infer": (2000.0, 2000.0)}
    latencies.add("decode", 0.0012)
    assert str(latencies) == "infer 2000.0 / 2000.0 ms   decode 1.2 / 1.2 ms"
