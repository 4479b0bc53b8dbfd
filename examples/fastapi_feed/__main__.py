"""Start the example on this machine: ``python -m examples.fastapi_feed [--port 8000]``."""

import argparse

from examples import serving
from reseal.core.errors import ConfigurationError

from .app import create_app, demo_settings


def main() -> None:
    """Read the command line and serve until interrupted."""
    parser = argparse.ArgumentParser(prog="./run example", description="The Reseal feed example.")
    parser.add_argument("--port", help="default: the environment's PORT, or 8000")
    listener, port = serving.listen(parser, parser.parse_args().port)
    try:
        settings = demo_settings(port)
        app = create_app(settings)
    except ConfigurationError as error:
        parser.exit(2, f"{error}\n")
    serving.serve_asgi(listener, settings.website_origin, app)


if __name__ == "__main__":
    main()
