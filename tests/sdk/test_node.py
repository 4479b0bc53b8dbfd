"""Published, unmodified SDKs for Node.js in Express applications, from the first to the newest."""

from __future__ import annotations

import pytest

from tests.sdk.node_sdks import NODE_SDKS
from tests.sdk.suite import SdkSuite
from tests.sdk.suite.keys import check_jwts
from tests.sdk.suite.replies import of_those

pytestmark = pytest.mark.sampled("sdk", NODE_SDKS)


class TestNode(SdkSuite):
    sdks = NODE_SDKS

    @of_those(lambda sdk: sdk.jwts is not None)
    def test_jwts_are_verified_also_by_keys_published_beside_those_of_another_algorithm(self, other_site, sdk):
        check_jwts(other_site, sdk)  # an SDK for Python cannot publish them
