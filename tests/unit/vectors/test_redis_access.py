"""A Redis that asks for a name and a password, that forbids scripts, that speaks TLS only."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from steersman_vectors.errors import OperatorError
from steersman_vectors.registry.connection import identity, with_credentials, without_secrets
from steersman_vectors.registry.documents import delete_document, set_document
from steersman_vectors.registry.reader import RegistryReader
from steersman_vectors.registry.store import RegistryStore
from steersman_vectors.registry.upkeep import garbage, verify
from tests.redis_server import RedisServer, redis_server

from .samples import FP_A, vector

DOCUMENT = Path(__file__).parents[3] / "docs" / "registry.md"
SECRET = "pa ss:w@rd/?#%"


def documented_acl(user: str) -> list[str]:
    """Returns the rules that the documentation tells operators to give this user."""
    line = re.search(rf"^ +ACL SETUSER {user} (.+)$", DOCUMENT.read_text(), re.MULTILINE)
    assert line, f"{DOCUMENT} has no rule for {user}"
    return [rule for rule in line[1].split() if not rule.startswith(">")]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path / "redis") as started:
        with redis.Redis.from_url(started.url) as client:
            for user in ("steersman-server", "steersman-operator"):
                client.execute_command("ACL", "SETUSER", user, *documented_acl(user), f">{SECRET}")
            client.execute_command("ACL", "SETUSER", "default", "off")
        yield started


def url_of(server: RedisServer, user: str) -> str:
    return with_credentials(server.url, user, SECRET)


async def test_the_documented_rights_are_enough_and_no_more(server: RedisServer) -> None:
    async with RegistryStore(url_of(server, "steersman-operator")) as operator:
        for seed in range(2):
            await operator.publish(vector(seed), name="v", fingerprint=FP_A, actor="x")
        await operator.promote("v", 2, "prod", fingerprint=FP_A, actor="x")
        await operator.promote("v", 1, "prod", fingerprint=FP_A, actor="x")
        await operator.roll_back("v", "prod", fingerprint=FP_A, actor="x")
        await operator.retire("v", 1, fingerprint=FP_A, actor="x")
        await _look_after(operator)
        await operator.remove_blobs(["sha256:" + "0" * 64], actor="x")
        for write in (set_document("tenant", "acme", {}), delete_document("tenant", "acme")):
            await operator.write_documents(lambda _, w=write: [w], actor="x")
    async with RegistryReader(url_of(server, "steersman-server")) as reader:
        snapshot = await reader.snapshot()
        assert snapshot.revision == 9
        assert await reader.catch_up(snapshot) == snapshot
        assert await reader.wait_for_change(8, 0.1) == 9
        await reader.blob(snapshot.entries()[1].digest)
    with redis.Redis.from_url(url_of(server, "steersman-server")) as client:
        for command in (
            ("SET", "steersman:rev", "9"), ("DEL", "steersman:log"), ("FLUSHALL",),
            ("CONFIG", "GET", "*"), ("GET", "somebody-elses"), ("KEYS", "*"),
        ):  # fmt: skip
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*command)
    with redis.Redis.from_url(url_of(server, "steersman-operator")) as client:
        for command in (
            ("FLUSHALL",), ("EVAL", "return 1", "0"), ("CONFIG", "GET", "*"),
            ("GET", "somebody-elses"), ("DEL", "somebody-elses"),
        ):  # fmt: skip
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*command)


async def _look_after(operator: RegistryStore) -> None:
    from datetime import UTC, datetime, timedelta

    snapshot = await operator.snapshot()
    assert await verify(operator, snapshot) == ()
    assert len(await operator.log(limit=10)) == snapshot.revision
    await garbage(operator, snapshot, now=datetime.now(UTC), keep_for=timedelta(0))


@pytest.mark.parametrize("user", ["steersman-server", "nobody"])
async def test_a_wrong_password_is_told_without_it(server: RedisServer, user: str) -> None:
    wrong = "not-the-" + "password"
    async with RegistryReader(with_credentials(server.url, user, wrong)) as reader:
        with pytest.raises(OperatorError) as caught:
            await reader.snapshot()
    assert caught.value.code == "registry_unavailable"
    assert wrong not in caught.value.message
    assert user not in caught.value.message


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
            "-keyout", folder / "key.pem", "-out", folder / "cert.pem",
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return folder


async def test_tls_is_spoken_and_certificates_are_checked(
    tmp_path: Path, certificates: Path
) -> None:
    server = RedisServer(
        tmp_path / "redis", "--tls-cert-file", str(certificates / "cert.pem"), "--tls-key-file",
        str(certificates / "key.pem"), "--tls-ca-cert-file", str(certificates / "cert.pem"),
        "--tls-auth-clients", "no",
    )  # fmt: skip
    server.options = (*server.options, "--tls-port", str(server.port), "--port", "0")
    server.start()
    try:
        secure = server.url.replace("redis://", "rediss://")
        async with RegistryStore(f"{secure}?ssl_ca_certs={certificates / 'cert.pem'}") as store:
            await store.publish(vector(), name="v", fingerprint=FP_A, actor="x")
            assert await store.wait_for_change(0, 0.1) == 1
        for url in (secure, server.url):  # a certificate that nobody vouches for; no TLS at all
            async with RegistryReader(url) as reader:
                with pytest.raises(OperatorError):
                    await reader.revision()
    finally:
        server.kill()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://h:1/0", "redis://ann:p%40%2F@h:1/0"),
        ("rediss://h/0?ssl_ca_certs=/a", "rediss://ann:p%40%2F@h/0?ssl_ca_certs=/a"),
        ("redis://bob:own@h:1/0", "redis://bob:own@h:1/0"),
        ("unix:///run/v.sock", "unix://ann:p%40%2F@/run/v.sock"),
    ],
)
def test_settings_complete_a_url_that_names_nobody(url: str, expected: str) -> None:
    assert with_credentials(url, "ann", "p@/") == expected
    assert with_credentials(url, None, None) == url
    for given in (url, expected):
        assert "own" not in without_secrets(given)
        assert "p%40" not in without_secrets(given)


@pytest.mark.parametrize(
    "url",
    [
        ":hunter2@127.0.0.1:1", "hunter2@127.0.0.1", "redis:hunter2@h", "http://ann:hunter2@h:1",
        "redis://:hunter2/ter@127.0.0.1:1", "redis://:hunter2?ter@h", "redis://:hunter2#ter@h",
        "redis://:12/hunter2@h", "redis://ann:12/hunter2@h", "redis://ann:12?hunter2@h",
        "redis://:hunter2@", "unix://", "redis://h:hunter2", "redis://[hunter2", "",
    ],
)  # fmt: skip
def test_a_url_that_cannot_be_read_is_not_repeated(url: str) -> None:
    with pytest.raises(OperatorError) as caught:
        RegistryReader(url)
    assert caught.value.code == "redis_url_invalid"
    assert "hunter2" not in caught.value.message
    assert "hunter2" not in without_secrets(url)
    assert "STEERSMAN_REDIS_PASSWORD" in caught.value.message


def test_two_databases_of_one_redis_are_two_registries() -> None:
    urls = ["redis://h:1/0", "redis://h:1/1", "redis://h:1?db=1", "redis://h:1?db=2", "unix:///a"]
    urls += ["unix:///a?db=1", "redis://h:2/0"]
    assert len({identity(url) for url in urls}) == len(urls)
    for url in urls:
        assert identity(with_credentials(url, "ann", "x")) == identity(url)


def test_a_password_without_a_name_is_the_default_users() -> None:
    assert with_credentials("redis://h", None, "x") == "redis://:x@h"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://127.0.0.1:1/0?ssl_ca_cert=/x.pem", "ssl_ca_cert"),
        ("redis://127.0.0.1:1/x0pgeheim", "cannot be read"),
    ],
)
def test_a_mistyped_url_is_told_in_a_line(url: str, said: str) -> None:
    with pytest.raises(OperatorError) as caught:
        RegistryReader(url)
    assert caught.value.code == "redis_url_invalid"
    assert said in caught.value.message
    assert "geheim" not in caught.value.message


async def test_after_a_restart_of_redis_the_first_call_gets_its_answer(tmp_path: Path) -> None:
    with redis_server(tmp_path / "redis") as server:
        async with RegistryStore(server.url) as store:
            await store.publish(vector(0), name="v", fingerprint=FP_A, actor="x")
            await store.current()
            for _ in range(3):
                server.kill()
                server.start()
                await store.promote("v", 1, "prod", fingerprint=FP_A, actor="x")
                await store.write_documents(lambda _: [], actor="x")
                await store.blob((await store.current()).entries()[0].digest)
