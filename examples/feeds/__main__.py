"""Start the feed in one framework: ``python -m examples.feeds flask [--port 8000]``."""

import argparse
from importlib import import_module
from pathlib import Path

from examples import serving
from reseal.core.errors import ConfigurationError

from .content import HERE, settings

NOT_FRAMEWORKS = {"__init__", "__main__", "content"}


def frameworks() -> list[str]:
    """Name the frameworks that have a module here."""
    return sorted(path.stem for path in Path(HERE).glob("*.py") if path.stem not in NOT_FRAMEWORKS)


def main() -> None:
    """Read the command line and serve until interrupted."""
    parser = argparse.ArgumentParser(prog="./run example", description="The feed in a framework of your choice.")
    parser.add_argument("framework", choices=frameworks())
    parser.add_argument("--port", help="default: the environment's PORT, or 8000")
    asked = parser.parse_args()
    listener, port = serving.listen(parser, asked.port)
    example = import_module(f"examples.feeds.{asked.framework}")
    try:
        chosen = settings(asked.framework, port)
        app = example.create_app(chosen)
    except ConfigurationError as error:
        parser.exit(2, f"{error}\n")
    example.serve(listener, chosen.website_origin, app)


if __name__ == "__main__":
    main()
