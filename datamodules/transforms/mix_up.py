"""MixUp with still images: blend one image into all frames of a clip, so that backgrounds vary (LIGAR, Sec. V.i).

The paper takes the images from ImageNet and in the end prefers CrossNorm; the numbers are the released code's, where
this step is switched off.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from datamodules.frame_folder import IMAGE_SUFFIXES, read_image
from datamodules.synthetic.decoded import DecodedVideos
from datamodules.synthetic.files import default_cache, prepare
from datamodules.synthetic.members import Member
from datamodules.transforms.crop import crop, resize
from datamodules.transforms.draw import check_probability, draw_once_or_per_clip

LARGEST_WEIGHT = 0.5
BETA = 0.2  # both parameters of the weight's distribution: most images are hardly seen or half seen
MARGIN = 1.15  # short side of the image over the side of the clip, which leaves room for a random crop


@dataclass(frozen=True, kw_only=True)
class ImageMixUp:
    """Replace each frame by ``(1 - a) * frame + a * image``, ``a = 0.5 * Beta(0.2, 0.2)``; the label stays.

    The image is random, scaled so that its short side is 1.15 times the clip's longer one, cut at a random place and
    mirrored with probability 0.5. All frames of a clip get the same image and weight. A recipe states the step alone;
    the data module says where images are when it builds a loader.

    Args:
        images: folder of images (jpg, png, at any depth); or a member of the benchmark, whose training videos' single
            frames are the images. ``"of source"``: the data module's choice.
        p: probability of the step; the paper gives none, the default always mixes.
        per_clip: draw for each clip.

    Raises:
        ValueError: ``p`` outside 0..1.
    """

    images: Path | Member | Literal["of source"] = "of source"
    p: float = 1.0
    per_clip: bool = False

    def __post_init__(self) -> None:
        check_probability("p", self.p)

    def opened(self) -> ImageMixUp:
        """Return the same step, ready to be called; a member that is not there yet is rendered.

        Raises:
            ValueError: ``images`` is not known yet, no folder, or a folder without images.
        """
        if self.images == "of source":
            raise ValueError("ImageMixUp does not know its images yet: the data module says where they are")
        images: Images
        if isinstance(self.images, Member):
            images = VideoFrames(DecodedVideos(prepare(self.images, default_cache()), "train"))
        else:
            images = ImageFiles(Path(self.images))  # type: ignore[arg-type]
        ready = replace(self)
        object.__setattr__(ready, "_images", images)
        return ready

    def __call__(self, clips: Tensor, label: int, rng: np.random.Generator) -> tuple[Tensor, int]:
        """Return clips of the same shape and the same label.

        Raises:
            ValueError: the step is not :meth:`opened`, or an image cannot be read (the file is named).
        """
        if not hasattr(self, "_images"):
            raise ValueError("ImageMixUp is not opened: opened() finds the images")
        return draw_once_or_per_clip(self._mix, clips, rng, per_clip=self.per_clip), label

    def _mix(self, clips: Tensor, rng: np.random.Generator) -> Tensor:
        if rng.random() >= self.p:
            return clips
        images: Images = self._images  # type: ignore[attr-defined]
        weight = LARGEST_WEIGHT * float(rng.beta(BETA, BETA))
        image = torch.from_numpy(np.array(images.draw(rng))).permute(2, 0, 1)  # (3, h, w)
        image = place(image, clips.shape[-2], clips.shape[-1], rng)
        return ((1 - weight) * clips.float() + weight * image.float()).round().to(torch.uint8)


def place(image: Tensor, height: int, width: int, rng: np.random.Generator) -> Tensor:
    """Return a random window ``(3, height, width)`` of the scaled image, mirrored or not."""
    scale = MARGIN * max(height, width) / min(image.shape[-2:])
    scaled = resize(image, round(image.shape[-2] * scale), round(image.shape[-1] * scale))
    top = int(rng.integers(scaled.shape[-2] - height + 1))
    left = int(rng.integers(scaled.shape[-1] - width + 1))
    window = crop(scaled, top, left, height, width)
    return window.flip(-1) if rng.random() < 0.5 else window


class Images(Protocol):
    """Give random images."""

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Return an image ``(H, W, 3)`` uint8 RGB."""
        ...


class ImageFiles:
    """Draw from the jpg and png files below a folder, at any depth.

    Raises:
        ValueError: no folder there, or no image in it.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise ValueError(
                f"ImageMixUp: the folder of images {str(folder)!r} does not exist; make it, or a link to one"
            )
        self.paths = sorted(
            os.path.join(place, name)
            for place, _, names in os.walk(folder, followlinks=True)
            for name in names
            if os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES and not name.startswith(".")
        )
        if not self.paths:
            raise ValueError(f"ImageMixUp: the folder {str(folder)!r} holds no jpg or png image")

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """See :class:`Images`.

        Raises:
            ValueError: the image is damaged.
        """
        path = self.paths[int(rng.integers(len(self.paths)))]
        image = read_image(Path(path))
        if image is None:
            raise ValueError(f"ImageMixUp: the image {path!r} cannot be read; remove it")
        return image


class VideoFrames:
    """Draw single frames of decoded videos: a video, then a frame of it."""

    def __init__(self, videos: DecodedVideos) -> None:
        self.videos = videos

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """See :class:`Images`."""
        video = int(rng.integers(len(self.videos)))
        return self.videos.frames(video, rng.integers(self.videos.num_frames(video), size=1))[0]
