"""``python -m reseal``."""

from __future__ import annotations

import sys

from reseal.server.cli import main

if __name__ == "__main__":
    sys.exit(main())
