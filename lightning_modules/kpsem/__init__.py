"""KPSEM: Effective Action Recognition with Embedded Key Point Shifts. Cao, Xu, Yang, Mao, Yin, See, arXiv 2008.11378.

The idea: where a channel of a feature map is largest is a key point, and how it moves from frame to frame is motion,
with no annotation. Cut each frame into a few regions at lines that the network places itself, take one key point per
region and channel, match those of adjacent frames by their values, and embed the shifts of several such separations.
The result stands beside the backbone's pooled features in front of the classifier; the backbone is left as it is.

Reproduced
    Table 1    experiments/kpsem_table1.py      Mini-Kinetics, UCF101, Something-Something v1, HMDB51; the text's sums
    Table 2    experiments/kpsem_table2.py      single key point, fixed regions, one set, R3D
    Figure 5   experiments/kpsem_figure5.py     position, regions, sets, d_e; trainings: experiments/kpsem_ablations.py
    Figure 7   experiments/kpsem_figure7.py     classes that gain, and those that lose
    Figure 8   experiments/kpsem_figure8.py     clips with the three most probable classes of both networks
    Figure 9   experiments/kpsem_figure9.py     Grad-CAM
    Figure 10  experiments/kpsem_figure10.py    key points and shifts; the share that crosses regions, measured
Schematic drawings, nothing to reproduce
    Figure 1 (key points and shifts), 2 (network), 3 and 6 (KPSEM), 4 (AReSE)

Where to find it
    key_points.py               AReSE: lines, shifts, weights (Sec. 3.3); what Figure 10 draws
    regions.py                  maxima and means of regions, and the lines' surrogate gradient
    network.py                  KPSEM (Sec. 3.2, 4.2) and the networks it stands in (Sec. 3.1)
    grad_cam.py                 heat maps (Fig. 9)
    weights.py                  the MFNet authors' checkpoints; 2D ImageNet ResNets
    profiles.py                 the recipes of Sec. 4.1 and MFNet's code, and the benchmark's network
    datamodules/kpsem.py        sampling, crops and colours of MFNet's code; test views
    ../backbones                mfnet3d.py, r3d.py (the C2D that the paper calls R3D)
    experiments/benchmarks/key_points.py    speed and memory

What the paper leaves open, and what we chose
    How the MLP of eq. 4 learns: it is "trained jointly", yet neither the position of a maximum nor the region of a cell
    has a gradient by the lines. Forward is the paper's hard definition. Backward, the lines receive the gradient of a
    soft version (straight-through): region edges are sigmoids 1 cell wide, maxima are averages weighted by exp(value /
    0.15 of the map's range). Features receive the hard definition's gradient alone.
    The MLP: one linear layer per set on the frame's mean features, 6,160 weights. One hidden layer shared by the sets
    (384, 16, 16) would have 6,432 and fit the printed size as well.
    Units, range and start of its output: cells of the feature map, no limit but the map's edges; its weights start at
    zero, its biases uniformly within 1 cell per set, or all sets would be the same. A line within a cell of the middle
    has three places to cut: of eight sets about five separate a frame differently, on maps of any size. Fixed regions
    (Table 2b) stay at such a start.
    Eq. (9) as printed: its 1 / (|difference| + 0.1) has slopes up to 100, and its gradient on the features can outweigh
    the classifier's many times. matching_gradient=False stops it (a row of Table 2 that is not the paper's).
    More than 4 regions: n - 1 lines in each direction, moved independently, in order and a cell apart.
    Ties: the first cell row by row. A row whose centre lies on a line is behind it.
    Where KPSEM reads: the stage's output as the next stage gets it. MFNet's is a raw sum, before normalisation and
    activation; R3D's is behind its ReLU.
    The reduction: the paper gives kernel (1, 3), stride (1, 2), 24 to 6, 384 to 96 and 672; hence padding (0, 1) and
    the mean over the last 6. 96 channels from the first convolution on, no bias. Nothing is said of normalisation or
    activation: none ("linear"); "normalised" adds both. At other positions a quarter of the channels.
    Another reading of the reduction fits the same numbers, with 1,080 weights in place of 138,240: the convolutions
    slide along the channels (384, 192, 96), and their filters are the embedding's (24, 12, 6). Not taken: the paper
    says that the strides reduce the embedding.
    Initialisation: PyTorch's; the classifier's part for the backbone's features is that of the plain backbone with the
    same seed. start_at_zero sets the last layer's weights to 0, so that a pre-trained backbone begins
    undisturbed; off, as the paper does not mention it.
    Epochs, learning rate steps, Nesterov, frame interval, crops, colours, views at test: MFNet's code (profiles.py,
    datamodules/kpsem.py). Mini-Kinetics and Something-Something have no such code; UCF101's epochs. Mini-Kinetics
    trains at varied frame intervals, as MFNet on Kinetics.
    Test views: MFNet's code adds up random clips with random crops until it is stopped. Ten evenly spread clips, each
    with a crop drawn once and for all.
    Which layers train at a fifth of the rate: MFNet's code spares the classifier alone and knows no KPSEM. The backbone
    and the layer that places the lines here.
    How the examples of Figures 8 to 10 were chosen, and whether Grad-CAM explains the true class: each script says its
    rule; the true class.
    R3D's frames: 16, a maximum over two frames behind res2 as in the C2D paper, so that KPSEM sees 8.
    What Figure 10 draws: the set with the longest embedding, and its channel with the largest shifts.

Where paper and released code differ, and which we follow
    There is no released code for KPSEM. MFNet-3D is the authors' of MFNet, to their outputs. So is the fine-tuning: the
    backbone at a fifth of the learning rate, the first steps at half. Videos too short for a clip repeat one random
    frame there; here they are played in a loop. Hue, lightness and saturation round to bytes there.

Not as published
    The embedded benchmark's network (profiles.py): a quarter of the width, 5 of MFNet's 16 units, a stem without its
    two halvings, KPSEM's output starting at zero. Clips of 8 frames of 32 x 32 pixels, so that KPSEM behind conv4
    sees 4 feature frames of 8 x 8 cells. R3D has half of MFNet's width.
    Its training: AdamW for 20 epochs with batches of 16 on all data sets, the backbone at half of the rate in place of
    a fifth, the lines at a twentieth (they adapt little, Figure 10 says how little; faster, many end at the maps'
    edges), no slow first steps (99 in MFNet's code); no flip, stretching or colours, one
    central test view.
    Its starts: an MFNet without KPSEM pre-trained here for 10 epochs on the member for Kinetics-400, in place of
    MFNet's Kinetics weights, and an R3D likewise, in place of ImageNet's; once each, for all rows and seeds.
    The committed Table 2 starts from a run of it on a GPU, Table 1 and Figure 5 from one on a CPU; their weights
    differ.

Sizes
    MFNet-3D has 7,996,368 parameters with 400 classes (8.0 M), 7,842,568 with Mini-Kinetics' 200; KPSEM 146,128, and
    134,400 more in the classifier: 8.123 M, printed 8.11 M. No design that the text suggests gives
    8.11 M and 11.21 G at once.
    Multiply-accumulates of convolutions and linear layers: MFNet 11.045 G, KPSEM 14.6 M, together 11.060 G; torch's
    counter adds 11.7 M for the region sums (products with zeros and ones): 11.072 G. 11.1 G is MFNet's with one
    operation per normalised element (11.111); to 11.21 G two come nearest (11.191, 11.203 with the region sums).
    Like for like, with 200 classes and by torch's counter, KPSEM adds 3.58 % of parameters and 0.24 % of operations;
    the text's 1.38 % and 1 % compare other numbers of classes, and two rules.
    AReSE's forward pass needs at most 106, 53, 31 and 21 MiB a clip behind conv2, conv3, conv4 and conv5, its input
    not counted, and 106, 53, 32 and 41 MiB when it keeps what the backward pass needs.

Known errors in the published tables
    8.0 M counts 400 classes, the row beside it has 200; 11.1 G and 11.21 G count by different rules.
    MFNet's HMDB51 is 74.6 in Table 1 (its paper) and 70.8 in Table 2 (batch 16): compare within a protocol only.
    MFNet's 78.35 on Mini-Kinetics and 43.0 on Something-Something are not in its paper, which has Kinetics (72.8),
    UCF101 (96.0) and HMDB51 (74.6); where they come from is not said.
    Something-Something: the text's gap of 1.8 to TSM is 49.7 - 48.1 = 1.6; "relative 4.73 %" is 3.70 / 78.35 = 4.72 %.
    "Previous state of the art" is CGNL's 77.76, though S3D (78.0) and I3D two-stream (78.7) are higher.
    C3D's 33.3 M are R3D-18's; I3D-NL and I3D-NL-GCN repeat CGNL's size; ECO Lite's 150 M are an ensemble's.
    R3D is called a 3D network but has 1 x k x k kernels. KPSEM is spelt out as "Embedding" and as "Extraction".
    RKPS has three different sizes: C x (T-1) x G x 2 (Sec. 3.2), K x C x (T-1) (3.3), with K and 2 in Fig. 6b (ours).
    Eq. (12) multiplies W_R, of size K x C x (T-1), with S, which has the two coordinates besides: one weight for both.
    Eq. (6) takes the maximum over (h, w) and calls it (x, y): x is the column and y the row here.
    TSM is [42], but [43], TBN, where Sec. 4.3 compares with it; R3D is [16] in Table 2d and [17], the C2D that it is,
    in the text.

Symbols
    F feature maps; C, T, H, W their size; G sets (num_sets); the paper's K regions (num_regions, R here, as K counts
    classes); O_a lines; I positions, V values, S shifts, W shift weights, W_R region weights; d_e embedding_dim;
    F_out features, P_out KPSEM's output.
"""

from lightning_modules.kpsem.module import Kpsem

__all__ = ["Kpsem"]
