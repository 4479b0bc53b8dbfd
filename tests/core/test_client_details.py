from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reseal.core.client_details import ClientDetails, kept
from reseal.core.model import ADDRESS_MAX, Device


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.201", "192.0.2.0/24"),
        ("::ffff:192.0.2.201", "192.0.2.0/24"),
        ("2001:DB8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("unix:/run/app.sock", None),
        ("192.0.2.1:443", None),
        ("", None),
        (None, None),
    ],
)
def test_of_an_address_only_its_network_is_kept(address, network):
    assert kept(Device(address, "Browser/1"), ClientDetails.TRUNCATED) == Device(network, "Browser/1")


@pytest.mark.parametrize(
    ("details", "left"),
    [
        (ClientDetails.FULL, Device("192.0.2.1", "Browser/1")),
        (ClientDetails.NO_ADDRESS, Device(None, "Browser/1")),
        (ClientDetails.NONE, Device()),
    ],
)
def test_all_is_kept_or_no_address_or_nothing(details, left):
    assert kept(Device("192.0.2.1", "Browser/1"), details) == left


@given(st.ip_addresses())
def test_addresses_of_one_network_become_one(address):
    network = kept(Device(str(address)), ClientDetails.TRUNCATED).ip
    assert network is not None
    assert len(network) <= ADDRESS_MAX
    other = type(address)(int(address) ^ 0xFF)
    assert kept(Device(str(other)), ClientDetails.TRUNCATED).ip == network
