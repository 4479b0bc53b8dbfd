"""Labels and kinds of devices, and what is kept of them."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reseal.core.errors import ConfigurationError
from reseal.core.model import Device
from reseal.devices import about, labels, places
from reseal.devices.kinds import DeviceKind, kind_of

WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5"
CHROMIUM = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) {WEBKIT} Mobile/15E148 Safari/604.1"


@pytest.mark.parametrize(
    ("user_agent", "kind"),
    [
        (FIREFOX, "computer"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROMIUM} Safari/537.36 Edg/138.0.0.0", "computer"),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {WEBKIT} Safari/605.1.15", "computer"),
        (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {CHROMIUM} Safari/537.36", "computer"),
        (IPHONE, "phone"),
        (f"Mozilla/5.0 (Linux; Android 15; Pixel 9) {CHROMIUM} Mobile Safari/537.36", "phone"),
        ("Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0", "phone"),
        (f"Mozilla/5.0 (iPad; CPU OS 12_5 like Mac OS X) {WEBKIT} Mobile/15E148 Safari/604.1", "tablet"),
        (f"Mozilla/5.0 (Linux; Android 14; SM-X710) {CHROMIUM} Safari/537.36", "tablet"),
        ("Mozilla/5.0 (Android 15; Tablet; rv:140.0) Gecko/140.0 Firefox/140.0", "tablet"),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "other"),
        (f"Mozilla/5.0 (X11; Linux x86_64) {CHROMIUM.replace('Chrome', 'HeadlessChrome')} Safari/537.36", "other"),
        ("curl/8.5.0", "other"),
        ("okhttp/4.12.0", "other"),
        ("", "other"),
        (None, "other"),
    ],
)
def test_the_kind_of_a_device_is_what_its_user_would_call_it(user_agent, kind):
    assert kind_of(user_agent) is DeviceKind(kind)


@given(st.text(max_size=512))
def test_every_text_has_a_kind(user_agent):
    assert kind_of(user_agent) in DeviceKind


@pytest.fixture
def parsed_as(monkeypatch):
    """Install a parser with this result, or none."""

    def install(result):
        module = None if result is None else SimpleNamespace(parse=lambda _: result)
        monkeypatch.setitem(sys.modules, "ua_parser", module)
        labels._parser.cache_clear()
        labels._label.cache_clear()

    yield install
    labels._parser.cache_clear()
    labels._label.cache_clear()


def result(browser, system=None, device=None):
    families = {"user_agent": browser, "os": system, "device": device}
    return SimpleNamespace(**{name: family and SimpleNamespace(family=family) for name, family in families.items()})


@pytest.mark.parametrize(
    ("found", "label"),
    [
        (result("Firefox", "Linux"), "Firefox on Linux"),
        (result("Mobile Safari", "iOS", "iPhone"), "Safari on iPhone"),
        (result("Chrome Mobile", "Android", "Pixel 9"), "Chrome on Android"),
        (result("Safari", "Mac OS X", "Mac"), "Safari on macOS"),
        (result("curl"), "curl"),
        (result(None, "Linux"), FIREFOX),
        (None, FIREFOX),
    ],
)
def test_a_label_says_browser_and_system_or_what_was_sent(parsed_as, found, label):
    parsed_as(found)
    assert labels.label_of(FIREFOX) == label
    assert labels.label_of(None) == "Unknown device"


class Reader:
    """A database as the package reads it: it raises ``ValueError`` for what is no address."""

    PLACES: ClassVar = {
        "192.0.2.0": {"city": {"names": {"en": "Vienna", "de": "Wien"}}, "country": {"names": {"en": "Austria"}}},
        "192.0.2.1": {"country": {"names": {"en": "Austria"}}},
        "192.0.2.2": {"city": {"names": {"de": "Wien"}}, "country": "Austria"},
        "192.0.2.3": {},
        "192.0.2.4": "a database of something else",
    }

    def get(self, address):
        if not address[0].isdigit():
            raise ValueError(address)
        return self.PLACES.get(address)


@pytest.fixture
def database(monkeypatch):
    def opened(path):
        if path == "absent.mmdb":
            raise FileNotFoundError(path)
        if path == "broken.mmdb":
            raise Broken(path)
        return Reader()

    class Broken(RuntimeError):
        pass

    module = SimpleNamespace(open_database=opened, InvalidDatabaseError=Broken)
    monkeypatch.setitem(sys.modules, "maxminddb", module)
    places._reader.cache_clear()
    yield "places.mmdb"
    places._reader.cache_clear()


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.0", "Vienna, Austria"),
        ("192.0.2.0/24", "Vienna, Austria"),
        ("::ffff:192.0.2.0", "Vienna, Austria"),
        ("192.0.2.1", "Austria"),
        ("192.0.2.2", None),
        ("192.0.2.3", None),
        ("192.0.2.4", None),
        ("198.51.100.1", None),
        ("unix:/run/app.sock", None),
        (None, None),
    ],
)
def test_an_address_has_the_place_that_the_database_names(database, address, place):
    assert places.place_of(address, database) == place
    assert places.place_of(address, None) is None


@pytest.mark.parametrize("path", ["absent.mmdb", "broken.mmdb"])
def test_a_database_that_cannot_be_read_is_named(database, path):
    with pytest.raises(ConfigurationError, match=f"place_database: cannot be read: {path}"):
        places.place_of("192.0.2.0", path)


def test_without_the_package_the_extra_is_named(database, monkeypatch):
    monkeypatch.setitem(sys.modules, "maxminddb", None)
    with pytest.raises(ConfigurationError, match=r'pip install "reseal\[devices\]"'):
        places.place_of("192.0.2.0", database)


def test_of_an_unknown_client_nothing_is_kept():
    assert about.beginning(Device()) is None
    assert about.read(None) == about.About()
    assert about.read(None).device is None


def test_what_a_later_version_keeps_is_ignored():
    assert about.read('{"user_agent":"Browser/1","of a later version":[1]}').device == Device(None, "Browser/1")


@given(st.text(max_size=64), st.text(max_size=512))
def test_what_is_kept_is_read_back(address, user_agent):
    device = Device.of(address, user_agent)
    kept = about.beginning(device)
    assert about.read(kept).device == (None if device == Device() else device)
