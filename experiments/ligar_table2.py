"""LIGAR, Table 2: what the network starts from, on UCF-101.

Paper:      Izutov, LIGAR: Lightweight General-purpose Action Recognition, 2021, Table 2.
Run:        python experiments/ligar_table2.py            (embedded benchmark; about 9 minutes on two cores)
            python experiments/ligar_table2.py --profile paper --data-root DATA --init-checkpoint imagenet=FILE
Protocol:   continuous sampling with clip selection (the last row is Table 3's "w/ ACS"), UCF-101 split 1, one view.
            The initialisations build on each other: image weights, then Kinetics-700, or Kinetics-700 and YouTube-8M
            Segments with a head each. A pre-training can be given as a file: --init-checkpoint kinetics=FILE.
Deviations: those of Table 3. Image weights: torchvision's or timm's, of which the authors' block table takes what fits
            by shape, and whose gates stand after the activation, here before it (network.CANONICAL takes them whole);
            the authors' own 2D checkpoint was never released. From scratch: the authors' initialisation, which also
            undoes the global path's zero start. Benchmark: both video pre-trainings have the same number of steps.
            Each initialisation is one training, which all seeds share.
"""

from datamodules.clip_selection import ClipSelection
from datamodules.datasets.ucf101 import UCF101
from datamodules.ligar import LigarData
from experiments.harness import Build, Claim, Column, Row, Table, main
from experiments.ligar_profiles import IMAGE_PRETRAINING, JOINT_PRETRAINING, PROFILES, SINGLE_PRETRAINING
from lightning_modules.ligar import Ligar
from lightning_modules.ligar.profiles import PAPER_RECIPE

UCF = Build(LigarData, source=UCF101(split=1), views=1)
SCRATCH, IMAGES = "from scratch", "ImageNet (2D init)"
KINETICS, JOINT = "Kinetics (3D init)", "Kinetics+Ytb8M (3D init)"

TABLE = Table(
    id="ligar/table2",
    title="LIGAR, Table 2: initialisation",
    module=Build(Ligar),
    recipe=PAPER_RECIPE,
    init=JOINT_PRETRAINING,
    baseline=JOINT,
    profiles=PROFILES,
    columns=(
        Column(group="UCF-101", title="Top-1", metric="top1", data=UCF, test_videos=3783),
        Column(group="UCF-101", title="Top-5", metric="top5", data=UCF, test_videos=3783),
        Column(group="UCF-101", title="mAP", metric="map", data=UCF, test_videos=3783),
    ),
    rows=tuple(
        Row(
            label=label,
            published=published,
            init=init,
            data=dict(clip_selection=ClipSelection()),
            module=dict(authors_initialisation=init is None),
            classes=101,
        )
        for label, published, init in (
            (SCRATCH, ("64.05", "87.97", "57.33"), None),
            (IMAGES, ("71.90", "90.67", "77.74"), IMAGE_PRETRAINING),
            (KINETICS, ("92.81", "98.76", "96.88"), SINGLE_PRETRAINING),
            (JOINT, ("93.63", "99.10", "97.82"), JOINT_PRETRAINING),
        )
    ),
    claims=tuple(
        Claim(f"L{17 + 3 * step + number}", better, ">", worse, columns=(f"UCF-101/{title}",))
        for step, (better, worse) in enumerate(((IMAGES, SCRATCH), (KINETICS, IMAGES), (JOINT, KINETICS)))
        for number, title in enumerate(("Top-1", "Top-5", "mAP"))
    ),
    notes=(
        "Each initialisation was trained once and all seeds start from it: the intervals hold the luck of fine-tuning "
        "and leave out that of the pre-training.",
        "From scratch: how the paper trained this row is not known. Here it goes through all stages, so that at first "
        "a random backbone is frozen under the head that learns; how late a seed leaves chance decides much of its "
        "result.",
    ),
)

if __name__ == "__main__":
    main(TABLE)
