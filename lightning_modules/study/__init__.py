"""Study across the papers: five papers' networks and ideas on equal terms, and six combinations that none of them has.

The idea: each paper compares its network with others on data, training and budget of its own. Here TSN, TSM,
ACTION-Net, MF-KPSEM, LIGAR, MS3D and SlowFast meet on one data set, one training budget and one test, at like compute,
and what one paper adds is put on another's network without an edit in either's folder.

Scripts
    The table, its questions S01 to S14           experiments/study_cross.py
    Accuracy against cost, the Pareto front       experiments/study_figure_pareto.py
    The latencies                                 experiments/tools/latency.py

Where to find it
    clip_selection.py       Adaptive Clip Selection (LIGAR) for ACTION-Net and SlowFast
    key_points.py           KPSEM on LIGAR's local path
    residual_frames.py      residual frames (VIPriors report) for ACTION-Net and LIGAR
    codes.py                MS3D's class centres, and its codes, on ACTION-Net's features
    profiles.py             the one recipe; the networks' arguments at three sizes
    ../../experiments/study_profiles.py             networks with their clips, pre-trainings, both data sets

Equal terms, and what is not equal
    Data: Something-Something V2, whose labels need motion and its order (on the benchmark gestures C, where every class
    is another's reversal); ActivityNet-200, untrimmed, for clip selection. Nothing is mirrored; random crops alone.
    Clips: one frame of each of 8 equal parts of the video (16 at the paper's size), so that all networks see all of it.
    SlowFast sees twice as many, of which its slow pathway takes an eighth; MS3D three clips drawn by variance rate, 26
    frames together on the benchmark, 49 at the paper's size; networks on residual frames one frame more.
    Untrimmed: 8 frames at interval 2, SlowFast 16 at interval 1, so that all clips are as long.
    Compute: on the benchmark all networks have 18 to 28 million multiply-accumulates a clip as run. At full size they
    are the papers' own, from 2 to 69 billion.
    Budget: 11,520 training clips in 360 steps of 32 (12 epochs of the gestures, 24 of the untrimmed videos), after a
    pre-training of 9,472 clips in 296 steps on the Kinetics stand-in, each network by itself, once for all seeds.
    Recipe: AdamW, one warm-up and cosine, one peak rate for all, that of the papers' benchmark profiles for as many
    clips; set before any run, never tuned. A network that would want another rate is at a disadvantage. MF-KPSEM's
    lines alone learn slower, at a twentieth as on KPSEM's own benchmark (on LIGAR's path at the full rate); ACTION-Net
    keeps its authors' parameter groups: no decay of biases and normalisations, the classifier's bias at twice the rate.
    Loss and head are each network's own: cross-entropy; LIGAR's metric learning, whose scale falls over 10 epochs;
    MS3D's N-pair loss on class pairs, judged by the nearest centre of all training clips. Pre-training is by each
    one's own loss too, but codes are pre-trained by cross-entropy, since an N-pair loss stays at chance so long. Nor
    does it learn much within the budget; MS3D's clips and network by cross-entropy stand in a row of their own (S14).
    (MS3D's own benchmark has since got positives from earlier batches and normalised codes, with which its loss learns
    from the second epoch on. The study keeps what it was asked with.)
    Left out: LIGAR's frozen first epochs, KPSEM's and ACTION-Net's own rates for backbone and classifier, MS3D's
    tailoring (it takes boxes), SlowFast's modifications of the VIPriors report, two-phase training.

Combinations
    ACS on another network: its training step reports each clip, the data module selects. Confidence: the largest
    softmax probability, the paper's word (LIGAR's code: its cosine).
    KPSEM on LIGAR: behind block 9 of the local path, whose maps are 14 x 14 of 8 frames as MFNet's conv4 has them (on
    the benchmark block 2, 8 x 8); its vector joins the pooled features before the embedding.
    Residual frames: differences of the clip's neighbours, times 4 as in the report's networks here. One frame of each
    of nine parts lies four frames from the next, where the report's are neighbours in the video.
    Nearest-centre codes: ACTION-Net is trained as it is; at its end the repository is filled with the features of all
    training videos, by MS3D's own code, and judges in the classifier's place. With MS3D's loss too (--rows all):
    ACTION-Net's linear layer puts out 64 numbers (256 at the paper's size), which MS3D's module trains.

Symbols
    ACS Adaptive Clip Selection; MMACs millions of multiply-accumulates; as run: of the profile's own network and clip.
"""
