"""Over HTTP: the recipe of a vector, which of its data are kept, and how it is made again."""

from __future__ import annotations

import asyncio

import pytest

from steersman_vectors.recipe.data_file import DataFile
from steersman_vectors.recipe.recipe import ExtractStep, Recipe
from steersman_vectors.registry.store import RegistryStore
from tests.redis_server import redis_server
from tests.unit.server.control.admin_server import admin_server
from tests.unit.server.samples import ENGINE
from tests.unit.vectors.samples import FP_B, upload, vector

API = "/admin/v1"
PAIRS = upload(b"pairs", "kind.jsonl")


def recipe(fingerprint: str) -> Recipe:
    pairs = DataFile(path="kind.jsonl", sha256=PAIRS.attachment.digest, size=5)
    step = ExtractStep(
        data={"pairs": pairs}, fingerprint=fingerprint, method="mean", positions="last",
        layers="all", scale="raw", split="none", shares=(0.6, 0.2, 0.2), keep_near=False,
        skip_too_long=False, backend="hf", dtype="auto", batch_tokens=64, seed=0, measured=True,
        positive=2, negative=2, skipped=0, paired=True, versions={},
    )  # fmt: skip
    return Recipe(command="typed", extract=step)


async def publish(url: str) -> None:
    async with RegistryStore(url) as store:
        for fingerprint, uploads in ((ENGINE.fingerprint, {"extract.pairs": PAIRS}), (FP_B, {})):
            made = vector(name="kind", recipe=recipe(fingerprint).as_json())
            await store.publish(
                made, name="kind", fingerprint=fingerprint, actor="x", uploads=uploads
            )
        await store.publish(vector(), name="only-b", fingerprint=FP_B, actor="x")


@pytest.fixture(scope="module")
def http(tmp_path_factory):
    folder = tmp_path_factory.mktemp("admin")
    with redis_server(folder / "redis") as redis, admin_server(redis, folder / "data") as running:
        asyncio.run(publish(redis.url))
        with running.http() as client:
            yield client


def test_recipe_and_data_are_shown_to_those_who_may_look(http):
    shown = http.get(f"{API}/vectors/kind").json()
    assert shown["card"]["recipe"]["extract"]["layers"] == "all"
    file = {"name": "kind.jsonl", "digest": PAIRS.attachment.digest, "size": 5}
    assert shown["data"] == {"extract.pairs": file}
    assert http.get(f"{API}/vectors/kind", params={"model": FP_B}).json()["data"] == {}


def test_stale_tells_the_command_where_there_is_a_recipe(http):
    other = "sha256:" + "7" * 64
    stale = http.get(f"{API}/stale", params={"model": other}).json()["stale"]
    by_place = {(each["name"], each["fingerprint"]): each["rebuild"] for each in stale}
    command = "steersman vectors rebuild kind@1 --model MODEL --from {} --push"
    assert by_place["kind", FP_B] == command.format(FP_B)
    assert by_place["kind", ENGINE.fingerprint] == command.format(ENGINE.fingerprint)
    assert by_place["only-b", FP_B] is None
