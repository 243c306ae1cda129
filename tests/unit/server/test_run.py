"""What `steersman serve` checks before vLLM takes over."""

from __future__ import annotations

import socket

import pytest

from steersman_server.serve.run import check_port_is_free
from steersman_vectors.errors import OperatorError


@pytest.mark.parametrize("options", [(), (socket.SO_REUSEPORT,)])
def test_a_port_that_another_process_listens_on_is_named_with_the_remedy(options):
    with socket.socket() as other:
        for option in options:
            other.setsockopt(socket.SOL_SOCKET, option, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(OperatorError, match=f"127.0.0.1:{port}: another process.*--port") as no:
            check_port_is_free("127.0.0.1", port)
    assert no.value.code == "port_in_use"
    check_port_is_free("127.0.0.1", port)


def test_an_address_that_this_machine_does_not_have():
    with pytest.raises(OperatorError) as refusal:
        check_port_is_free("192.0.2.1", 0)
    assert refusal.value.code == "address_unavailable"
