"""Opening, reading and writing videos."""

import os
import pickle
import shutil
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from torch.utils.data import DataLoader, Dataset

import datamodules.video_file
from datamodules.packet_index import PacketFacts, index_packets
from datamodules.video import UndecodableVideoError, Video, open_video, write_video

VIDEOS = Path(__file__).parents[2].parent / "shared" / "data" / "videos"
FIXTURES = {  # frames that decode, and whether packets suffice to know it
    "decord/corrupted.mp4": (28, False),
    "decord/flipping_a_pancake.mkv": (310, True),
    "decord/video_0.mov": (3, True),
    "decord/video_90.mov": (3, True),
    "imageio/realshort.mp4": (36, True),
    "mmaction2/demo.mp4": (280, True),
    "mmaction2/part_0.mp4": (32, True),
    "mmaction2/test.avi": (164, False),
    "torchcodec/h265_10bits.mp4": (30, True),
    "torchcodec/nasa_13013.mp4": (390, True),
    "torchvision/R6llTwEh07w.mp4": (303, True),
    "torchvision/TrumanShow_wave_f_nm_np1_fr_med_26.avi": (48, False),
    "torchvision/hmdb51_Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6.avi": (83, False),
    "torchvision/v_SoccerJuggling_g23_c01.avi": (240, True),
}
needs_fixtures = pytest.mark.skipif(not VIDEOS.is_dir(), reason="the shared test videos are not here")


def moving_square(num_frames: int = 50, height: int = 48, width: int = 64) -> np.ndarray:
    """Return frames whose grey level tells their number, with a square that moves."""
    frames = np.empty((num_frames, height, width, 3), np.uint8)
    for number, frame in enumerate(frames):
        frame[:] = 20 + 4 * (number % 50)
        column = number * 2 % (width - 8)
        frame[8:16, column : column + 8] = (230, 30, 60)
    return frames


def encode(path: Path, codec: str, frames: np.ndarray, muxer: dict[str, str] | None = None, **options: object) -> None:
    with av.open(str(path), "w", options=muxer or {}) as container:
        stream = container.add_stream(codec, rate=25, options={name: str(value) for name, value in options.items()})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def decode_everything(path: Path) -> np.ndarray:
    """Decode all frames of the best stream up to the first error, in the plainest way; rotated by hand."""
    frames = []
    with av.open(str(path), metadata_errors="ignore") as container:
        stream = container.streams.best("video")
        stream.codec_context.thread_type = "NONE"
        try:
            for frame in container.decode(stream):
                image = frame.to_ndarray(format="rgb24")
                frames.append({0: image, -90: image.transpose(1, 0, 2)[:, ::-1]}[frame.rotation])
        except av.error.InvalidDataError:
            pass
    return np.stack(frames)


def assert_any_subset_equals_decoding_everything(path: Path, draws: int = 4) -> None:
    everything = decode_everything(path)
    count = len(everything)
    rng = np.random.default_rng(0)
    with open_video(path) as video:
        assert video.num_frames == count
        assert (video.height, video.width) == everything.shape[1:3]
    subsets = [[0], [count - 1], [count // 2], [count - 1, 0, 0, count // 3]]
    subsets += [sorted(rng.integers(count, size=5)) for _ in range(draws)]
    subsets += [rng.integers(2 * count, size=rng.integers(1, 12)).tolist() for _ in range(draws)]
    for indices in subsets:
        with open_video(path) as video:  # a fresh one: reads do not depend on each other
            assert np.array_equal(video.read(indices), everything[np.minimum(indices, count - 1)]), indices
    with open_video(path) as video:  # nor do they disturb each other
        for indices in reversed(subsets):
            assert np.array_equal(video.read(indices), everything[np.minimum(indices, count - 1)]), indices


# ---------------------------------------------------------------- real files


@needs_fixtures
@pytest.mark.parametrize("name", FIXTURES)
def test_reading_any_subset_equals_decoding_everything(name: str) -> None:
    assert_any_subset_equals_decoding_everything(VIDEOS / name, draws=1)


@needs_fixtures
@pytest.mark.parametrize("name", FIXTURES)
def test_number_of_frames_is_right_before_reading_whatever_the_header_says(name: str) -> None:
    num_frames, by_packets = FIXTURES[name]
    with open_video(VIDEOS / name) as video:
        assert video.num_frames == num_frames
        assert (video._index is not None) == by_packets
        assert video.truncated == (name == "decord/corrupted.mp4")


@needs_fixtures
def test_a_rotated_file_stands_upright() -> None:
    with (
        open_video(VIDEOS / "decord/video_90.mov") as turned,
        open_video(VIDEOS / "decord/video_0.mov") as plain,
    ):
        assert (turned.height, turned.width) == (568, 320)
        assert (plain.height, plain.width) == (320, 568)
        assert turned.read([0]).shape == (1, 568, 320, 3)


@needs_fixtures
def test_the_larger_of_two_video_streams_is_read() -> None:
    with open_video(VIDEOS / "torchcodec/nasa_13013.mp4") as video:
        assert (video.height, video.width, video.num_frames) == (270, 480, 390)
        assert video.fps == pytest.approx(30000 / 1001)


@needs_fixtures
def test_a_file_of_sound_is_an_undecodable_video() -> None:
    with (
        pytest.raises(UndecodableVideoError, match=r"test\.wav.*no video stream"),
        open_video(VIDEOS / "mmaction2/test.wav"),
    ):
        pass


@needs_fixtures
def test_optical_flow_beside_the_frames_is_left_out() -> None:
    from PIL import Image

    folder = VIDEOS / "mmaction2/imgs"
    with open_video(folder) as video:
        assert (video.num_frames, video.fps, video.truncated) == (10, None, False)
        assert np.array_equal(video.read([3])[0], np.asarray(Image.open(folder / "img_00004.jpg")))


@needs_fixtures
@pytest.mark.parametrize("name", ["mmaction2/demo.mp4", "decord/video_90.mov", "torchcodec/nasa_13013.mp4"])
def test_frames_equal_those_of_decord(name: str) -> None:
    decord = pytest.importorskip("decord")
    theirs = decord.VideoReader(str(VIDEOS / name), num_threads=1)
    indices = np.linspace(0, len(theirs) - 1, 7).astype(int).tolist()
    with open_video(VIDEOS / name) as video:
        difference = video.read(indices).astype(int) - theirs.get_batch(indices).asnumpy()
    assert np.abs(difference).max() <= 2


# ---------------------------------------------------------------- made files, one per oddity


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("b_frames.mp4", "libx264", {"g": 10, "bf": 3}),
        ("b_frames.mkv", "libx264", {"g": 10, "bf": 3}),
        ("b_frames_without_times.avi", "libx264", {"g": 10, "bf": 3}),
        ("open_groups.mp4", "libx264", {"g": 10, "bf": 3, "x264-params": "open-gop=1"}),
        ("no_keyframes.mkv", "libx264", {"g": 10, "x264-params": "intra-refresh=1"}),
        ("transport.ts", "libx264", {"g": 10, "bf": 2}),
        ("mpeg4.avi", "mpeg4", {"g": 12}),
        ("mpeg4_b_frames.avi", "mpeg4", {"g": 12, "bf": 2}),
        ("mpeg4_b_frames.mp4", "mpeg4", {"g": 12, "bf": 2}),
        ("mpeg2_open_groups.mkv", "mpeg2video", {"g": 12, "bf": 2}),
        ("all_keyframes.avi", "mjpeg", {}),
        ("wrong_keyframe_flags.avi", "h263p", {"g": 12}),
        ("hidden_frames.webm", "libvpx", {"g": 20, "auto-alt-ref": 1, "lag-in-frames": 16, "b": "200k"}),
        ("hidden_frames_vp9.webm", "libvpx-vp9", {"g": 20, "lag-in-frames": 16, "cpu-used": 8, "b": "200k"}),
    ],
)
def test_reading_any_subset_of_a_made_file_equals_decoding_everything(
    tmp_path: Path, name: str, codec: str, options: dict
) -> None:
    encode(tmp_path / name, codec, moving_square(), **options)
    assert_any_subset_equals_decoding_everything(tmp_path / name)


def test_a_large_file_is_read_without_being_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datamodules.video_file, "KEPT_BYTES", 1000)
    for name, codec in (("h264.mp4", "libx264"), ("mpeg4.mp4", "mpeg4"), ("counted.avi", "mpeg4")):
        encode(tmp_path / name, codec, moving_square(), g=10, bf=2)
        with open_video(tmp_path / name) as video:
            assert video._kept_packets is None and video._kept_frames is None
        assert_any_subset_equals_decoding_everything(tmp_path / name)


def test_a_trimmed_copy_shows_only_the_frames_of_its_edit_list(tmp_path: Path) -> None:
    write_video(tmp_path / "whole.mp4", moving_square(), keyframe_interval=10)
    with (
        av.open(str(tmp_path / "whole.mp4")) as source,
        av.open(str(tmp_path / "trimmed.mp4"), "w") as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                shift = round(13 / 25 / packet.time_base)
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = stream
                target.mux(packet)
    assert_any_subset_equals_decoding_everything(tmp_path / "trimmed.mp4")
    with open_video(tmp_path / "trimmed.mp4") as trimmed, open_video(tmp_path / "whole.mp4") as whole:
        assert trimmed.num_frames == 37 and not trimmed.truncated
        assert np.array_equal(trimmed.read([0, 36]), whole.read([13, 49]))


def test_frames_are_counted_not_timed_when_the_frame_rate_varies(tmp_path: Path) -> None:
    frames = moving_square(20)
    with av.open(str(tmp_path / "varying.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "5"})
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts = number + 40 * (number > 7)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    with open_video(tmp_path / "varying.mp4") as video:
        assert video.num_frames == 20
        levels = video.read(range(20))[:, 40, 2, 0]
    assert np.abs(levels.astype(int) - frames[:, 40, 2, 0]).max() <= 4


@pytest.mark.parametrize(("angle", "quarter_turns"), [(90, 1), (-90, -1), (180, 2), (0, 0)])
def test_the_display_matrix_turns_the_frames(tmp_path: Path, angle: int, quarter_turns: int) -> None:
    with av.open(str(tmp_path / "turned.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.set_display_rotation(angle)
        for frame in moving_square(4):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    with av.open(str(tmp_path / "turned.mp4")) as container:
        stored = next(container.decode(video=0)).to_ndarray(format="rgb24")
    with open_video(tmp_path / "turned.mp4") as video:
        assert np.array_equal(video.read([0])[0], np.rot90(stored, quarter_turns))
        assert (video.height, video.width) == np.rot90(stored, quarter_turns).shape[:2]


def test_a_file_cut_short_yields_its_frames_and_says_so(tmp_path: Path) -> None:
    encode(tmp_path / "whole.mp4", "libx264", moving_square(), {"movflags": "faststart"}, g=10)
    whole = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: int(len(whole) * 0.7)])
    with open_video(tmp_path / "cut.mp4") as video, open_video(tmp_path / "whole.mp4") as uncut:
        assert 5 < video.num_frames < 50
        assert video.truncated and not uncut.truncated
        assert np.array_equal(video.read(range(5)), uncut.read(range(5)))
        assert np.array_equal(video.read([49]), video.read([video.num_frames - 1]))


def test_damage_met_while_reading_ends_the_video_there(tmp_path: Path) -> None:
    encode(tmp_path / "sound.mp4", "mpeg4", moving_square(), g=50)
    damaged = bytearray((tmp_path / "sound.mp4").read_bytes())
    with av.open(str(tmp_path / "sound.mp4")) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        damaged[packets[30].pos : packets[30].pos + packets[30].size] = bytes(packets[30].size)
    (tmp_path / "damaged.mp4").write_bytes(damaged)
    everything = decode_everything(tmp_path / "damaged.mp4")
    with open_video(tmp_path / "damaged.mp4") as video:
        assert np.array_equal(video.read([3, 45]), everything[[3, min(45, len(everything) - 1)]])
        assert video.num_frames == len(everything) < 50
        assert video.truncated


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize("content", [b"", b"no video at all", bytes(5000), b"\x00\x00\x00\x18ftypmp42" + bytes(400)])
def test_a_file_without_a_frame_raises_one_typed_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.mp4").write_bytes(content)
    with (
        pytest.raises(UndecodableVideoError, match=r"broken\.mp4") as caught,
        open_video(tmp_path / "broken.mp4"),
    ):
        pass
    assert caught.value.path == tmp_path / "broken.mp4"
    assert caught.value.reason


def test_a_video_whose_every_packet_is_damaged_is_undecodable(tmp_path: Path) -> None:
    encode(tmp_path / "noise.mp4", "libx264", moving_square(10))
    content = bytearray((tmp_path / "noise.mp4").read_bytes())
    with av.open(str(tmp_path / "noise.mp4")) as container:
        for packet in container.demux(video=0):
            if packet.size:
                content[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    (tmp_path / "noise.mp4").write_bytes(content)
    with (
        pytest.raises(UndecodableVideoError, match=r"noise\.mp4"),
        open_video(tmp_path / "noise.mp4") as video,
    ):
        video.read([0])


def test_the_picture_on_the_cover_of_a_song_is_no_video(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "song.m4a"), "w", format="mp4") as container:
        stream = container.add_stream("mjpeg", rate=1)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuvj420p"
        stream.disposition = av.stream.Disposition.attached_pic
        container.mux(stream.encode(av.VideoFrame.from_ndarray(moving_square(1)[0], format="rgb24")))
        container.mux(stream.encode(None))
    with pytest.raises(UndecodableVideoError, match="no video stream"), open_video(tmp_path / "song.m4a"):
        pass


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"absent\.mp4"), open_video(tmp_path / "absent.mp4"):
        pass


@pytest.mark.parametrize("indices", [[], [-1], [0.5], [[0, 1]]])
def test_wrong_indices_are_refused(tmp_path: Path, indices: list) -> None:
    write_video(tmp_path / "video.mp4", moving_square(3))
    with open_video(tmp_path / "video.mp4") as video, pytest.raises(ValueError, match="indices"):
        video.read(indices)


def test_the_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(UndecodableVideoError(Path("a/b.mp4"), "it is empty")))
    assert (type(error), error.path, error.reason) == (UndecodableVideoError, Path("a/b.mp4"), "it is empty")
    assert str(error) == "cannot decode a/b.mp4: it is empty"


# ---------------------------------------------------------------- folders


def write_images(folder: Path, names: list[str], frames: np.ndarray) -> None:
    from PIL import Image

    folder.mkdir()
    for name, frame in zip(names, frames, strict=True):
        Image.fromarray(frame).save(folder / name)


@pytest.mark.parametrize("pattern", ["img_{:05d}.png", "{:05d}.png", "{:06d}.PNG", "frame{}.png", "v2_g01_{:d}.png"])
def test_images_are_read_in_the_order_of_their_numbers(tmp_path: Path, pattern: str) -> None:
    frames = moving_square(12)
    write_images(tmp_path / "folder", [pattern.format(number) for number in range(1, 13)], frames)
    (tmp_path / "folder" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "folder" / "._00001.png").write_bytes(b"x")
    with open_video(tmp_path / "folder") as video:
        assert (video.num_frames, video.height, video.width, video.truncated) == (12, 48, 64, False)
        assert np.array_equal(video.read(range(12)), frames)
        assert np.array_equal(video.read([11, 2, 2, 40]), frames[[11, 2, 2, 11]])


def test_a_damaged_image_is_replaced_by_the_one_before_it(tmp_path: Path) -> None:
    frames = moving_square(5)
    write_images(tmp_path / "folder", [f"{number:05d}.jpg" for number in range(5)], frames)
    images = sorted((tmp_path / "folder").iterdir())
    images[0].write_bytes(b"")
    images[3].write_bytes(images[3].read_bytes()[:400])
    with open_video(tmp_path / "folder") as video:
        assert video.num_frames == 5
        everything = video.read(range(5))
        assert video.truncated
        assert np.array_equal(everything[0], everything[1])
        assert np.array_equal(everything[3], everything[2])
        assert np.array_equal(video.read([3]), everything[3:4]), "whatever else is read"


def test_absent_images_are_named_and_leave_the_others_in_place(tmp_path: Path) -> None:
    frames = moving_square(10)
    write_images(tmp_path / "folder", [f"img_{number:05d}.png" for number in range(3, 13)], frames)
    for number in (5, 8, 9, 10):
        (tmp_path / "folder" / f"img_{number:05d}.png").unlink()
    message = r"folder: 4 of the images 3 to 12 absent \(5, 8 to 10\)"
    with pytest.warns(UserWarning, match=message), open_video(tmp_path / "folder") as video:
        assert (video.num_frames, video.truncated) == (10, True)
        assert np.array_equal(video.read(range(10)), frames[[0, 1, 1, 3, 4, 4, 4, 4, 8, 9]])


def test_every_fifth_frame_is_a_complete_folder(tmp_path: Path) -> None:
    frames = moving_square(4)
    write_images(tmp_path / "folder", [f"{number}.png" for number in (0, 5, 10, 15)], frames)
    with open_video(tmp_path / "folder") as video:
        assert (video.num_frames, video.truncated) == (4, False)
        assert np.array_equal(video.read(range(4)), frames)


def test_a_folder_that_lacks_most_images_is_undecodable(tmp_path: Path) -> None:
    write_images(tmp_path / "folder", ["1.png", "2.png", "40.png"], moving_square(3))
    reason = "of the images 1 to 40 only 3 are there, 37 are absent: 3 to 39"
    with pytest.raises(UndecodableVideoError, match=reason), open_video(tmp_path / "folder"):
        pass


def test_grey_and_transparent_images_become_rgb(tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "folder").mkdir()
    Image.fromarray(np.full((8, 8), 90, np.uint8)).save(tmp_path / "folder" / "1.png")
    Image.fromarray(np.full((8, 8, 4), 90, np.uint8)).save(tmp_path / "folder" / "2.png")
    with open_video(tmp_path / "folder") as video:
        assert np.array_equal(video.read([0, 1]), np.full((2, 8, 8, 3), 90))


def test_folders_without_one_series_of_equal_images_are_undecodable(tmp_path: Path) -> None:
    frames = moving_square(2)
    write_images(tmp_path / "several", ["left_1.png", "right_1.png"], frames)
    write_images(tmp_path / "sizes", ["1.png"], frames[:1])
    write_images(tmp_path / "other", ["2.png"], frames[:1, :24])
    shutil.copy(tmp_path / "other" / "2.png", tmp_path / "sizes" / "2.png")
    write_images(tmp_path / "unreadable", ["1.png"], frames[:1])
    (tmp_path / "unreadable" / "1.png").write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    for name, reason in (
        ("several", "left_"),
        ("sizes", "differ in size"),
        ("unreadable", "none of its 1"),
        ("empty", "no numbered"),
    ):
        with pytest.raises(UndecodableVideoError, match=reason), open_video(tmp_path / name) as video:
            video.read([0, 1])


# ---------------------------------------------------------------- resources


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_500_opens_leak_neither_memory_nor_file_handles(tmp_path: Path) -> None:
    write_video(tmp_path / "indexed.mp4", moving_square(24, 120, 160))
    encode(tmp_path / "counted.avi", "mpeg4", moving_square(24, 120, 160), g=12, bf=2)
    (tmp_path / "broken.mp4").write_bytes(bytes(1000))

    def open_all(times: int) -> None:
        for _ in range(times):
            for name in ("indexed.mp4", "counted.avi"):
                with open_video(tmp_path / name) as video:
                    video.read([1, 20])
            with pytest.raises(UndecodableVideoError), open_video(tmp_path / "broken.mp4"):
                pass

    open_all(40)
    files_before, before = open_files(), resident_mib()
    open_all(250)
    assert open_files() == files_before
    assert resident_mib() - before < 8, "500 opens of 24 frames of 56 KiB: one leaked frame each would be 28 MiB"


class Files(Dataset):
    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray:
        with open_video(self.paths[index]) as video:
            return video.read([0, 7, 30])


def test_forked_workers_read_the_same_frames(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.mp4" for number in range(4)]
    for number, path in enumerate(paths):
        write_video(path, moving_square()[number:])
    here = [Files(paths)[index] for index in range(4)]  # also uses the library before the fork
    loader = DataLoader(Files(paths), batch_size=None, num_workers=2, multiprocessing_context="fork")
    assert all(np.array_equal(there, frames) for there, frames in zip(loader, here, strict=True))


def test_the_error_crosses_from_a_worker_with_its_type_and_the_name_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"")
    loader = DataLoader(
        Files([tmp_path / "broken.mp4"]), batch_size=None, num_workers=1, multiprocessing_context="fork"
    )
    batches = iter(loader)
    with pytest.raises(UndecodableVideoError, match=r"broken\.mp4"):
        next(batches)
    assert next(batches, None) is None  # ends the worker


# ---------------------------------------------------------------- writing


def test_written_frames_come_back_nearly_unchanged(tmp_path: Path) -> None:
    frames = moving_square()
    write_video(tmp_path / "video.mp4", frames, fps=12.5, crf=1)
    with open_video(tmp_path / "video.mp4") as video:
        assert (video.num_frames, video.height, video.width, video.fps) == (50, 48, 64, 12.5)
        difference = np.abs(video.read(range(50)).astype(int) - frames)
    assert difference.mean() < 3


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".mov"])
def test_the_same_frames_give_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    for name in ("a", "b"):
        write_video(tmp_path / (name + suffix), moving_square())
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_keyframes_come_at_the_asked_interval(tmp_path: Path) -> None:
    write_video(tmp_path / "video.mp4", moving_square(), keyframe_interval=8)
    with open_video(tmp_path / "video.mp4") as video:
        assert [video._index.start_of(frame) for frame in (0, 7, 8, 15, 49)] == [0, 0, 8, 8, 48]


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(av.error.FFmpegError):
        write_video(tmp_path / "video.mp4", moving_square(3), preset="unknown")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((0, 8, 8, 3), np.uint8),
        np.zeros((2, 8, 7, 3), np.uint8),
        np.zeros((2, 8, 8), np.uint8),
        np.zeros((2, 8, 8, 3)),
    ],
)
def test_frames_that_cannot_be_stored_are_refused(tmp_path: Path, frames: np.ndarray) -> None:
    with pytest.raises(ValueError, match="frames must be|must be even"):
        write_video(tmp_path / "video.mp4", frames)


# ---------------------------------------------------------------- the packet index


def facts(*times: int | None, keys: tuple[int, ...] = (0,)) -> list[PacketFacts]:
    return [PacketFacts(pts, number in keys, True, True) for number, pts in enumerate(times)]


def test_frames_are_numbered_by_time_and_decoded_from_the_last_keyframe_before_them() -> None:
    index = index_packets(facts(0, 30, 10, 60, 40, 50, 90, keys=(0, 3)), reorders=True)
    assert index is not None
    assert index.pts == [0, 10, 30, 40, 50, 60, 90]
    assert index.packets == [0, 2, 1, 4, 5, 3, 6]
    # 40 and 50 are stored after the keyframe 60 but shown before it: they need the keyframe before
    assert [index.start_of(frame) for frame in range(7)] == [0, 0, 0, 0, 0, 3, 3]
    assert index.stretches([1, 6]) == [(0, 6)], "touching stretches are one"
    assert index.stretches([0, 6]) == [(0, 0), (3, 6)]


@pytest.mark.parametrize(
    "packets",
    [
        [],
        facts(0, 1, None),
        facts(0, 1, 1),
        facts(5, 1, 9),
        facts(0, 1, 2, keys=(1,)),
        facts(0, 1, 2),  # ascending although the decoder reorders
        [*facts(0, 2), PacketFacts(1, False, True, sound=False)],
        [PacketFacts(0, True, False, True)],
    ],
)
def test_streams_whose_order_the_packets_do_not_tell_have_no_index(packets: list[PacketFacts]) -> None:
    assert index_packets(packets, reorders=True) is None


def test_video_records_compare_by_value() -> None:
    assert Video("a", Path("a.mp4"), 0, "run") == Video(id="a", path=Path("a.mp4"), label=0, label_name="run")
