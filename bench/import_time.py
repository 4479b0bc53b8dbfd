"""The cost of ``import reseal``: time and memory of fresh interpreters, against one that does nothing.

python bench/import_time.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys

from measure import Variant, difference, median, print_machine, ratio, take_turns

TARGET_MS = 100
PROGRAMS = {
    "python -c pass": "pass",
    "import reseal": "import reseal",
    "from reseal import Reseal, Settings": "from reseal import Reseal, Settings",
    "from reseal import AsyncReseal, Settings": "from reseal import AsyncReseal, Settings",
    "import cryptography (ec), msgspec": "import msgspec; from cryptography.hazmat.primitives.asymmetric import ec",
    "import asyncio, sqlite3": "import asyncio, sqlite3",
    "import fastapi": "import fastapi",
    "import reseal.fastapi": "import reseal.fastapi",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    print_machine()
    seconds = asyncio.run(take_turns({name: _run(program) for name, program in PROGRAMS.items()}, options.rounds))
    nothing = seconds["python -c pass"]
    print("Fresh interpreters                              median    over nothing   ratio   memory")
    for name, each in seconds.items():
        over = f"+ {difference(each, nothing) * 1000:6.1f} ms"
        print(
            f"  {name:<42}{median(each) * 1000:8.1f} ms   {over}   {ratio(each, nothing):5.2f} ×"
            f"   {_megabytes(PROGRAMS[name])}"
        )
    print(f"  target: import reseal at most + {TARGET_MS} ms")


def _run(program: str) -> Variant:
    async def variant() -> int:
        subprocess.run([sys.executable, "-c", program], check=True)  # noqa: ASYNC221 - nothing else is to run
        return 1

    return variant


def _megabytes(program: str) -> str:
    """Ask the kernel for the resident memory at the end (Linux only)."""
    told = "; print(next(line for line in open('/proc/self/status') if line.startswith('VmRSS')).split()[1])"
    if not sys.platform.startswith("linux"):
        return "      ?"
    run = subprocess.run([sys.executable, "-c", program + told], check=True, capture_output=True, text=True)
    return f"{int(run.stdout) / 1024:7.1f} MB"


if __name__ == "__main__":
    main()
