"""Published, unmodified Python SDKs in Flask, FastAPI and Django applications, from the first to the newest."""

from __future__ import annotations

import pytest

from tests.sdk.python_sdks import BY_FRAMEWORK, RUNNING
from tests.sdk.suite import SdkSuite

pytestmark = pytest.mark.sampled("sdk", *BY_FRAMEWORK)


class TestPython(SdkSuite):
    sdks = RUNNING
