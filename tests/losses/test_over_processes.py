"""What several processes get together is the gradient that one would get."""

from __future__ import annotations

import torch

from lightning_modules.losses.code_memory import CodeMemory
from lightning_modules.losses.n_pair import NPair
from lightning_modules.losses.over_processes import Gathered, gathered, over_processes

LOSS = NPair(length_penalty=0.1)


def test_the_processes_mean_gradient_is_that_of_one_process_with_all_clips_and_so_is_the_loss():
    torch.manual_seed(0)
    weight, clips = torch.randn(5, 4, requires_grad=True), torch.randn(2, 6, 5)  # W, M, features
    labels = torch.tensor([[0, 0, 1, 1, 2, 2], [3, 3, 4, 4, 5, 5]])
    counted = torch.tensor([[True] * 6, [True, True, False, True, True, True]])
    one = LOSS((clips @ weight)[counted], labels[counted])
    (expected,) = torch.autograd.grad(sum(one.values()), weight)

    gradients = []
    for rank in range(2):
        codes = clips[rank] @ weight
        everything = Gathered(codes=(clips @ weight).detach(), labels=labels, counted=counted, rank=rank)
        terms = over_processes(LOSS, codes[counted[rank]], everything)
        torch.testing.assert_close({name: term.detach() for name, term in terms.items()}, one)
        gradients += torch.autograd.grad(sum(terms.values()), weight)
    torch.testing.assert_close(torch.stack(gradients).mean(0), expected)


def test_all_processes_remember_the_codes_of_all():
    codes, labels = torch.randn(2, 4, 3), torch.tensor([[0, 0, 1, 1], [2, 2, 3, 3]])
    memories = [CodeMemory(num_classes=4, size=4) for _ in range(2)]
    for rank, memory in enumerate(memories):
        everything = Gathered(codes=codes, labels=labels, counted=torch.ones(2, 4, dtype=torch.bool), rank=rank)
        for _ in range(2):
            over_processes(lambda c, y, memory=memory: LOSS(c, y, memory), codes[rank].requires_grad_(), everything)
    first, second = (memory.sets("cpu") for memory in memories)
    assert first is not None and first[0].shape == (4, 4, 3)
    torch.testing.assert_close(first, second)


def test_a_single_process_gathers_nothing():
    assert gathered(torch.randn(4, 3), torch.arange(4), torch.ones(4, dtype=torch.bool)) is None
