"""FastAPI with the published supertokens-python, in the environment that its tests install, over a service of ours.

    python bench/frameworks/supertokens.py [--rounds 200] [--calls 25]

The service is started for it, in memory, and is asked at the sign-in and for the public keys only.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NEWEST = "supertokens-python-0.31.4"


def main() -> None:
    sys.path.insert(0, str(ROOT))
    from tests.sdk.sdks import PACKAGES
    from tests.server.running import running
    from tests.support.packages import python_packages

    python = python_packages(NEWEST, "3.11", (PACKAGES / f"{NEWEST}.txt",)) / "bin" / "python"
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as service:
        command = [python, "-W", "ignore", HERE, "--framework", "supertokens", *sys.argv[1:]]
        subprocess.run(command, check=True, env={"SERVICE": service.url})


if __name__ == "__main__":
    main()
