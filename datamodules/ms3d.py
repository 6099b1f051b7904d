"""MS3D's data module: tailored frames, three clips drawn by variance rate, batches of P classes with two videos."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from lightning.pytorch.utilities import rank_zero_warn
from torch.utils.data import DataLoader

from datamodules.base import IMAGENET_MEAN, IMAGENET_STD, ClipDataModule
from datamodules.boxes import BOXES_FILE, TailoredReader, boxes_of, true_boxes
from datamodules.class_pairs import ClassPairSampler
from datamodules.frame_sampling import SegmentSampling
from datamodules.known_classes import PickedReader, of_known_classes
from datamodules.subset import OpenSubset
from datamodules.synthetic.files import default_cache
from datamodules.synthetic.members import Member
from datamodules.transforms import Compose, RandomCrop, RandomHorizontalFlip, ShortSide
from datamodules.transforms.tailor import Box, Tailor
from datamodules.variance_rate import RatedTestClips, VarianceRates, VarianceRateSampling
from datamodules.video import Video
from datamodules.video_sampling import FileReader, FrameOrder, FrameReader, ShardSampler, TestClips, TrainClips

Sampling = Literal["variance_rate", "uniform", "segments"]
SAMPLINGS: tuple[str, ...] = ("variance_rate", "uniform", "segments")

# "The expected frame size is 224 x 224"; the paper says nothing of crops or flips.
AUGMENTATION = (ShortSide(size=256), RandomCrop(size=224), RandomHorizontalFlip(p=0.5))
RATES_FOLDER = "variance-rates"


class Ms3dData(ClipDataModule):
    """Serve clips the way MS3D samples them: those of all pathways follow each other along time.

    Defaults are the paper's setting. The networks that MS3D is compared with take one clip that spans the video too,
    one frame of each segment, of whole frames: ``sampling="segments", pathway_frames=None, tailor=None,
    class_pairs=False``. See :class:`~datamodules.base.ClipDataModule` for the other arguments.

    Args:
        num_frames: T, the frames of all pathways together.
        pathway_frames: of each pathway; None with ``sampling="segments"``, which knows none.
        sampling: "variance_rate" draws frames where the picture changes, "uniform" anywhere, both in order and the
            same every time at test; "segments" takes one frame of each of T equal parts.
        tailor: how frames are tailored to the actor's box; None leaves them whole. The boxes are those of
            ``boxes.npz`` in the data set's folder (experiments/tools/boxes.py), the true ones on the benchmark.
        class_pairs: batches of P classes with two videos each, as the N-pair loss needs.
        unknown_classes: so many classes, spread evenly over the label order, are kept out of training and validation;
            tests still show them.
        repository_passes: p, clips of each training video in the repository of class centres.
        disturbances: transforms of test clips behind the crop, such as ``Occlusion`` and ``SensorNoise``.

    Raises:
        ValueError: lengths that do not fit, an unknown sampling, or no class left to train.
    """

    evaluation_arguments = ClipDataModule.evaluation_arguments | {"disturbances"}

    def __init__(
        self,
        *,
        source: Any,
        num_frames: int = 49,
        pathway_frames: tuple[int, ...] | None = (7, 17, 25),
        sampling: Sampling = "variance_rate",
        views: int = 1,
        crops: int = 1,
        short_side: int = 256,
        size: int = 224,
        augmentation: Sequence[Any] = AUGMENTATION,
        tailor: Tailor | None = Tailor(),  # noqa: B008 - frozen
        class_pairs: bool = True,
        unknown_classes: int = 0,
        repository_passes: int = 1,
        disturbances: Sequence[Any] = (),
        frame_order: FrameOrder = "forward",
        mean: tuple[float, float, float] = IMAGENET_MEAN,
        std: tuple[float, float, float] = IMAGENET_STD,
        batch_size: int = 64,
        seed: int = 0,
        data_root: Path | None = None,
        num_workers: int = 0,
    ) -> None:
        if sampling not in SAMPLINGS:
            raise ValueError(f"sampling={sampling!r}; accepted: {', '.join(map(repr, SAMPLINGS))}")
        if (pathway_frames is None) != (sampling == "segments"):
            raise ValueError(f"pathway_frames={pathway_frames} with sampling={sampling!r}; 'segments' takes None, "
                             "the others the length of each pathway's clip")  # fmt: skip
        if pathway_frames is not None and sum(pathway_frames) != num_frames:
            raise ValueError(f"num_frames={num_frames}; the pathways {pathway_frames} have {sum(pathway_frames)}")
        if unknown_classes < 0 or repository_passes < 1:
            raise ValueError(
                f"unknown_classes={unknown_classes}, repository_passes={repository_passes}; accepted: 0 or more, and "
                "1 or more"
            )
        super().__init__(
            source=source,
            sampling=SegmentSampling,
            test_sampling=None,
            num_frames=num_frames,
            frame_interval=1,
            views=views,
            crops=crops,
            short_side=short_side,
            size=size,
            augmentation=augmentation,
            clip_selection=None,
            frame_order=frame_order,
            clips_per_video=1,
            mean=mean,
            std=std,
            batch_size=batch_size,
            seed=seed,
            data_root=data_root,
            num_workers=num_workers,
        )
        if pathway_frames is not None:
            self.sampling = self.test_sampling = VarianceRateSampling(pathway_frames=pathway_frames)
        self.pathway_frames, self.by_rate = pathway_frames, sampling == "variance_rate"
        self.tailor, self.class_pairs, self.unknown_classes = tailor, class_pairs, unknown_classes
        self.repository_passes, self.disturbances = repository_passes, tuple(disturbances)
        self._rates: dict[str, VarianceRates] = {}

    # -- subsets: tailored, some classes left out --------------------------------------------------------

    def _opened(self, name: Any) -> OpenSubset:
        if name not in self._subsets:
            opened = super()._opened(name)
            del self._subsets[name]  # until it is complete: boxes may be missing
            if self.tailor is not None:
                opened = dataclasses.replace(opened, reader=self._tailored(opened, name, self.tailor))
            if self.unknown_classes and name != "test":
                opened = of_known_classes(opened, len(self.class_names), self.unknown_classes)
            self._subsets[name] = opened
        return self._subsets[name]

    def _tailored(self, opened: OpenSubset, name: str, tailor: Tailor) -> TailoredReader:
        boxes: Sequence[Box | None]
        if isinstance(self.source, Member):
            boxes = true_boxes(self.source, name)
        else:
            boxes = boxes_of(opened.videos, Path(self.data_root or ".") / BOXES_FILE)
        if nobody := sum(box is None for box in boxes):
            rank_zero_warn(f"{self.source.name}: {nobody} of {len(boxes)} {name} videos have no box and stay whole")
        return TailoredReader(opened.reader, boxes, tailor)

    def rates(self, name: str) -> VarianceRates | None:
        """Return the step probabilities of a subset's videos; None where frames are not drawn by them."""
        if not self.by_rate:
            return None
        if name not in self._rates:
            opened = self._opened(name)
            if isinstance(self.source, Member):
                self._rates[name] = VarianceRates(opened.reader)
            else:
                folder, names = default_cache() / RATES_FOLDER, self._names_of(opened)
                self._rates[name] = VarianceRates(opened.reader, folder=folder, names=names)
        return self._rates[name]

    def _names_of(self, opened: OpenSubset) -> Callable[[int], str]:
        def name(position: int) -> str:
            video, reader = opened.videos[position], opened.reader
            while isinstance(reader, PickedReader):
                position, reader = reader.positions[position], reader.reader
            box = reader.boxes[position] if isinstance(reader, TailoredReader) else None
            stat = video.path.stat()
            return repr((video, stat.st_size, stat.st_mtime_ns, self.tailor, box))

        return name

    # -- loaders ----------------------------------------------------------------------------------------

    def train_dataloader(self) -> DataLoader:
        """Return the training loader; its order and clips depend on (seed, epoch, video) alone."""
        if not self.class_pairs:
            loader = super().train_dataloader()
            self._draw_by_rate()
            return loader
        videos, reader = self.subset("train")
        self._train_clips = TrainClips(
            videos=videos, reader=reader, sampling=self.sampling, transform=self.train_transform(),
            seed=self.seed, clips_per_video=1, source_index=self._opened("train").source_index,
        )  # fmt: skip
        self._draw_by_rate()
        rank, world_size = self._place()
        sampler = ClassPairSampler(
            [video.label for video in videos], batch_size=self.batch_size, seed=self.seed, rank=rank,
            world_size=world_size,
        )  # fmt: skip
        trainer: Any = self.trainer
        if trainer is not None:  # worker processes must know the epoch with which a resumed training goes on
            sampler.set_epoch(trainer.fit_loop.epoch_progress.current.processed)
        return self._loader(self._train_clips, sampler, self.batch_size)

    def _draw_by_rate(self) -> None:
        rates = self.rates("train")
        if rates is not None and self._train_clips is not None:
            self._train_clips.start_weights = lambda position, num_frames, span: rates(position)

    def _test_loader(
        self, name: str, *, views: int = 1, crops: int = 1, frame_order: FrameOrder = "forward"
    ) -> DataLoader:
        videos, reader = self.subset(name)
        opened = dataclasses.replace(self._opened(name), videos=videos, reader=reader)
        disturbances = self.disturbances if name == "test" else ()
        clips = self._test_clips(
            opened, self.rates(name), views=views, crops=crops, frame_order=frame_order, disturbances=disturbances
        )
        rank, world_size = self._place()
        sampler = ShardSampler(len(clips), rank=rank, world_size=world_size)
        return self._loader(clips, sampler, max(1, self.batch_size // (views * crops)))

    def _test_clips(
        self, opened: OpenSubset, rates: VarianceRates | None, *, views: int, crops: int = 1,
        frame_order: FrameOrder = "forward", disturbances: Sequence[Any] = (),
    ) -> TestClips:  # fmt: skip
        arguments: dict[str, Any] = dict(
            videos=opened.videos, reader=opened.reader, sampling=self.test_sampling,
            transform=Compose(*self._test_transform(crops=crops).transforms, *disturbances),
            views=views, frame_order=frame_order, source_index=opened.source_index,
        )  # fmt: skip
        if self.pathway_frames is None:
            return TestClips(**arguments)
        clips = RatedTestClips(**arguments)
        clips.rates = rates
        return clips

    def repository_dataloader(self) -> DataLoader:
        """Return a loader of the training videos as in testing, p views of each: what class centres are made of."""
        clips = self._test_clips(self._opened("train"), self.rates("train"), views=self.repository_passes)
        rank, world_size = self._place()
        sampler = ShardSampler(len(clips), rank=rank, world_size=world_size)
        return self._loader(clips, sampler, max(1, self.batch_size // self.repository_passes))

    def clips_of(
        self,
        videos: Sequence[Video],
        boxes: Sequence[Box | None] | None = None,
        reader: FrameReader | None = None,
    ) -> TestClips:
        """Return videos from anywhere as in testing, one view of each.

        Args:
            videos: files or frame folders.
            boxes: of their actors; None leaves the frames whole.
            reader: of their frames, where they are already in memory; None reads the files.
        """
        reader = reader or FileReader(tuple(videos))
        if self.tailor is not None:
            reader = TailoredReader(reader, boxes if boxes is not None else (None,) * len(videos), self.tailor)
        opened = OpenSubset(
            videos=tuple(videos), reader=reader, missing=(), source_index=np.zeros(len(videos), dtype=np.int64)
        )
        return self._test_clips(opened, VarianceRates(reader) if self.by_rate else None, views=1)


# The embedded benchmark: frames of 40 pixels, crops of 32; rings of one pixel, as the frames are that much smaller,
# four of them, which fade as far as the paper's ten do (0.9 ** 10). No flip: its motions go either way by themselves.
PROXY_TAILOR = Tailor(decay=0.9**2.5, ring_width=1, rings=4)
PROXY_DATA = dict(
    short_side=40,
    size=32,
    augmentation=(ShortSide(size=40), RandomCrop(size=32)),
    tailor=PROXY_TAILOR,
)
SMOKE_DATA = dict(
    num_frames=4,
    pathway_frames=(1, 1, 2),
    views=2,
    short_side=32,
    size=32,
    augmentation=(ShortSide(size=32),),
    tailor=PROXY_TAILOR,
)
