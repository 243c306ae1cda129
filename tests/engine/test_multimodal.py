"""A multimodal wrapper: a nested language model, and an image that takes prompt positions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers as hf
from PIL import Image

from steersman_vectors.chat_template import markers_of_tokenizer
from steersman_vectors.plan import SteeringPlan
from steersman_vectors.schedule import CONSTANT, Linear
from steersman_vectors.spans import steered_turns
from tests.engine.engines import CHUNK, TOLERANCE, largest_error, make_vectors
from tests.engine.reference import HuggingFaceReference
from tests.tiny_model import HIDDEN, LAYERS, build_tokenizer

pytestmark = pytest.mark.engine

PIXELS, PATCH = 64, 8
PROMPT = (
    "<|im_start|>user\nWhat is this? <image><|im_end|>\n"
    "<|im_start|>assistant\nAn invoice of 12 May.<|im_end|>\n"
    "<|im_start|>user\nPlease explain it.<|im_end|>\n<|im_start|>assistant\n"
)


def build_idefics(folder: Path) -> Path:
    """Writes a random Idefics 3: a vision tower of 4 blocks, and a Llama as deep inside."""
    build_tokenizer(folder)
    processor = hf.Idefics3Processor(
        image_processor=hf.Idefics3ImageProcessorPil(
            size={"longest_edge": PIXELS},
            max_image_size={"longest_edge": PIXELS},
            do_image_splitting=False,
        ),
        tokenizer=hf.AutoTokenizer.from_pretrained(folder),
        image_seq_len=(PIXELS // PATCH // 2) ** 2,
    )
    processor.save_pretrained(folder)
    torch.manual_seed(0)
    config = hf.Idefics3Config(
        text_config=hf.LlamaConfig(
            vocab_size=384, hidden_size=HIDDEN, intermediate_size=256, num_hidden_layers=LAYERS,
            num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=512,
            initializer_range=0.2, eos_token_id=1, bos_token_id=None, pad_token_id=1,
        ),
        vision_config={
            "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": LAYERS,
            "num_attention_heads": 2, "image_size": PIXELS, "patch_size": PATCH,
        },
        image_token_id=processor.tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2, pad_token_id=1,
    )  # fmt: skip
    hf.Idefics3ForConditionalGeneration(config).to(torch.float32).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return build_idefics(tmp_path_factory.mktemp("idefics") / "tiny-idefics")


@pytest.fixture(scope="module")
def seeing(boot_here, folder):
    vectors = {name: v for name, v in make_vectors().items() if name != "token"}
    engine = boot_here(
        folder, vectors, steered=True, enforce_eager=True, max_num_batched_tokens=CHUNK,
        token_scale=False,
    )  # fmt: skip
    yield engine
    engine.stop()


def test_turns_are_steered_where_they_are_behind_an_image(seeing, folder, by_digest):
    oracle = HuggingFaceReference(
        folder, hf.Idefics3ForConditionalGeneration, lambda m: m.model.text_model.layers
    )
    processor = hf.AutoProcessor.from_pretrained(folder)
    markers = markers_of_tokenizer(processor.tokenizer)
    pixels = np.random.default_rng(0).integers(0, 255, (PIXELS, PIXELS, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    inputs = processor(text=PROMPT, images=[image], return_tensors="pt")
    prompt = {"prompt": PROMPT, "multi_modal_data": {"image": image}}
    asked = [
        None,
        *(
            SteeringPlan(terms=terms, scope=scope, schedule=schedule)
            for terms, scope, schedule in (
                (((seeing.digests["unit"], 16.0),), "assistant", CONSTANT),
                (((seeing.digests["raw"], -1.0),), "assistant", Linear(tokens=5, floor=0.2)),
                (((seeing.digests["residual"], 0.4),), "all", CONSTANT),
                (((seeing.digests["unit"], 16.0),), "generation", CONSTANT),
            )
        ),
    ]
    answers = set()
    for output, plan in zip(seeing.generate([prompt] * len(asked), asked), asked, strict=True):
        ids = list(output.prompt_token_ids)
        assert ids == inputs["input_ids"][0].tolist()
        bound = plan and plan.with_turns(steered_turns(plan.scope, ids, markers))
        ids += output.outputs[0].token_ids
        expected = oracle.logprobs(
            ids, bound, by_digest,
            pixel_values=inputs["pixel_values"],
            pixel_attention_mask=inputs["pixel_attention_mask"],
        )  # fmt: skip
        assert largest_error(output, output.outputs[0], expected) < TOLERANCE, plan
        first = output.outputs[0].logprobs[0].values()
        answers.add(tuple(round(entry.logprob, 3) for entry in first))
    assert len(answers) == len(asked)
