"""Which globals the pickle in a torch file names, before anything unpickles it.

torch's `weights_only` unpickler calls nothing that runs code, but it does call `bytearray`, `set`
and `Counter`: in 41 bytes that is 16 s of one C loop that never gives the GIL back. So only what a
tensor is made of is let through.
"""

from __future__ import annotations

import pickletools
import re

NEEDED = frozenset(
    {
        "collections.OrderedDict",
        "torch._utils._rebuild_parameter",
        "torch._utils._rebuild_tensor_v2",
        "torch._utils._rebuild_tensor_v3",
        "torch.storage.UntypedStorage",
    }
)
"""What a pickled tensor names, beside the storages and dtypes of torch."""
HARMLESS = frozenset(
    {
        "_codecs.encode",
        "builtins.bytearray",
        "builtins.complex",
        "builtins.set",
        "collections.Counter",
        "torch.Size",
        "torch.device",
        "torch.serialization._get_layout",
    }
)
"""What runs no code, and no tensor needs."""
_OF_TORCH = re.compile(r"torch\.([A-Z][A-Za-z0-9]{1,15}Storage|b?float[0-9]{1,2}[a-z0-9_]{0,16})")
_OTHER_TENSOR = re.compile(r"torch\._utils\._rebuild_[a-z0-9_]+")
_COMPUTED = frozenset({"STACK_GLOBAL", "INST", "OBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4"})
"""Opcodes that find a global otherwise than GLOBAL does; torch.save uses and torch reads none."""


def first_unneeded(pickled: bytes) -> str | None:
    """Returns the first global that no tensor needs, or the opcode that computes one; else None.

    Raises `ValueError` for bytes that are no pickle.
    """
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name in _COMPUTED:
            return opcode.name
        if opcode.name == "GLOBAL":
            name = str(argument).replace(" ", ".")
            if name not in NEEDED and _OF_TORCH.fullmatch(name) is None:
                return name
    return None


def runs_no_code(name: str) -> bool:
    """Returns whether torch itself would let this global through."""
    return name in HARMLESS or _OTHER_TENSOR.fullmatch(name) is not None
