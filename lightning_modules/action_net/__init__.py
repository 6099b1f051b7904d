"""ACTION-Net: Multipath Excitation for Action Recognition. Zhengwei Wang, Qi She, Aljosa Smolic, CVPR 2021.

The idea: a 2D network that sees one frame of each of 8 segments learns what happens between them from a small module
at the start of each residual block. Three paths look at the same maps: STE at where and when (one mask per clip), CE at
which channels matter over time, ME at which channels move (differences of neighbouring frames). Each scales the maps by
its mask, and the three results are added.

Reproduced
    Table 1 (against TSN and TSM on three data sets)    experiments/action_net_table1.py
    Table 2 (own rows; the others are quoted)           experiments/action_net_table2.py
    Table 3 (single paths)                              experiments/action_net_table3.py
    Table 4 (stages)                                    experiments/action_net_table4.py
    Table 5 (backbones)                                 experiments/action_net_table5.py
    Figure 1 (class activation maps)                    experiments/action_net_figure1.py
    Figure 4 (accuracy against FLOPs, eta)              experiments/action_net_figure4.py
Schematic drawings, nothing to reproduce
    Figure 2 (the module), Figure 3 (the network)

Where to find it
    excitation.py               STE, CE, ME and the module (Sec. 3.1 to 3.4)
    network.py                  TSN, TSM and ACTION-Net as one class; both variants on BN-Inception
    module.py                   training, the authors' parameter groups
    profiles.py                 the recipes of Sec. 4.2 and of the released scripts, and the benchmark's sizes
    class_activation.py         Figure 1's maps
    weights.py                  released checkpoints, ImageNet weights
    ../layers/segment_network.py, ../layers/temporal_shift.py       TSN's consensus; the fixed and the learnable shift
    ../backbones/               ResNet, MobileNetV2, BN-Inception, with the module as an argument
    ../../datamodules/action_net.py     segments, crops and the 10 x 3 views
    ../../experiments/action_net_efficiency.py      added FLOPs and eta (eq. 10)
    ../../experiments/benchmarks/action.py          speed against the equations taken literally

What the paper leaves open, and what we chose
    Where the modules stand in MobileNetV2 and BN-Inception (its supplement is not public): before the expanding
    convolution of the 10 residual blocks, and before BN-Inception's blocks, as in the released code.
    Table 3's single paths: the published sizes and FLOPs fit a learnable shift and one path. So here.
    Table 4's other stages: plain 2D (an option gives them TSM's shift).
    Dropout 0.5, gradient norm at most 20, five and ten times the rate for the classifier's weight and bias, twice
    the rate for biases, no decay but of weights, all batch normalisations trained: the released scripts'.
    "10 times randomly sampled": drawn once for all networks, with a fixed seed. Videos shorter than T frames repeat
    frames in order (the code repeats the first one T times).
    Figure 1's maps are shown as they are, on one scale.

Where paper and released code differ, and which we follow
    The module starts with a temporal shift, a depthwise convolution that starts as TSM's and is trained. It is not in
    the equations; the published parameters and FLOPs need it. Code. "ACTION added to TSN" therefore contains a TSM.
    CE has a rectification after the temporal convolution, ME a batch normalisation after the squeeze and one 3x3 kernel
    per channel. Code.
    Eq. 9 can be read in two ways: the difference is conv(next) - this. The last frame's is zero, its gates 0.5. Code.
    BN-Inception: the released code has ten modules; the published 11.59 M and 16.94 G need an eleventh in front of
    block 2 and a 3x3 convolution in ME that mixes channels. Both: BN_INCEPTION_RELEASED, BN_INCEPTION_PUBLISHED.
    BN-Inception's input is normalised with ImageNet's RGB values in 0..1 in the code, though it is BGR in 0..255.
    Here RGB in 0..255 minus (128, 117, 104), which is what its weights were trained with. Its batch normalisations
    keep a tenth of the old statistics in the code; here nine tenths, PyTorch's default. Its pooling window is 7 x 7 in
    the code, which fails with crops of 256; here it is the whole map.
    Epochs and steps: Jester 30 (10, 20, 25) in the paper, 25 (5, 10, 15) in the code; EgoGesture 25 against 20. Paper.
    The code lowers the rate one epoch late. Here at the epoch. Table 1 has a row with the code's epochs.
    Crops: short side 256 and three crops of 256 for all data sets in the paper. On EgoGesture the code scales frames to
    224 x 224, whatever their shape, and tests one crop. Paper; the same row of Table 1 has the code's.
    EgoGesture: the paper counts 14,416 training gestures, the code trains on training and validation together and keeps
    the best epoch on the test set. Together, and the last epoch. A gesture ends with its last annotated frame; the code
    leaves out two.
    An epoch's last, incomplete batch: trained in the code, left out here.
    Training frames: the code draws them from T segments of floor(L / T) frames, so that the last L mod T are never
    seen; here the segments cover the video, as in the paper.

Not as published
    The embedded benchmark: 8 frames of 32 x 32 pixels; ResNet-50's place has four basic blocks of 8, 16, 32 and 64
    channels, a stem without pooling; MobileNetV2 a quarter of its width and 128 last channels, BN-Inception an eighth,
    both a stem without stride. CE and ME reduce by 4, in BN-Inception by 8. Dropout 0.2. AdamW for 24 epochs with
    batches of 32 and a cosine, the classifier at the network's own rate. Three random clips of one crop at test. One
    pre-training per backbone on single frames of the member for ImageNet, for all rows and seeds (profiles.py).

Known errors in the published tables
    Tables 3 and 5 mix class counts on ResNet-50: baselines have 83 classes, all own rows 174. With one count the module
    adds 4.22 M parameters, not 4.40 M.
    Added FLOPs are taken between rounded FLOPs, 33 G for 32.96 G among them: 5.3, 3.4 and 0.8 % on the three backbones
    are 5.4, 3.3 and 0.6 %. FLOPs are multiply-accumulates plus some element-wise operations (ptflops' rule,
    experiments/harness/ptflops_rule.py).
    TSN's top-5 on EgoGesture is 97.3 in Table 1 and 98.3 in Table 2.
    The gain on EgoGesture is 2.1 points in the tables, whose efficiency is 2.52 (Sec. 4.5); Figure 4's 2.65 is that of
    a gain of 2.0.
    ME adds fewer parameters than CE (2.22 against 2.40 M), against the text. With 8 frames ACTION-Net is not best in
    Top-5 on Jester (99.8 against 99.9).
    "ResNet-50 achieves the highest η" contradicts Figure 4, where BN-Inception's on EgoGesture is higher.
    Table 2 compares Kinetics pre-training (TSN, TSM) with ImageNet's.

Symbols
    N clips, T segments (num_segments), C channels; r reduction; X, Y maps before and after; M masks (of STE (N T, 1, H,
    W), of CE and ME (N T, C, 1, 1)); F_r squeezed maps; K, K_1, K_2, K_3 convolutions; eta added FLOPs over added
    top-1, both in percent (eq. 10).
"""

from lightning_modules.action_net.module import ActionNet

__all__ = ["ActionNet"]
