"""What vLLM captures against a plain Hugging Face forward with hooks, one sequence at a time."""

from __future__ import annotations

import json
import os
import random
import subprocess
from contextlib import contextmanager

import numpy as np
import pytest

from steersman_vectors.errors import CallerError, OperatorError
from steersman_vectors.extract.contract import Read, SpanStates
from steersman_vectors.formats import native
from steersman_vectors.recipe.recipe import recipe_on
from tests.engine.reference import HuggingFaceReference
from tests.engine.test_quantised import int8  # noqa: F401
from tests.tiny_model import HIDDEN, LAYERS
from tests.unit.vectors.commands import STEERSMAN
from vllm_steersman.capture import open_source

pytestmark = pytest.mark.engine

VOCABULARY = 320
CHUNK = 64
"""Tokens of a forward pass: longer sequences are read in chunks, short ones together."""
RELATIVE = 1e-4
ALL = range(LAYERS)


@contextmanager
def opened(machine, folder, layers=None, **more):
    """Opens a source in a process of its own, as the command that extracts does."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in machine.environment.items():
            environment.setenv(name, value)
        with open_source(
            folder, layers=layers, dtype="float32", batch_tokens=CHUNK, **machine.options, **more
        ) as source:
            yield source


def random_reads(rng: random.Random, n: int, longest: int) -> list[Read]:
    """Of random tokens and lengths, with up to four spans that may overlap, and whole ones."""
    reads = []
    for _ in range(n):
        length = rng.choice([1, rng.randrange(1, CHUNK), rng.randrange(1, longest)])
        spans = []
        for _ in range(rng.randrange(1, 5)):
            start = rng.randrange(length)
            spans.append((start, rng.randrange(start, length) + 1))
        spans.append(rng.choice([(length - 1, length), (0, length)]))
        ids = tuple(rng.randrange(VOCABULARY) for _ in range(length))
        reads.append(Read(ids, tuple(spans)))
    return reads


def expected(reference: HuggingFaceReference, read: Read, layers) -> SpanStates:
    """Returns what is meant, span by span, in fp64 over the reference's fp32 states."""
    x = reference.streams(read.token_ids).double().numpy()[list(layers)]
    norms = np.linalg.norm(x, axis=-1)
    return SpanStates(
        np.stack([x[:, start:end].mean(1) for start, end in read.spans]).astype(np.float32),
        np.stack([norms[:, start:end].mean(1) for start, end in read.spans]).astype(np.float32),
    )


def errors(got: SpanStates, want: SpanStates) -> tuple[float, float]:
    """Returns the largest errors of mean and norm, over the mean norm of x in that span."""
    assert (got.mean.shape, got.norm.shape) == (want.mean.shape, want.norm.shape)
    return (
        float((np.abs(got.mean - want.mean).max(-1) / want.norm).max()),
        float((np.abs(got.norm - want.norm) / want.norm).max()),
    )


@pytest.fixture(scope="module")
def source(machine, model_dir):
    with opened(machine, model_dir) as made:
        yield made


def test_random_spans_of_random_lengths_equal_hugging_face(source, reference):
    assert (source.layers, source.hidden_size) == (tuple(ALL), HIDDEN)
    reads = random_reads(random.Random(81), 90, 5 * CHUNK)
    assert max(len(read.token_ids) for read in reads) > 4 * CHUNK
    found = dict(source.read(reads))
    assert sorted(found) == list(range(len(reads)))
    worst = [errors(found[i], expected(reference, read, ALL)) for i, read in enumerate(reads)]
    assert np.max(worst) < RELATIVE, np.max(worst, axis=0)


def test_the_same_sequence_again_is_computed_again(source, reference):
    """Nothing comes out of a prefix cache, where its positions would not be seen."""
    (read,) = random_reads(random.Random(82), 1, 2)
    read = Read(read.token_ids * 3 * CHUNK, ((0, CHUNK), (5, 3 * CHUNK)))
    for _, states in [*source.read([read, read]), *source.read([read])]:
        assert max(errors(states, expected(reference, read, ALL))) < RELATIVE


def test_what_is_not_taken_is_given_up_and_the_next_reading_is_whole(source, reference):
    reads = random_reads(random.Random(83), 40, 2 * CHUNK)
    reading = source.read(reads)
    next(reading)
    reading.close()
    found = dict(source.read(reads[:5]))
    for i in range(5):
        assert max(errors(found[i], expected(reference, reads[i], ALL))) < RELATIVE


def test_a_sequence_that_is_too_long_is_refused_before_anything_is_read(source):
    assert source.max_tokens == 2047
    with pytest.raises(CallerError) as caught:
        source.read([Read((1,), ((0, 1),)), Read((1,) * 2048, ((0, 1),))])
    assert caught.value.code == "too_long"
    assert list(source.read([])) == []


def test_int8_weights_are_read_as_they_are_served(machine, int8):  # noqa: F811
    """Activations on the edge of two int8 steps may fall to either side, in a few dimensions."""
    folder, oracle = int8
    reads = random_reads(random.Random(84), 12, 2 * CHUNK)
    layers = (1, 3)
    unquantised = HuggingFaceReference(folder.parent / "plain")
    with opened(machine, folder, layers) as made:
        assert made.layers == layers
        found = dict(made.read(reads))
    worst = np.median(
        [errors(found[i], expected(oracle, r, layers)) for i, r in enumerate(reads)], 0
    )
    plain = np.median(
        [errors(found[i], expected(unquantised, r, layers)) for i, r in enumerate(reads)], 0
    )
    assert (worst * 4 < plain).all(), (worst, plain)


def test_an_engine_with_a_prefix_cache_is_refused(machine, model_dir):
    with (
        pytest.raises(OperatorError, match="capture with prefix caching"),
        opened(machine, model_dir, enable_prefix_caching=True),
    ):
        pass


def test_what_is_no_model_is_told(machine, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(OperatorError) as caught, opened(machine, tmp_path):
        pass
    assert caught.value.code == "engine_start_failed"


@pytest.mark.timeout(900)
def test_the_command_extracts_the_same_vector_by_either_back_end(machine, model_dir, tmp_path):
    """The whole way: chat template, answer tokens, chunks, means, norms, file."""
    pairs = [
        {
            "prompt": f"Please tell me about {topic}",
            "positive": f"Thanks for asking! {topic} is fine.",
            "negative": f"No. {topic}? Read the manual" + ", again" * (at % 3) * 20,
        }
        for at, topic in enumerate(["my order", "the invoice", "a password", "the phone"])
    ]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    made = {}
    for backend in ("hf", "vllm"):
        out = tmp_path / f"{backend}.safetensors"
        done = subprocess.run(
            [*STEERSMAN, "vectors", "extract", "--model", str(model_dir), "--pairs",
             str(tmp_path / "pairs.jsonl"), "--positions", "answer", "--split", "none",
             "--backend", backend, "--dtype", "float32", "--batch-tokens", str(CHUNK),
             "--name", "tone", "--out", str(out), "--json"],
            capture_output=True, text=True, env={**os.environ, **machine.environment},
            timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        made[backend] = native.load(out)
    ours, theirs = made["vllm"], made["hf"]
    assert ours.layers == theirs.layers == tuple(ALL)
    for layer in ALL:
        cosine = float(ours.directions[layer] @ theirs.directions[layer])
        assert cosine > 0.9999, (layer, cosine)
        norms, expected = ours.card.layers[layer], theirs.card.layers[layer]
        assert norms.residual_norm == pytest.approx(expected.residual_norm, rel=RELATIVE)
        assert norms.raw_norm == pytest.approx(expected.raw_norm, rel=10 * RELATIVE)
    steps = [recipe_on(vector.card).extract for vector in (ours, theirs)]
    assert [step.backend for step in steps] == ["vllm", "hf"]
    assert ours.card.data_hash == theirs.card.data_hash
