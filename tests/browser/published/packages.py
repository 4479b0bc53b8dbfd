"""The published packages as scripts for a page."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from tests.support.packages import npm_packages, run

HERE = Path(__file__).parent
ESBUILD = HERE.parents[2] / "browser" / "node_modules" / ".bin" / "esbuild"
_OPTIONS = ("--bundle", "--format=iife", "--log-level=warning", '--define:process={"env":{}}')
"""The first versions read ``process.env``, which the bundlers of their time provided."""


def bundled(versions: Iterable[str], output: Path) -> Path:
    """Write ``<version>.js`` for each version into a folder: a classic script that sets ``window.SuperTokens``."""
    for version in versions:
        entry = f'const sdk = require("website-{version}"); window.SuperTokens = sdk.default;\n'
        (output / f"{version}.entry.js").write_text(entry)
    entries = [f"{version}={version}.entry.js" for version in versions]
    where = {**os.environ, "NODE_PATH": str(npm_packages("supertokens-website", HERE) / "node_modules")}
    run([ESBUILD, *entries, *_OPTIONS, "--outdir=."], output, where)
    return output
