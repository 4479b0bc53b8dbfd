"""One suite for the SDKs of all languages: each test runs with those that can do what it is about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.register_assert_rewrite("tests.sdk.suite")

from tests.sdk.clock import SharedClock  # noqa: E402 - after the above
from tests.sdk.core import Core  # noqa: E402
from tests.sdk.sdks import Sdk  # noqa: E402
from tests.sdk.site import Site  # noqa: E402


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "sdk" in metafunc.fixturenames:
        able = getattr(metafunc.function, "able", lambda _: True)
        sdks = [sdk for sdk in metafunc.cls.sdks if able(sdk)]
        metafunc.parametrize("sdk", sdks, ids=str, indirect=True, scope="module")


@pytest.fixture(scope="session")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedClock]:
    clock = SharedClock(tmp_path_factory.mktemp("clock") / "ahead")
    yield clock
    clock.close()


@pytest.fixture(scope="session")
def core(tmp_path_factory: pytest.TempPathFactory, clock: SharedClock) -> Iterator[Core]:
    core = Core(tmp_path_factory.mktemp("core"), clock)
    yield core
    core.stop()


@pytest.fixture(scope="module")
def sdk(request: pytest.FixtureRequest) -> Sdk:
    chosen: Sdk = request.param
    return chosen


@pytest.fixture(scope="module")
def site(core: Core, sdk: Sdk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with anti-CSRF tokens and keys that change, whose service is asked only when it must be."""
    site = Site(core, sdk, tmp_path_factory.mktemp("site"), order=order(sdk, antiCsrf="VIA_TOKEN"))
    yield site
    site.stop()


@pytest.fixture(scope="module")
def other_site(core: Core, sdk: Sdk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with the other choices: no anti-CSRF tokens, an EC key that stays, a service that wants to be asked."""
    choices = order(sdk, antiCsrf="NONE", **({"dynamicKeys": False} if sdk.chooses_keys else {}))
    site = Site(
        core,
        sdk,
        tmp_path_factory.mktemp("other-site"),
        order=choices,
        enable_anti_csrf=False,
        access_token_blacklisting=True,
        access_token_signing_algorithm="ES256",
    )
    yield site
    site.stop()


def order(sdk: Sdk, **choices: Any) -> dict[str, Any]:
    return {**choices, **({"jwt": True} if sdk.jwts == "option" else {})}
