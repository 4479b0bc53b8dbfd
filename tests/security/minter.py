"""Mint many credentials in four processes and print them, one JSON object a process.

Two processes are started afresh; two fork from this one after it has minted already, as a pre-forking server does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import urlsafe_b64decode

from reseal import Engine, MemoryStore, Settings


def unb64(text: str) -> str:
    return urlsafe_b64decode(text + "=").hex()


def minted(engine: Engine, count: int) -> str:
    """Mint by the engine's own steps; signing 25,000 access tokens would add nothing but time."""
    refresh, csrf, handles = [], [], []
    for _ in range(count):
        token = engine._families.new_token()
        refresh.append(unb64(token.text.split(".")[3]))
        csrf.append(unb64(engine._anti_csrf(token) or ""))
        handles.append(token.handle.replace("-", ""))
    return json.dumps({"process": os.getpid(), "refresh": refresh, "anti_csrf": csrf, "handle": handles})


def main() -> None:
    count = int(sys.argv[1])
    settings = Settings(api_domain="https://api.example.com", database_uri="memory:", enable_anti_csrf=True)
    engine = Engine(settings, MemoryStore())
    engine.open()
    engine.create("user-1")
    if "--alone" in sys.argv:
        sys.stdout.write(minted(engine, count))
        return
    others = [
        subprocess.Popen([sys.executable, __file__, str(count), "--alone"], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    sys.stdout.flush()
    for _ in range(2):
        child = os.fork()
        if child == 0:
            sys.stdout.write(minted(engine, count) + "\n")
            sys.stdout.flush()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    for other in others:
        text, _ = other.communicate()
        assert other.returncode == 0
        sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
