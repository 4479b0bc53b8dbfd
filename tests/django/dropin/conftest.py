from __future__ import annotations

import pytest
from django.test import override_settings

from reseal.testing import ManualClock
from tests.django import project as bare

bare.configure()

from tests.django.dropin import project  # noqa: E402 - Django has to be configured


@pytest.fixture(scope="session")
def tables():
    return project.create_tables()


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def reseal(tables, clock):
    with project.running(clock) as ours:
        ours.open()
        yield ours


@pytest.fixture
def settings_with(reseal):
    return override_settings
