"""KPSEM, Table 1: state of the art on Mini-Kinetics, UCF101, Something-Something V1 and HMDB51.

Paper:      Cao et al., Effective Action Recognition with Embedded Key Point Shifts, 2020, Table 1 and Sec. 4.3.
Run:        python experiments/kpsem_table1.py            (embedded benchmark; about 70 minutes on two cores)
            python experiments/kpsem_table1.py --profile paper --data-root DATA --init-checkpoint kinetics=FILE
Protocol:   UCF101 and HMDB51: the mean of the three splits. MFNet and MF-KPSEM start from MFNet's Kinetics-400
            weights (the MFNet authors' file may be given); batches of 64, 80, 64 and 128. Recipe, crops and ten test
            views are MFNet's code where the paper is silent.
Deviations: ten evenly spread test clips in place of MFNet's unlimited random ones; epochs on Mini-Kinetics and
            Something-Something are our choice. The published MFNet row is its paper's on UCF101 and HMDB51 alone (see
            the notes); ours is trained here.
"""

from datamodules.datasets.hmdb51 import HMDB51
from datamodules.datasets.mini_kinetics import MiniKinetics200
from datamodules.datasets.something_something import SomethingSomethingV1
from datamodules.datasets.ucf101 import UCF101
from datamodules.frame_sampling import DenseSampling
from datamodules.kpsem import KpsemData, VariedSampling
from experiments.harness import Build, Claim, Column, Row, Table, main
from experiments.kpsem_profiles import BASELINE, KINETICS_PRETRAINING, OURS, PROFILES
from lightning_modules.kpsem import Kpsem, profiles

MINI, UCF, SOMETHING, HMDB = "Mini-Kinetics", "UCF101", "STH-STH v1", "HMDB51"
PARAMS, FLOPS, WITH_NORMS = "# Params (M)", "FLOPs (G)", "FLOPs (G), normalisation included"
NO = None

# Mini-Kinetics, UCF101, Something-Something V1, HMDB51 (top-1), parameters, FLOPs, as printed.
CITED = {
    "MARS": ("73.5", "98.1", "53.0", "80.9", NO, NO),
    "ResFrame TS": ("73.9", "90.6", NO, "55.4", NO, NO),
    "I3D (TS)": ("78.7", "97.9", NO, "80.2", "25.0", "107.9"),
    "C3D": ("66.2", "85.2", NO, NO, "33.3", NO),
    "I3D (RGB)": ("74.1", "95.4", "45.8", "74.5", "12.06", "107.9"),
    "(2+C1)D": ("75.74", "96.9", NO, "75.2", "7.3", "31.9"),
    "S3D": ("78.0", "96.8", "48.2", "75.9", "8.77", "43.47"),
    "ECO": (NO, "94.8", "41.4", "72.4", "47.5", "64"),
    "ECO_Lite": (NO, NO, "46.4", NO, "150", "267"),
    "TSM": (NO, "95.9", "49.7", "73.5", "48.6", "98"),
    "TSN": (NO, "94.2", "19.5", "69.4", "10.7", "16"),
    "TBN": ("69.5", "93.6", NO, "69.4", "11.4", NO),
    "Res50-NL": ("77.53", "82.88", NO, NO, "27.66", "19.67"),
    "Res50-CGD": ("77.56", "84.06", NO, NO, "25.58", "17.88"),
    "Res50-CGNL": ("77.76", "83.38", NO, NO, "27.2", "19.16"),
    "I3D-NL": (NO, NO, "44.4", NO, "27.2", "19.16"),
    "I3D-NL-GCN": (NO, NO, "46.1", NO, "27.2", "19.16"),
}
PRINTED = {
    BASELINE: ("78.35", "96.0", "43.0", "74.6", "8.0", "11.1"),
    OURS: ("82.05", "97.4", "48.1", "77.7", "8.11", "11.21"),
}
ABOUT = {
    "I3D (TS)": "printed as more than 107.9 G.",
    "C3D": "33.3 M are the parameters of an 18-layer 3D ResNet; C3D with 400 classes has 79.6 M.",
    "ECO_Lite": "dearer than ECO: the cost is that of the ensemble ECO En-Lite, as the accuracy suggests.",
    "TSM": "48.6 M and 98 G are of an ensemble of 8 and 16 frames, as the 49.7; UCF101 and HMDB51 of one network.",
    "I3D-NL": "repeats the cost of Res50-CGNL.",
    "I3D-NL-GCN": "repeats the cost of Res50-CGNL.",
}


def printed(row: str, column: int) -> float:
    """Return a value of the printed table."""
    return float((PRINTED | CITED)[row][column] or "nan")


def percent_more(larger: float, smaller: float) -> float:
    """Return by how much one value is above another, in percent of the latter."""
    return 100 * (larger / smaller - 1)


def percent_less(smaller: float, larger: float) -> float:
    """Return by how much one value is below another, in percent of the latter."""
    return 100 * (1 - smaller / larger)


# The text's arithmetic (Sec. 4.3): what it says, and what its own table gives.
ARITHMETIC = (
    ("relative 4.73 % over MFNet on Mini-Kinetics", percent_more(printed(OURS, 0), printed(BASELINE, 0))),
    ("1.38 % more parameters", percent_more(printed(OURS, 4), printed(BASELINE, 4))),
    ("1 % more FLOPs", percent_more(printed(OURS, 5), printed(BASELINE, 5))),
    ("4.29 % over CGNL", printed(OURS, 0) - printed("Res50-CGNL", 0)),
    ("6.31 % over (2+C1)D", printed(OURS, 0) - printed("(2+C1)D", 0)),
    ("64.86 % fewer FLOPs than (2+C1)D", percent_less(printed(OURS, 5), printed("(2+C1)D", 5))),
    ("1.4 % on UCF101", printed(OURS, 1) - printed(BASELINE, 1)),
    ("5.1 % on Something-Something", printed(OURS, 2) - printed(BASELINE, 2)),
    ("3.1 % on HMDB51", printed(OURS, 3) - printed(BASELINE, 3)),
    ("0.7 % behind MARS on UCF101", printed("MARS", 1) - printed(OURS, 1)),
    ("3.2 % behind MARS on HMDB51", printed("MARS", 3) - printed(OURS, 3)),
    ("7.5 % fewer parameters than S3D", percent_less(printed(OURS, 4), printed("S3D", 4))),
    ("83.3 % fewer parameters than TSM", percent_less(printed(OURS, 4), printed("TSM", 4))),
    ("74.2 % fewer FLOPs than S3D", percent_less(printed(OURS, 5), printed("S3D", 5))),
    ("88.6 % fewer FLOPs than TSM", percent_less(printed(OURS, 5), printed("TSM", 5))),
    ("0.1 % behind S3D", printed("S3D", 2) - printed(OURS, 2)),
    ("1.8 % behind TSM", printed("TSM", 2) - printed(OURS, 2)),
)

# What the text's 1.38 % and 1 % are, like for like: both networks with Mini-Kinetics' 200 classes, and counted by one
# rule. MF-KPSEM's and MFNet's; the tests count them anew.
SAME_CLASSES_PARAMS, SAME_CLASSES_GMACS = (8_123_096, 7_842_568), (11.0718, 11.0453)
REGION_SUMS_MMACS = 11.7  # within MF-KPSEM's

TABLE = Table(
    id="kpsem/table1",
    title="KPSEM, Table 1: state of the art on four data sets",
    module=Build(Kpsem),
    recipe=profiles.PAPER_RECIPE,
    init=KINETICS_PRETRAINING,
    baseline=BASELINE,
    profiles=PROFILES,
    columns=(
        Column(
            group=MINI,
            title="Top-1",
            metric="top1",
            data=Build(KpsemData, source=MiniKinetics200(), sampling=VariedSampling, test_sampling=DenseSampling),
            recipe=profiles.MINI_KINETICS_RECIPE,
            test_videos=5000,
        ),
        Column(
            group=UCF,
            title="Top-1",
            metric="top1",
            data=tuple(Build(KpsemData, source=UCF101(split=split)) for split in (1, 2, 3)),
            recipe=profiles.UCF101_RECIPE,
            test_videos=11213,
        ),
        Column(
            group=SOMETHING,
            title="Top-1",
            metric="top1",
            data=Build(KpsemData, source=SomethingSomethingV1()),
            recipe=profiles.SOMETHING_RECIPE,
            test_videos=11522,
        ),
        Column(
            group=HMDB,
            title="Top-1",
            metric="top1",
            data=tuple(Build(KpsemData, source=HMDB51(split=split)) for split in (1, 2, 3)),
            test_videos=4590,
        ),
        Column(title=PARAMS, metric="params_m"),
        Column(title=FLOPS, metric="gmacs"),
        Column(title=WITH_NORMS, metric="gmacs", rule="fvcore"),
    ),
    rows=(
        *(
            Row(label=label, published=(*values, NO), cited=True, note=ABOUT.get(label, ""))
            for label, values in CITED.items()
        ),
        Row(
            label=BASELINE,
            published=(*PRINTED[BASELINE], NO),
            module=dict(position=None),
            classes=400,
            note="8.0 M counts 400 classes (7.996 M); with Mini-Kinetics' 200 it is 7.843 M.",
        ),
        Row(
            label=OURS,
            published=(*PRINTED[OURS], NO),
            classes=200,
            note="with 200 classes; no design that the text suggests gives the printed 8.11 M and 11.21 G at once.",
        ),
    ),
    claims=(
        Claim("K01", OURS, ">", "I3D (TS)", columns=(f"{MINI}/Top-1",)),
        Claim("K02", OURS, ">", BASELINE, columns=(f"{MINI}/Top-1",)),
        Claim("K03", OURS, ">", "Res50-CGNL", columns=(f"{MINI}/Top-1",)),
        Claim("K04", OURS, ">", "(2+C1)D", columns=(f"{MINI}/Top-1",)),
        Claim("K05", OURS, ">", BASELINE, columns=(f"{UCF}/Top-1",)),
        Claim("K06", OURS, ">", BASELINE, columns=(f"{SOMETHING}/Top-1",)),
        Claim("K07", OURS, ">", BASELINE, columns=(f"{HMDB}/Top-1",)),
        Claim("K08", "MARS", ">", OURS, columns=(f"{UCF}/Top-1",)),
        Claim("K09", "MARS", ">", OURS, columns=(f"{HMDB}/Top-1",)),
        Claim("K10", "S3D", ">", OURS, columns=(f"{SOMETHING}/Top-1",)),
        Claim("K11", "TSM", ">", OURS, columns=(f"{SOMETHING}/Top-1",)),
        Claim("K31", OURS, ">", BASELINE, columns=(PARAMS,)),
        Claim("K32", OURS, ">", BASELINE, columns=(FLOPS,)),
        Claim("K33", "(2+C1)D", ">", OURS, columns=(FLOPS,)),
        Claim("K34", "S3D", ">", OURS, columns=(PARAMS,)),
        Claim("K35", "TSM", ">", OURS, columns=(PARAMS,)),
        Claim("K36", "S3D", ">", OURS, columns=(FLOPS,)),
        Claim("K37", "TSM", ">", OURS, columns=(FLOPS,)),
        Claim("K38", "Res50-CGNL", ">", OURS, columns=(PARAMS,)),
    ),
    notes=(
        "The text's arithmetic, recomputed from the printed table: "
        + "; ".join(f'"{said}": {round(value, 9):.2f}' for said, value in ARITHMETIC)
        + ". 4.73 should read 4.72 and 1.8 should read 1.6; the others follow from what is printed.",
        "But 1.38 % and 1 % compare MFNet with 400 classes to MF-KPSEM with fewer, and two rules for FLOPs. Like for "
        f"like, both with 200 classes and by one rule, MF-KPSEM has {SAME_CLASSES_PARAMS[0]:,} parameters against "
        f"{SAME_CLASSES_PARAMS[1]:,}, {percent_more(*SAME_CLASSES_PARAMS):.2f} % more, and {SAME_CLASSES_GMACS[0]:.4f} "
        f"G against {SAME_CLASSES_GMACS[1]:.4f} G, {percent_more(*SAME_CLASSES_GMACS):.2f} % more.",
        "MARS' 53.0 on Something-Something, 4.9 ahead, is left out of the text's comparison.",
        '"Previous state of the art" is CGNL\'s 77.76, among methods that learn correlations; S3D (78.0), MFNet '
        "(78.35) and I3D (TS) (78.7) are higher; over the last the gain is 3.35.",
        "82.05, 78.35 and 77.53 cannot be shares of 5,000 videos, whose step is 0.02.",
        "Of MFNet's published accuracies 96.0 and 74.6 are those of its paper, which besides has Kinetics (72.8) and "
        "neither Mini-Kinetics nor Something-Something: where 78.35 and 43.0 come from is not said. "
        "KPSEM's authors' own MFNet has 70.8 on HMDB51 split 1 (Table 2), not 74.6.",
        "11.1 G counts one operation per normalised element, 11.21 G rather two: the rows follow different rules. "
        "FLOPs are multiply-accumulates of convolutions and linear layers, MF-KPSEM's also the "
        f"{REGION_SUMS_MMACS} M of its region sums, matrix products with zeros and ones; the last column adds two per "
        "normalised element.",
        "Kinetics-400 holds Mini-Kinetics' classes and videos: what the networks start from has seen them.",
        "On the benchmark MF-KPSEM ends with a higher training loss than MFNet on every data set and split, so that "
        "what it loses against it is not overfitting. Without the gradient by eq. (9), a row of Table 2, its training "
        "loss ends below MFNet's and its accuracy is 1.4 points lower, within the noise of five seeds: a lower "
        "training loss does not carry over to the test videos.",
    ),
)

if __name__ == "__main__":
    main(TABLE)
