"""The offline engine and its sweeps: Hugging Face's numbers, seeds that hold, any end survived."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from steersman_vectors.errors import CallerError, InternalError
from steersman_vectors.fingerprint import fingerprint
from steersman_vectors.formats import native
from steersman_vectors.message import Message
from steersman_vectors.plan import SteeringPlan
from steersman_vectors.schedule import CONSTANT, Exponential, Linear
from steersman_vectors.sweep.contract import UNSTEERED, Ask, Dose, Given, Weighed
from steersman_vectors.sweep.grid import Grid, GridVector, LayerSet, check, runs
from steersman_vectors.sweep.prompts import SweepPrompt
from steersman_vectors.sweep.results import ResultsFile, read_results
from steersman_vectors.sweep.run import run
from tests.engine.engines import TOLERANCE, make_vectors
from tests.tiny_model import LAYERS, TEXT
from vllm_steersman.offline_engine import VllmEngine, open_engine

pytestmark = pytest.mark.engine

LENGTH = 512
NAMES = sorted(make_vectors())


@pytest.fixture(scope="module")
def engine(model_dir) -> Iterator[VllmEngine]:
    """In this process, in fp32, with every vector loaded."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        environment.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
        with open_engine(
            model_dir, layers=None, max_num_seqs=16, dtype="float32", max_model_len=LENGTH
        ) as booted:
            for vector in make_vectors().values():
                booted.load(vector)
            yield booted


def digest_of(name: str) -> str:
    return native.digest(native.dumps(make_vectors()[name]))


def user(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)


texts = st.text(st.sampled_from("abc deor,?. 19é漢"), max_size=40) | st.sampled_from(TEXT)
chats = st.builds(
    lambda system, turns, last: (
        *((Message("system", system),) if system else ()),
        *(m for q, a in turns for m in (Message("user", q), Message("assistant", a))),
        Message("user", last),
    ),
    st.none() | texts,
    st.lists(st.tuples(texts, texts), max_size=2),
    texts,
)
doses = st.just(UNSTEERED) | st.builds(
    lambda terms, scope, schedule: Dose(
        tuple((digest_of(name), alpha) for name, alpha in terms.items()), scope, schedule
    ),
    st.dictionaries(
        st.sampled_from(NAMES), st.sampled_from([-1.0, -0.2, 0.0, 0.1, 0.5]), max_size=2
    ),
    st.sampled_from(["assistant", "generation", "all"]),
    st.sampled_from([CONSTANT, Linear(tokens=4, floor=0.25), Exponential(half_life_tokens=3.0)]),
)
asks = st.builds(
    Ask,
    messages=chats,
    dose=doses,
    temperature=st.sampled_from([0.0, 0.7, 1.0]),
    max_tokens=st.integers(1, 12),
    seed=st.none() | st.integers(0, 2**40),
)


def expected_logprobs(ask, tokens, tokenizer, reference, by_digest, bind_turns):
    """Hugging Face's `[answer tokens, vocab]` for what was said."""
    prompt = list(
        tokenizer.apply_chat_template(
            [m.as_json() for m in ask.messages], add_generation_prompt=True, return_dict=False
        )
    )
    plan = bind_turns(prompt, ask.dose)
    rows = reference.logprobs([*prompt, *tokens], plan, by_digest)
    return rows[len(prompt) - 1 : -1]


@pytest.fixture(scope="module")
def bind_turns(tokenizer):
    from steersman_vectors.chat_template import markers_of_tokenizer
    from steersman_vectors.spans import steered_turns

    markers = markers_of_tokenizer(tokenizer)

    def bind(prompt, dose):
        plan = SteeringPlan(terms=dose.terms, scope=dose.scope, schedule=dose.schedule)
        return plan.with_turns(steered_turns(dose.scope, prompt, markers))

    return bind


# NOTE: no shrinking: each try is a batch through a real engine.
@settings(
    max_examples=8,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(asks, min_size=1, max_size=12))
def test_answers_and_weights_are_those_of_hugging_face(
    engine, tokenizer, reference, by_digest, bind_turns, asked
):
    answers = dict(engine.answer(asked))
    assert sorted(answers) == list(range(len(asked)))
    given = [Given(a.messages, answers[i].token_ids, a.dose, top=3) for i, a in enumerate(asked)]
    weighed = dict(engine.weigh(given))
    assert sorted(weighed) == list(range(len(asked)))
    for i, ask in enumerate(asked):
        said, weight = answers[i], weighed[i]
        rows = expected_logprobs(ask, said.token_ids, tokenizer, reference, by_digest, bind_turns)
        assert len(said.token_ids) == len(said.logprobs) == len(weight.logprobs) == len(weight.top)
        assert said.finish_reason == ("stop" if said.token_ids[-1] == 1 else "length")
        whole = tokenizer.decode(said.token_ids, skip_special_tokens=True)
        # A character that was cut at the end is not said.
        assert whole.startswith(said.text)
        assert set(whole[len(said.text) :]) <= {"\ufffd"}
        for at, token in enumerate(said.token_ids):
            assert said.logprobs[at] == pytest.approx(rows[at, token].item(), abs=TOLERANCE)
            assert weight.logprobs[at] == pytest.approx(said.logprobs[at], abs=TOLERANCE)
            if ask.temperature == 0.0:
                assert said.logprobs[at] == pytest.approx(rows[at].max().item(), abs=TOLERANCE)
            best = rows[at].topk(3).values.tolist()
            found = sorted(weight.top[at].values(), reverse=True)
            assert found == pytest.approx(best, abs=TOLERANCE)
            for likely, logprob in weight.top[at].items():
                assert logprob == pytest.approx(rows[at, likely].item(), abs=TOLERANCE)


def test_a_seed_is_the_same_answer_alone_and_beside_others(engine):
    """NOTE: 24 prompts of 330 to 500 tokens: two steps' worth, so a cut prompt would show."""
    dose = Dose(((digest_of("unit"), 6.0),))
    many = [
        Ask(user(f"{i} " + "z" * (300 + 7 * i)), dose, temperature=1.0, max_tokens=8, seed=i % 5)
        for i in range(24)
    ]
    together = dict(engine.answer(many))
    for i in (0, 11, 23):
        assert dict(engine.answer([many[i]]))[0].token_ids == together[i].token_ids
    other = dict(engine.answer([Ask(many[0].messages, dose, 1.0, 8, seed=77)]))
    assert other[0].token_ids != together[0].token_ids


def test_an_answer_that_was_not_given_is_weighed_as_one_turn(
    engine, tokenizer, reference, by_digest, bind_turns
):
    """Whatever its tokens are: a header of the chat template inside it opens no other turn."""
    answer = tuple(tokenizer.encode("ab<|im_end|>\n<|im_start|>user\nno<|im_end|>")) * 3
    ask = Ask(user(TEXT[0]), Dose(((digest_of("raw"), 0.5),)))
    weighed = dict(engine.weigh([Given(ask.messages, answer, ask.dose)]))[0]
    rows = expected_logprobs(ask, answer, tokenizer, reference, by_digest, bind_turns)
    expected = [rows[at, token].item() for at, token in enumerate(answer)]
    assert weighed.logprobs == pytest.approx(expected, abs=TOLERANCE)
    assert weighed.top == ({},) * len(answer)
    (all_of_it,) = dict(
        engine.weigh([Given(ask.messages, answer[:2], ask.dose, top=9999)])
    ).values()
    for at in range(2):
        found = [all_of_it.top[at][token] for token in range(rows.shape[1])]
        assert found == pytest.approx(rows[at].tolist(), abs=TOLERANCE)
    assert dict(engine.weigh([Given(ask.messages, ())]))[0] == Weighed((), ())


def test_what_cannot_run_is_refused_before_anything_runs(engine):
    fine, unknown = Ask(user("hello")), Dose((("sha256:" + "0" * 64, 1.0),))
    wrong = {
        "too_long": [Ask(user("word " * 5000)), Ask(user("é" * 255))],
        "vector_not_resident": [Ask(user("hello"), unknown)],
        "invalid_ask": [Ask(user("hello"), max_tokens=0), Ask(user("hello"), temperature=-1.0)],
        "invalid_plan": [Ask(user("hello"), Dose(((digest_of("unit"), float("nan")),)))],
    }
    for code, refused in wrong.items():
        for ask in refused:
            with pytest.raises(CallerError) as caught:
                engine.answer([fine, ask])
            assert caught.value.code == code
    for answer in ((320,), (-1,)):
        with pytest.raises(CallerError, match="0 to 319") as caught:
            engine.weigh([Given(user("hello"), answer)])
        assert caught.value.code == "invalid_ask"
    with pytest.raises(CallerError, match="fewer than 512") as caught:
        engine.weigh([Given(user("hello"), (5,) * LENGTH)])
    assert caught.value.code == "too_long"
    assert len(list(engine.answer([fine]))) == 1


def test_a_stream_that_is_left_is_given_up(engine):
    many = [Ask(user(f"{i}"), max_tokens=200) for i in range(70)]
    left = engine.answer(many)
    next(left)
    assert sorted(i for i, _ in engine.answer(many[:20])) == list(range(20))
    with pytest.raises(InternalError, match="given up"):
        list(left)
    assert len(list(engine.answer(many[:3]))) == 3


def test_it_says_what_it_runs_and_refuses_what_is_not_for_it(engine, model_dir):
    assert engine.layers == tuple(range(LAYERS))
    assert engine.fingerprint == fingerprint(model_dir).digest
    other = make_vectors()["unit"]
    card = other.card.model_copy(update={"fingerprint": "sha256:" + "a" * 64})
    with pytest.raises(CallerError) as caught:
        engine.load(type(other)(card, other.directions))
    assert caught.value.code == "vector_model_mismatch"


@pytest.fixture(scope="module")
def grid(model_dir) -> Grid:
    unit, residual = (make_vectors()[name] for name in ("unit", "residual"))
    said = [SweepPrompt(f"p{i}", user(text)) for i, text in enumerate(TEXT)]
    return check(
        Grid(
            model=fingerprint(model_dir).digest,
            vectors=tuple(
                GridVector(v.card.name, native.digest(native.dumps(v)), v.layers, schedule=how)
                for v, how in ((unit, CONSTANT), (residual, Linear(tokens=3, floor=0.5)))
            ),
            layer_sets=(LayerSet("own", None), LayerSet("2", (2,))),
            alphas=(0.0, 0.1, 2.0),
            prompts=tuple(said),
            max_tokens=10,
        )
    )


def test_a_sweep_is_what_hugging_face_says_of_each_part_of_a_vector(
    engine, grid, tmp_path, tokenizer, reference, bind_turns
):
    whole = {native.digest(native.dumps(v)): v for v in make_vectors().values()}
    with ResultsFile(tmp_path / "results.jsonl", grid) as file:
        assert run(engine, grid, whole, file) == 4 + 2 * 2 * 2 * 4
    results = read_results(tmp_path / "results.jsonl")
    assert results.missing == 0
    by_id = {each.id: each for each in runs(grid)}
    for row in results.rows.values():
        setting = by_id[row.id].setting
        terms, parts = (), {}
        if row.digest is not None:
            part = whole[row.digest].restricted(row.layers)
            digest = native.digest(native.dumps(part))
            terms, parts = ((digest, row.alpha),), {digest: part}
        dose = Dose(terms, setting.vector.scope, setting.vector.schedule)
        ask = Ask(by_id[row.id].prompt.messages, dose)
        rows = expected_logprobs(ask, row.token_ids, tokenizer, reference, parts, bind_turns)
        expected = [rows[at, token].item() for at, token in enumerate(row.token_ids)]
        assert row.logprobs == pytest.approx(expected, abs=TOLERANCE)
        assert expected == pytest.approx(rows.max(-1).values.tolist(), abs=TOLERANCE)


@pytest.fixture
def sweeping(model_dir, grid, tmp_path) -> list[str]:
    """The command of a sweep of 324 answers, in a process of its own."""
    info = tmp_path / "installed" / "under_test-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: under-test\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[steersman.engines]\nunder-test = vllm_steersman.offline_engine:open_engine\n"
    )
    native.save(make_vectors()["unit"], tmp_path / "unit.safetensors")
    prompts = [{"prompt": f"{i} {text}"} for i in range(3) for text in TEXT]
    (tmp_path / "prompts.jsonl").write_text("\n".join(map(json.dumps, prompts)))
    alphas = ",".join(f"{i / 10}" for i in range(14))
    return [
        sys.executable, "-m", "steersman_server.cli.main", "vectors", "sweep",
        str(tmp_path / "unit.safetensors"), "--model", str(model_dir), "--engine", "under-test",
        "--layers", "own", "--layers", "2", "--alphas", alphas, "--max-tokens", "16",
        "--prompts", str(tmp_path / "prompts.jsonl"), "--out", str(tmp_path / "out.jsonl"),
        "--at-once", "8", "--json",
    ]  # fmt: skip


def begin(sweeping: list[str], tmp_path: Path, answers: int) -> subprocess.Popen[bytes]:
    """Returns the command's process once it has given so many answers."""
    paths = [str(tmp_path / "installed"), *filter(None, sys.path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    process = subprocess.Popen(sweeping, env=environment, stdout=subprocess.PIPE)
    out, deadline = tmp_path / "out.jsonl", time.monotonic() + 800
    while not out.exists() or out.read_bytes().count(b"\n") <= answers:
        assert process.poll() is None, "it ended before it could be stopped"
        if time.monotonic() > deadline:
            process.kill()
            raise TimeoutError(f"not {answers} answers in 800 s")
        time.sleep(0.05)
    return process


@pytest.mark.soak  # three starts of the command, minutes on a busy machine
@pytest.mark.timeout(1800)
def test_a_sweep_that_is_stopped_or_killed_goes_on(sweeping, engine, tmp_path):
    """Ctrl-C, then kill -9, then the rest by the engine of this process: no answer twice."""
    out = tmp_path / "out.jsonl"
    stopped = begin(sweeping, tmp_path, 20)
    stopped.send_signal(signal.SIGINT)
    said = json.loads(stopped.communicate(timeout=120)[0])
    assert stopped.returncode == 130
    assert said["interrupted"]
    assert said["answers"] == said["given"] == len(read_results(out).rows) >= 20
    assert said["missing"] == 12 + 2 * 13 * 12 - said["answers"]
    kept = out.read_bytes()

    killed = begin(sweeping, tmp_path, said["answers"] + 20)
    children = psutil.Process(killed.pid).children(recursive=True)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    assert psutil.wait_procs(children, timeout=60)[1] == []
    assert out.read_bytes().startswith(kept)
    kept = out.read_bytes()
    there = read_results(out)
    assert said["answers"] + 20 <= len(there.rows) < len(runs(there.grid))

    unit = make_vectors()["unit"]
    whole = {native.digest(native.dumps(unit)): unit}
    with ResultsFile(out, there.grid) as file:
        assert run(engine, there.grid, whole, file) == there.missing
    assert read_results(out).missing == 0
    assert out.read_bytes().startswith(kept[: kept.rfind(b"\n") + 1])
