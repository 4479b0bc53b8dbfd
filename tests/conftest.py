"""Set up before any test is read."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("reseal.testing._async", "reseal.testing._sync")

from tests.support.postgres import own_postgres, postgres, postgres_uri  # noqa: E402, F401 - fixtures, after the above
