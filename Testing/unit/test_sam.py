"""MultiClassSam answers as segment-anything's own classes do, at any input size."""

import subprocess
import sys
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn import Module

from musclefm.networks.architecture import VIT_B, SamArchitecture
from musclefm.networks.sam import MultiClassSam
from musclefm.networks.segment_anything import modeling

CLASSES = 13
SMALL = SamArchitecture(
    input_size=448,
    trained_size=1024,
    embed_dim=32,
    depth=2,
    heads=2,
    global_blocks=(1,),
    decoder_dim=64,
    decoder_depth=2,
    decoder_heads=4,
    decoder_mlp=64,
)


def reference(architecture: SamArchitecture, size: int) -> Module:
    """Build segment-anything's own model for images of a size."""
    grid, dim = size // architecture.patch_size, architecture.decoder_dim
    return modeling.Sam(
        image_encoder=modeling.ImageEncoderViT(
            img_size=size,
            patch_size=architecture.patch_size,
            embed_dim=architecture.embed_dim,
            depth=architecture.depth,
            num_heads=architecture.heads,
            out_chans=dim,
            qkv_bias=True,
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            window_size=architecture.window,
            global_attn_indexes=architecture.global_blocks,
        ),
        prompt_encoder=modeling.PromptEncoder(
            embed_dim=dim,
            image_embedding_size=(grid, grid),
            input_image_size=(size, size),
            mask_in_chans=16,
        ),
        mask_decoder=modeling.MaskDecoder(
            transformer_dim=dim,
            transformer=modeling.TwoWayTransformer(
                depth=architecture.decoder_depth,
                embedding_dim=dim,
                mlp_dim=architecture.decoder_mlp,
                num_heads=architecture.decoder_heads,
            ),
            num_multimask_outputs=CLASSES,
            iou_head_depth=3,
            iou_head_hidden_dim=dim,
        ),
    ).eval()


def reference_logits(sam: Module, image: Tensor) -> Tensor:
    """Run segment-anything's model without a prompt, one image at a time."""
    logits = []
    for one in image:
        embedding = sam.image_encoder(one[None])
        sparse, dense = sam.prompt_encoder(points=None, boxes=None, masks=None)
        masks, _ = sam.mask_decoder(
            image_embeddings=embedding,
            image_pe=sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
        )
        logits.append(masks)
    return torch.cat(logits)


def randomised(model: torch.nn.Module) -> torch.nn.Module:
    """Make every weight count: segment-anything starts some at zero."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def test_logits_are_segment_anythings_own() -> None:
    architecture = SMALL.model_copy(update={"trained_size": 256, "input_size": 256})
    sam = randomised(reference(architecture, 256))
    model = MultiClassSam(architecture, CLASSES).eval()
    model.load_state_dict(sam.state_dict())
    image = torch.randn(2, 3, 256, 256)
    with torch.no_grad():
        expected = reference_logits(sam, image)
        torch.testing.assert_close(model(image), expected, rtol=1e-4, atol=1e-4)
    assert expected.shape == (2, CLASSES, 64, 64)
    assert expected.std() > 0.1


def test_an_official_state_dict_fits_by_name() -> None:
    with torch.device("meta"):
        theirs = reference(VIT_B, VIT_B.trained_size).state_dict()
        ours = MultiClassSam(VIT_B, CLASSES).state_dict()
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}


@pytest.mark.parametrize("size", [448, 1024])
def test_input_sizes_run(size: int) -> None:
    model = MultiClassSam(SMALL, CLASSES).eval()
    with torch.no_grad():
        logits = model(torch.randn(1, 3, size, size))
    assert logits.shape == (1, CLASSES, size // 4, size // 4)
    assert torch.isfinite(logits).all()


def test_positions_are_kept_at_the_trained_size_and_follow_the_image_elsewhere() -> None:
    encoder = MultiClassSam(SMALL, CLASSES).image_encoder
    ramp = (torch.arange(64) + 0.5) / 64
    with torch.no_grad():
        encoder.pos_embed.zero_()
        encoder.pos_embed[0, :, :, 0] = ramp[:, None]
        encoder.pos_embed[0, :, :, 1] = ramp
        smaller = encoder._positions(28, 28)
        same = encoder._positions(64, 64)
    torch.testing.assert_close(same, encoder.pos_embed.data, rtol=0, atol=0)
    expected = (torch.arange(28) + 0.5) / 28
    torch.testing.assert_close(smaller[0, :, 3, 0], expected, rtol=0, atol=5e-3)
    torch.testing.assert_close(smaller[0, 3, :, 1], expected, rtol=0, atol=5e-3)


def test_windows_fill_the_fast_default_without_padding() -> None:
    assert VIT_B.input_size == 448 and VIT_B.window == SMALL.window
    model = MultiClassSam(SMALL, CLASSES).eval()
    seen: list[torch.Size] = []
    attention = model.image_encoder.blocks[0].attn
    attention.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))
    with torch.no_grad():
        model.encode(torch.randn(1, 3, 448, 448))
    assert seen[0].numel() == 28 * 28 * SMALL.embed_dim


def test_a_network_needs_no_torchvision_and_leaves_segment_anything_as_it_is() -> None:
    code = (
        "import sys\n"
        "from importlib.util import find_spec\n"
        # As where it is not installed, whether or not it is here.
        "sys.modules['torchvision'] = None\n"
        "from musclefm.networks.architecture import VIT_B\n"
        "from musclefm.networks.sam import MultiClassSam\n"
        "from musclefm.networks.without_weights import build_without_weights\n"
        "assert isinstance(build_without_weights(VIT_B, 12), MultiClassSam)\n"
        "assert not {'sympy', 'segment_anything'} & set(sys.modules)\n"
        "assert find_spec('segment_anything').origin.endswith('__init__.py')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_network_without_weights_is_made_without_torchs_compiler() -> None:
    code = (
        "import sys\n"
        "from musclefm.networks.architecture import VIT_B\n"
        "from musclefm.networks.without_weights import build_without_weights\n"
        "network = build_without_weights(VIT_B, 12)\n"
        "assert network.image_encoder.pos_embed.is_meta\n"
        "assert not {'torch._dynamo', 'sympy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
