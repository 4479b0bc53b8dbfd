"""Start the example on this machine: ``python -m examples.fastapi_feed [--port 8000]``."""

import argparse
import logging
import os

import uvicorn

from reseal.core.errors import ConfigurationError

from .app import create_app, demo_settings


def main() -> None:
    """Read the command line, say where to look, and serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m examples.fastapi_feed", description="The Reseal feed example.")
    parser.add_argument("--port", type=int, default=os.environ.get("PORT", "8000"), help="default: PORT, or 8000")
    port: int = parser.parse_args().port
    try:
        settings = demo_settings(port)
    except ConfigurationError as error:
        parser.exit(2, f"{error}\n")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("reseal").setLevel(logging.INFO)
    print(
        f"\n  Open {settings.website_origin}\n  Stop with Ctrl+C. Security events follow, one JSON line each.\n",
        flush=True,
    )
    uvicorn.run(create_app(settings), host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
