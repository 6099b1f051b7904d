"""Recognise actions in a video or from a camera, with a checkpoint or an exported network.

Run: python experiments/tools/demo.py CHECKPOINT_OR_EXPORTED VIDEO --out drawn.mp4
     python experiments/tools/demo.py CHECKPOINT_OR_EXPORTED --webcam 0 --seconds 30 --out drawn.mp4

The latest T frames at the network's frame interval are recognised every few frames: continuous sampling, with the
preparation of the tables' test. Frames are counted, not timed, as in training; --frame-interval fits a source whose
frame rate differs. A video shorter than the window is played in a loop, as in the tables. The frames with the five most
confident classes go to --out, at a constant frame rate. A network that judges by class centres shows an action as
unknown where the nearest one is farther than the threshold set on the training videos; it has to be one of continuous
sampling, too, which MS3D's own is not. Memory does not grow with the video's length, but for the index of the file
written (6 MB an hour).
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.deploy.frames import FrameStream, FrameWriter
from experiments.deploy.network import open_network
from experiments.deploy.overlay import Overlay
from experiments.deploy.stream import Prediction, Recogniser, recognise


def main(argv: Sequence[str] | None = None) -> int:
    """Recognise in one stream; return the exit status."""
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("network", type=Path, help="a checkpoint, or the folder of an exported network")
    parse.add_argument("video", type=Path, nargs="?")
    parse.add_argument("--webcam", type=int, metavar="N", help="number of a camera, in place of a video")
    parse.add_argument("--out", type=Path, help="video file to write")
    parse.add_argument("--every", type=int, default=8, metavar="FRAMES", help="from one prediction to the next")
    parse.add_argument("--frame-interval", type=int, metavar="FRAMES", help="in place of the network's")
    parse.add_argument("--seconds", type=float, help="stop after so many seconds of the stream")
    parse.add_argument("--threads", type=int, default=1, help="processor threads")
    given = parse.parse_args(argv)
    if (given.video is None) == (given.webcam is None):
        parse.error("give a video or --webcam N, one of the two")
    if given.threads < 1:
        parse.error("--threads must be 1 or more")
    try:
        return run(given)
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def run(given: argparse.Namespace) -> int:
    """Recognise, draw, and print what changes."""
    import torch

    torch.set_num_threads(given.threads)
    network = open_network(given.network, threads=given.threads)
    recogniser = Recogniser(network, every=given.every, frame_interval=given.frame_interval)
    names, overlay, shown = network.input_spec.class_names, Overlay(), Shown()
    source = given.video if given.webcam is None else given.webcam
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(FrameStream(source))
        writer = stack.enter_context(FrameWriter(given.out, fps=stream.fps)) if given.out is not None else None

        def show(image: np.ndarray, prediction: Prediction | None) -> None:
            if prediction is not None and prediction is not shown.prediction:
                shown.change(prediction, names, str(recogniser.latencies))
            if writer is not None:
                writer.write(overlay.draw(image, shown.top, shown.latencies))

        end = None if given.seconds is None else max(1, round(given.seconds * stream.fps))
        with contextlib.suppress(KeyboardInterrupt):  # the usual end of a camera's stream
            recognise(itertools.islice(stream, end), recogniser, show)
    if stream.truncated:
        print("the video is damaged: the frames after the first error are left out", file=sys.stderr)
    mean = recogniser.mean_prediction()
    if mean is not None:
        print(f"all {recogniser.num_predictions} windows: {described(mean.top(names))}")
    print(f"{recogniser.num_frames} frames; p50 / p95: {recogniser.latencies}")
    return 0


class Shown:
    """Hold what is on the screen: the latest prediction, and the durations at that time."""

    def __init__(self) -> None:
        self.prediction: Prediction | None = None
        self.top: list[tuple[str, float]] = []
        self.latencies = ""

    def change(self, prediction: Prediction, names: Sequence[str], latencies: str) -> None:
        """Show another prediction; print it if its first class is another."""
        top = prediction.top(names)
        if not self.top or top[0][0] != self.top[0][0]:
            print(f"frame {max(prediction.frame_indices)}: {described(top)}", flush=True)
        self.prediction, self.top, self.latencies = prediction, top, f"p50 / p95: {latencies}"


def described(top: Sequence[tuple[str, float]]) -> str:
    """Return classes with their confidence in percent."""
    return ", ".join(f"{name} {100 * confidence:.0f} %" for name, confidence in top)


if __name__ == "__main__":
    sys.exit(main())
