"""Published, unmodified Python SDKs in Flask, FastAPI and Django applications, from the first to the newest."""

from __future__ import annotations

from tests.sdk.python_sdks import PYTHON_SDKS
from tests.sdk.suite import SdkSuite


class TestPython(SdkSuite):
    sdks = PYTHON_SDKS
