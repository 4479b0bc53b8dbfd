"""Run the tests of connections and processes with the newest uvicorn that the package index has.

python tools/newest_uvicorn.py [options of pytest]

Everything else is as in this environment: the newest uvicorn lies in a temporary folder in front of it. Exit status is
pytest's. Afterwards the upper bound of the extra ``server`` may move (docs/adr/0019).
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
TESTS: Final = ("test_connections", "test_framing", "test_http_setting", "test_process", "test_tls", "test_crowd")


def main() -> int:
    with TemporaryDirectory(prefix="reseal-uvicorn-") as folder:
        install = ("install", "--quiet", "--upgrade", "--no-deps", "--target", folder, "uvicorn")
        subprocess.run([sys.executable, "-m", "pip", *install], check=True)
        paths = [folder, str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
        newest = next(Path(folder).glob("uvicorn-*.dist-info")).name.removesuffix(".dist-info")
        print(f"{newest}, beside uvicorn-{version('uvicorn')} of this environment", flush=True)
        command = [sys.executable, "-m", "pytest", *(f"tests/server/{name}.py" for name in TESTS), *sys.argv[1:]]
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
