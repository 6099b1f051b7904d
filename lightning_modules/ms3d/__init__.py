"""MS3D: The Action Recognition with Multi-Clue Sparse 3-Dimensional Convolutional Networks. Man, Zou, Li (Inspur).

The idea: draw frames where the picture changes, for three pathways of few, more and many frames; convolve all with one
kernel that is never trained and each pathway with one that is, pile the maps up and pass them to a DenseNet3D from
which a random part of the connections is left out. The network learns codes by an N-pair loss; a video is judged by the
nearest of the class centres that all training videos' codes give. Frames are first tailored: cropped around the actor,
the actor brightened, the surroundings fading.

Reproduced
    Table I    experiments/ms3d_table1.py       Kinetics; its velocity: experiments/benchmarks/velocity.py
    Table II   experiments/ms3d_table2.py       HMDB51, pre-trained and from scratch
    Table III  experiments/ms3d_table3.py       UCF101, likewise
    the text   experiments/ms3d_ablations.py    what it claims without numbers
    ours       experiments/ms3d_figure_convergence.py   epochs to a level, N-pair loss against cross-entropy
    ours       experiments/ms3d_figure_graph.py         which connections the sparse network keeps
    ours       experiments/ms3d_figure_open_set.py      unknown actions: announced in Sec. III.D, never measured
Schematic drawings, nothing to reproduce
    Figure 1 (architecture), 2 (2D and 3D convolution). The self-defined Baseball set (Top-1 94.5, Top-5 97.7 from
    scratch) is private, its pathways are fed by several sensors, and it is compared with nothing (M16).

Where to find it
    network.py                       shared kernel, pathways, joining (Sec. III.A)
    ../backbones/densenet3d.py       dense blocks, their sparse random graph (Eq. (2), (3)); t3d.py: whole networks
    ../layers/temporal_init.py       Eq. (4)
    ../losses/n_pair.py              Eq. (5); code_memory.py: positives from earlier batches
    ../losses/over_processes.py      the batch of all processes is compared, whatever their number
    ../heads/nearest_centre.py       centres, distances, unknown actions, new classes (Sec. III.C, III.D)
    repository.py                    filling the repository when training ends (Eq. (6)), gamma
    module.py, profiles.py           training; the networks compared with, at three sizes
    datamodules/ms3d.py              clips, batches; variance_rate.py: Eq. (1); class_pairs.py; boxes.py
    datamodules/transforms/tailor.py Eq. (7), (8); experiments/tools/boxes.py finds the actors
    experiments/tools/add_class.py   a new action without training

What the paper leaves open, and what we chose
    Eq. (1) is per pixel, sampling needs a number: absolute grey differences are added up over the pixels, at most
    56 x 56, numerator and denominator each by itself, plus 1e-6 so that still parts stay within reach.
    n - 1 probabilities for n frames: a step's later frame is taken. Drawn without replacement, in order; with
    replacement where a video has fewer steps. Each pathway by itself. At test seeded by the video.
    Shared kernel "s x s x 3", "3 x 3 x 3": over 3 frames, since the pathways' kernels are written in the same way and
    end with time; (1, 3, 3), a row of the ablations, reads the 3 as colours and has 432 fixed numbers in place of
    1,296. 16 channels, stride 2, He's deviation, never trained.
    Pathways of 7, 17 and 25 frames "pile up": each is averaged to 8 frames, channels stand side by side ("enhances
    channels of input"); join="time" puts them one after another. 16 channels each, stride 2: 48 x 8 x 56 x 56.
    DenseNet3D: DenseNet-121's blocks (6, 12, 24, 16), growth 32, no stem of its own; the paper's come from an unnamed
    architecture search.
    alpha = 0.7 is called a dropping rate, but eq. (2) and (3) let a layer receive (l - 2) alpha of the earlier ones: it
    is the share that is kept; alpha_means="drop" reads it the other way. The predecessor is always received. The graph
    is drawn once, from a seed, and stored with the weights; a block puts out everything.
    Eq. (4)'s d is both a length and an index. Its source (Mansimov et al.) has the length: (2D - 1) / D, then -1 / D,
    of sum 1. The printed reading, 1, -1/2, -1/3, and a centred positive slice are arguments.
    Eq. (5)'s negatives are the positives of the batch's other classes; batches of P classes with two videos. Mean over
    classes; raw products; a penalty of 2e-3 on the squared length keeps them finite (Sohn).
    Repository: w = all training videos, p = 1, during training and at its end: a centre averages over every video of
    its class already, and a test video has one draw as well; more are repository_passes. Distance: Euclid. gamma:
    within it lie 95 % of the training codes; the tables ignore it, as rejecting could only lower accuracy. Several
    views: the mean of codes ranks as the mean of squared distances does, which is what is averaged.
    Tailoring: eta 1.2, xi 0.9, rings of 5 pixels in the larger of both directions, ten of them kept; one box for a
    whole video so that the scale stays; no box: the whole frame.
    Learning rate 1e-3, warm-up and cosine; crops and flips; fine-tuning with the same recipe; Kinetics-400.

Where paper and released code differ, and which we follow
    There is no released code. The paths have kernels 3, 5 and 7 in space, the fast one the largest, as printed.

Not as published
    The embedded benchmark: a quarter of the channels, no halving by the fixed kernel, blocks of 2, 3, 4 and 3 layers,
    growth 12, codes of 64 numbers, true boxes, four rings of a pixel, Adam for 16 or 32 epochs (profiles.py). All three
    pathways have their 7, 17 and 25 frames. A training has a thousand steps there, the paper's some million: every clip
    is an anchor, compared with the last 32 codes of every class, its own earlier ones among them; codes are
    batch-normalised to a deviation of 0.25, without a penalty on their length (NPair.memory, Ms3dSpec.code_norm). The
    raw products of eq. (5) are a row of the ablations. Learning rate, memory and norm were chosen by MS3D's training,
    growth by SlowFast's share of parameters; rate and epochs are everybody's.
    The networks compared with: what the paper's rows really were stands at each row. "C3D" is the mean of two others.
    On the benchmark they have an eighth to a quarter of their channels and start with maps as large as MS3D's, 16 x 16;
    R3D-18 and SlowFast have one block per stage, C3D has normalisation and four of five poolings.

Sizes (Kinetics; parameters include the 1,296 of the fixed kernel; multiply-accumulates)
    alpha 0.7, graph seed 0: 10.276 M, 31.2 G (10.081 and 10.216 M with seeds 1 and 2); dense: 11.494 M, 32.9 G; 0.3:
    8.615 M, 29.7 G. Joined in time: 10.403 M, 173.5 G. The paper prints neither.
    SlowFast 34.566 M, 50.31 G; I3D-R50 28.04 M, 28.4 G; R3D-18 33.37 M, 40.7 G; S3D 8.32 M, 18.0 G; C3D 79.6 M, 38.5 G;
    DenseNet3D-121 11.66 M, 62.5 G; T3D 29.9 M, 244 G; ECO 43.7 M, 69.1 G (KPSEM's Table 1 quotes 47.5 M and 64 G for
    it; there is no maintained code to compare with).

Known errors in the published tables
    Table III: Slow-Fast's Top-5 (92.0) is below its Top-1 (93.7).
    Table II: Slow-Fast is better from scratch than pre-trained; all others gain by pre-training.
    Table II: Top-5 is 1.2 to 3.5 points above Top-1 from scratch in five of six rows, not credible for 51 classes.
    I3D's "Top-5" in Tables II and III are the Top-1 that its own paper prints; ECO's on HMDB51 likewise.
    "Improve 1 % ~ 3 %": three of ten margins lie there. "Not optimal": the best Top-1 of Table I.
    Velocity: no hardware, no protocol; the values are of the size of those quoted elsewhere for ten times three views.
    I3D is faulted for its optical flow, as not end to end, and has no velocity; but its "Top-5" in Tables II and III is
    of its RGB stream alone. Which stream a row shows is not said.
    Eq. (6)'s first row repeats an entry; eq. (3) mixes l and i; "Multi-Cue", "HDMB", "UFC", "Desnet3D".

Symbols
    p(z) step_probabilities; n_1, n_2, n_3 pathway_frames; s kernels; alpha SparseGraph.alpha; l, k a layer and what it
    receives; d, D temporal_factors' length; Phi the backbone; M_i1, M_i2 anchors and positives; Z_i centres; w, p
    videos and repository_passes; gamma threshold; eta, xi, d enhancement, decay and ring of Tailor.
"""

from lightning_modules.ms3d.module import Ms3d

__all__ = ["Ms3d"]
