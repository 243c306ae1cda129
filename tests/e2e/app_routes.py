"""Prints every route of the app that `steersman serve MODEL` builds; no engine is started."""

from __future__ import annotations

import json
import os
import sys

os.environ["VLLM_PLUGINS"] = "steersman"

from fastapi import FastAPI
from vllm.entrypoints.launchers import app as launcher

from steersman_server.engine.vllm_api import parse_serve_args


def routes_of(app: FastAPI) -> list[dict]:
    """Returns kind, path and methods of each route, mounts and web sockets too."""
    return [
        {
            "kind": type(route).__name__,
            "path": route.path,
            "methods": sorted(getattr(route, "methods", None) or ()),
        }
        for route in app.routes
    ]


if __name__ == "__main__":
    built = launcher.build_app(parse_serve_args([sys.argv[1]]), ("generate",))
    print(json.dumps(routes_of(built)))
