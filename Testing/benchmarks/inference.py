"""How fast an ensemble is, as ratios between ways that are timed in one run.

Networks are SAM's ViT-B with random weights, as speed does not ask what they learned. The
reference is segment-anything's own code, one member and one slice at a time, at 1024 pixels in
float32; it is timed on one member of few slices and multiplied, which the tables say.

On a CPU the clock is the processor time of one thread, so that other programs count little;
``--clock wall`` with ``--threads`` is for a quiet machine. On a GPU the clock is the wall's.
Run from the repository's root, with musclefm installed::

    python Testing/benchmarks/inference.py [networks] [files] [--device cpu]

It prints the tables of ``inference.md``.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from segment_anything import modeling
from torch import Tensor
from whole_case import VOLUMES, sample_voxels, time_files

from musclefm.inference.device import Runtime, choose_runtime
from musclefm.inference.predictor import EnsemblePredictor
from musclefm.inference.slices import SliceFraming
from musclefm.labels.scheme import load_scheme
from musclefm.models.bundle import Bundle
from musclefm.models.intensity import PublishedIntensity
from musclefm.models.manifest import BundleManifest, Member, ModelInput, WeightFile, WholeSlice
from musclefm.networks.architecture import VIT_B, SamArchitecture
from musclefm.networks.network import SegmentationNetwork
from musclefm.networks.without_weights import build_without_weights
from musclefm.progress import silent
from musclefm.uncertainty.decomposition import decompose

SCHEME = load_scheme("thigh-12")
MEMBERS = 5
REFERENCE, DEFAULT = 1024, 448
LATE = 3
SAME = 1e-5
_NO_FILE = WeightFile(file="member-0.safetensors", bytes=1, sha256="0" * 64)


@dataclass(frozen=True)
class Clock:
    """What is timed: a thread's processor time, or the wall's."""

    runtime: Runtime
    wall: bool
    repeats: int

    def seconds(self, work: Callable[[], object]) -> float:
        """Return the least seconds of several runs: the first one warms up, too."""
        now = time.perf_counter if self.wall else time.process_time
        took = []
        for _ in range(self.repeats):
            self._finish()
            start = now()
            work()
            self._finish()
            took.append(now() - start)
        return min(took)

    def _finish(self) -> None:
        if self.runtime.device.type == "cuda":
            torch.cuda.synchronize()


class RandomBundle(Bundle):
    """An ensemble that is drawn and not read: members differ in all weights, or in the last.

    Its manifest's ``name`` says which weights are one's own: ``"separate"``, ``"late"``
    (the last three blocks, neck and decoder) or ``"shared"`` (the decoder).
    """

    def load_member(self, index, device="cpu", dtype=None) -> SegmentationNetwork:
        """Return a member drawn by its index, or like the first one in what it shares."""
        depth = self.manifest.architecture.depth
        late = tuple(f"image_encoder.blocks.{n}." for n in range(depth)[-LATE:])
        own = {
            "separate": ("",),
            "late": (*late, "image_encoder.neck.", "mask_decoder."),
            "shared": ("mask_decoder.",),
        }[self.manifest.name]
        network = random_network(self.manifest.architecture, self.scheme.class_count, index, own)
        return network.to(device)


def random_network(
    architecture: SamArchitecture, classes: int, seed: int = 0, own: tuple[str, ...] = ("",)
) -> SegmentationNetwork:
    """Return a network of noise, whose weights of other names than ``own`` are those of seed 0."""
    network = build_without_weights(architecture, classes).eval()
    state = {}
    for place, (name, tensor) in enumerate(network.state_dict().items()):
        first = 1000 * place + (seed if name.startswith(own) else 0)
        weight = 0.02 * noise()[first : first + tensor.numel()].reshape(tensor.shape)
        # Norms scale by about 1; relative positions count.
        norm = weight.ndim == 1 and name.endswith("weight")
        state[name] = weight + 1 if norm else 10 * weight if "rel_pos" in name else weight
    network.load_state_dict(state, assign=True)
    return network


@lru_cache
def noise() -> Tensor:
    """Return standard normal numbers, as many as the largest tensor of ViT-B has."""
    return torch.randn(4_000_000, generator=torch.Generator().manual_seed(0))


def random_bundle(
    kind: str, members: int = MEMBERS, size: int = DEFAULT, base: SamArchitecture = VIT_B
) -> RandomBundle:
    """Return an ensemble, see :class:`RandomBundle`."""
    manifest = BundleManifest(
        name=kind, title="Random weights", version="1", description="", scheme=SCHEME.name,
        architecture=base.model_copy(update={"input_size": size}), training_data="none",
        input=ModelInput(intensity=PublishedIntensity(), framing=WholeSlice()), licence="none",
        members=tuple(Member(weights=_NO_FILE) for _ in range(members)), created_with={},
    )  # fmt: skip
    return RandomBundle(Path(), manifest, SCHEME)


def segment_anythings(
    network: SegmentationNetwork, size: int
) -> tuple[torch.nn.Module, Callable[[Tensor], Tensor]]:
    """Return segment-anything's own encoder and network with the same weights."""
    grid = size // VIT_B.patch_size
    encoder = modeling.ImageEncoderViT(
        img_size=VIT_B.trained_size, embed_dim=VIT_B.embed_dim, depth=VIT_B.depth,
        num_heads=VIT_B.heads, use_rel_pos=True, window_size=VIT_B.window,
        global_attn_indexes=VIT_B.global_blocks,
        norm_layer=lambda width: torch.nn.LayerNorm(width, eps=1e-6),
    )  # fmt: skip
    sam = modeling.Sam(
        image_encoder=encoder,
        prompt_encoder=modeling.PromptEncoder(256, (grid, grid), (size, size), 16),
        mask_decoder=modeling.MaskDecoder(
            transformer_dim=256, transformer=modeling.TwoWayTransformer(2, 256, 8, 2048),
            num_multimask_outputs=network.class_count, iou_head_hidden_dim=256,
        ),
    )  # fmt: skip
    sam.load_state_dict(network.state_dict())
    # For sizes that it was not made for, to try this script.
    encoder.pos_embed.data = network.image_encoder._positions(grid, grid).data
    sam = sam.eval().to(next(network.parameters()).device)

    def logits(image: Tensor) -> Tensor:
        sparse, dense = sam.prompt_encoder(points=None, boxes=None, masks=None)
        masks: Tensor = sam.mask_decoder(
            image_embeddings=sam.image_encoder(image),
            image_pe=sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
        )[0]
        return masks

    return encoder, logits


Timed = Callable[[int, Callable[[SliceFraming, tuple[int, ...]], object]], list[float]]
"""From a size and what is done with a case's framing and its slices' shape to seconds a volume."""


@torch.inference_mode()
def time_reference(clock: Clock, size: int, by_volume: Timed) -> tuple[list[float], float]:
    """Return seconds of segment-anything's own code, and how far our embedding lies from its."""
    device = clock.runtime.device
    network = random_network(VIT_B, SCHEME.class_count).to(device)
    encoder, own = segment_anythings(network, size)
    tile = torch.randn(1, 3, size, size, device=device)
    # Logits of random weights differ little: the embedding, whose deviation is 1, tells more.
    expected = encoder(tile)
    apart = (clock.runtime.place(network).encode(tile)[0] - expected).abs().max().item()

    def slice_by_slice(framing: SliceFraming, _: tuple[int, ...]) -> None:
        answer = own(framing.tiles(0).to(device)).softmax(dim=1)
        decompose(framing.restore(0, answer[:, None]))

    return by_volume(size, slice_by_slice), apart


def time_networks(clock: Clock, timed: int, sizes: tuple[int, int]) -> None:
    """Print the table of the networks: seconds of whole volumes, and ratios of these."""
    reference, default = sizes
    device, half = clock.runtime.device, choose_runtime(clock.runtime.device.type)
    volumes = [sample_voxels((timed, *shape[1:])) for shape in VOLUMES]
    spent: dict[str, list[float]] = {}

    def by_volume(size: int, work: Callable[[SliceFraming, tuple[int, ...]], object]):
        framings = [SliceFraming(v, size, PublishedIntensity(), "canonical") for v in volumes]
        return [
            clock.seconds(partial(work, framing, voxels.shape[1:]))
            for framing, voxels in zip(framings, volumes, strict=True)
        ]

    def note_memory(name: str) -> None:
        if device.type == "cuda":
            print(f"{name}: {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB on the GPU\n")
            torch.cuda.reset_peak_memory_stats()

    spent["reference"], apart = time_reference(clock, reference, by_volume)
    note_memory("reference")
    fp32 = Runtime(device, bf16=False)
    for name, runtime, bundle in (
        ("1024", fp32, random_bundle("separate", 1, reference)),
        ("separate", half, random_bundle("separate", MEMBERS, default)),
        ("late", half, random_bundle("late", MEMBERS, default)),
        ("shared", half, random_bundle("shared", MEMBERS, default)),
        ("alone", half, random_bundle("separate", 1, default)),
    ):
        gc.collect()
        predict = EnsemblePredictor(bundle, runtime, silent).predict
        spent[name] = by_volume(
            bundle.manifest.architecture.input_size,
            lambda framing, shape, predict=predict: predict(framing, np.ones(shape, np.uint8), 1),
        )
        note_memory(name)
        del predict
    for name, seconds in spent.items():
        # The reference is one slice of one member, and ours at its size one member.
        factor = MEMBERS if name in ("reference", "1024") else 1
        count = 1 if name == "reference" else timed
        spent[name] = [
            s * factor / count * shape[0] for s, shape in zip(seconds, VOLUMES, strict=True)
        ]
    print_networks(spent, apart, half)


def print_networks(spent: Mapping[str, list[float]], apart: float, half: Runtime) -> None:
    """Print what took how long, and the ratios with their targets."""
    print("| seconds, of 5 members x ViT-B |" + "".join(
        f" {j} x {i} x {k} |" for k, j, i in VOLUMES))  # fmt: skip
    print("|---|" + "---|" * len(VOLUMES))
    names = {
        "reference": "segment-anything's own code, slice by slice, 1024, fp32",
        "1024": "ours, 1024, fp32",
        "separate": f"default ({half.description}), 5 separate encoders",
        "late": f"default, encoders that share all but the last {LATE} blocks",
        "shared": "default, shared encoder",
        "alone": "default, one member alone",
    }
    for name, title in names.items():
        print(f"| {title} |" + "".join(f" {seconds:.1f} |" for seconds in spent[name]))
    print(f"\nEmbeddings in fp32 are {apart:.1e} apart at most (allowed: {SAME:g}).\n")
    cuda = half.device.type == "cuda"
    print("| ratio | target | reached |\n|---|---|---|")
    for title, slow, fast, target in (
        ("reference / ours at 1024 in fp32", "reference", "1024", "1.6 or more"),
        ("reference / default, separate", "reference", "separate", f"{40 if cuda else 18} or more"),
        ("reference / default, shared", "reference", "shared", f"{100 if cuda else 90} or more"),
        ("shared, 5 members / one alone", "shared", "alone", "1.25 or less"),
        ("late / shared", "late", "shared", "-"),
    ):
        ratios = (a / b for a, b in zip(spent[slow], spent[fast], strict=True))
        print(f"| {title} | {target} | {', '.join(f'{ratio:.3g}' for ratio in ratios)} |")


def main() -> None:
    """Time what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["networks", "files"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--clock", choices=("cpu", "wall"), default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--slices", type=int, default=1, help="timed of each volume")
    parser.add_argument("--sizes", type=int, nargs=2, default=(REFERENCE, DEFAULT))
    parser.add_argument("--at-most", type=int, default=60, help="slices of whole cases")
    parser.add_argument("--scan", type=Path, action="append", default=[])
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    runtime = choose_runtime(arguments.device)
    clock = Clock(runtime, arguments.clock == "wall" or runtime.device.type == "cuda",
                  arguments.repeats)  # fmt: skip
    if "networks" in arguments.parts:
        time_networks(clock, arguments.slices, tuple(arguments.sizes))
    if "files" in arguments.parts:
        limits = arguments.threads, arguments.repeats, arguments.at_most
        time_files(arguments.scan, arguments.device, *limits)


if __name__ == "__main__":
    main()
