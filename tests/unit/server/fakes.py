"""What stands for the engine in tests of the server."""

from __future__ import annotations

from steersman_vectors.errors import OperatorError


class FakeLink:
    """Remembers what was made resident; may refuse."""

    def __init__(self):
        self.resident = set()
        self.refuses = ()
        self.read = []

    def is_resident(self, digest):
        return digest in self.resident

    async def ensure_resident(self, digests, read_blob):
        for digest in digests:
            if digest in self.refuses:
                raise OperatorError("no room", code="vector_not_loadable")
            self.read.append(await read_blob(digest) if callable(read_blob) else None)
            self.resident.add(digest)

    async def read_out(self, digests):
        return []

    async def status(self):
        return []
