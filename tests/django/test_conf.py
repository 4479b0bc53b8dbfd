"""What Django's own settings say already need not be said again in ``RESEAL``."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.test import override_settings

from reseal.core.errors import ConfigurationError
from reseal.django import conf
from reseal.django.sessions import configured, get_reseal

API = {"api_domain": "https://api.example.com"}


@pytest.fixture
def uri_of(monkeypatch):
    def uri(database, /, **reseal):
        monkeypatch.setitem(settings.DATABASES, "shop", database)
        with override_settings(RESEAL=API | ({} if reseal else {"database": "shop"}) | reseal):
            return conf.load().settings.database_uri

    return uri


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        ("/srv/db.sqlite3", "sqlite:////srv/db.sessions.sqlite3"),
        (Path("/srv/db"), "sqlite:////srv/db.sessions"),
        (":memory:", "memory:"),
        ("file:memorydb_default?mode=memory&cache=shared", "memory:"),
    ],
)
def test_sqlite_has_a_file_beside_djangos(uri_of, name, uri):
    assert uri_of({"ENGINE": "django.db.backends.sqlite3", "NAME": name}) == uri


@pytest.mark.parametrize(
    ("database", "uri"),
    [
        ({"NAME": "shop"}, "postgresql:///shop"),
        (
            {"NAME": "shop", "USER": "me", "PASSWORD": "p@s:s/?", "HOST": "db.internal", "PORT": 5433},
            "postgresql://me:p%40s%3As%2F%3F@db.internal:5433/shop",
        ),
        (
            {"NAME": "shop", "USER": "me", "HOST": "/run/postgresql", "OPTIONS": {"sslmode": "require", "pool": True}},
            "postgresql://me@/shop?sslmode=require&host=%2Frun%2Fpostgresql",
        ),
        ({"OPTIONS": {"service": "shop"}}, "postgresql:///?service=shop"),
    ],
)
@pytest.mark.parametrize("engine", ["django.db.backends.postgresql", "django.contrib.gis.db.backends.postgis"])
def test_postgresql_has_the_same_server_and_database(uri_of, engine, database, uri):
    assert uri_of({"ENGINE": engine, **database}) == uri


@pytest.mark.parametrize(("database", "uri"), [
    ({"NAME": "shop", "USER": "me"}, "mysql://me@/shop"),
    (
        {"NAME": "shop", "USER": "me", "PASSWORD": "p@s:s/?", "HOST": "db.internal", "PORT": 3307},
        "mysql://me:p%40s%3As%2F%3F@db.internal:3307/shop",
    ),
    ({"NAME": "shop", "USER": "me", "HOST": "/run/s.sock"}, "mysql://me@/shop?socket=%2Frun%2Fs.sock"),
    (
        {"NAME": "shop", "USER": "me", "HOST": "db", "OPTIONS": {"ssl": {"ca": "/ca.pem"}, "charset": "utf8mb4"}},
        "mysql://me@db/shop?ssl-ca=%2Fca.pem",
    ),
    (
        {"NAME": "shop", "USER": "me", "HOST": "db", "OPTIONS": {"ssl_mode": "verify_ca", "ssl": {"key": "k"}}},
        "mysql://me@db/shop?ssl-mode=VERIFY_CA&ssl-key=k",
    ),
    ({"NAME": "shop", "USER": "me", "OPTIONS": {"ssl_mode": "PREFERRED"}}, "mysql://me@/shop"),
])  # fmt: skip
def test_mariadb_has_the_same_server_and_database(uri_of, database, uri):
    assert uri_of({"ENGINE": "django.db.backends.mysql", **database}) == uri


@pytest.mark.parametrize("engine", ["django.db.backends.oracle", ""])
def test_another_database_is_refused_with_advice(uri_of, engine):
    with pytest.raises(ConfigurationError, match=r"is none of SQLite, PostgreSQL.*give 'database_uri' instead"):
        uri_of({"ENGINE": engine, "NAME": "shop"})
    assert uri_of({"ENGINE": engine}, database_uri="memory:") == "memory:"


def test_two_databases_are_one_too_many(uri_of):
    with pytest.raises(ConfigurationError, match="keep one of them"):
        uri_of({}, database="shop", database_uri="memory:")


def test_the_password_is_in_no_message(uri_of):
    database = {"ENGINE": "django.db.backends.postgresql", "PASSWORD": "hunter2", "HOST": "a b", "NAME": "x"}
    with pytest.raises(ConfigurationError) as caught:
        uri_of(database)
    assert "hunter2" not in str(caught.value)
    assert "'database_uri'" in str(caught.value)


class TestSecrets:
    """They are derived from those of Django, so that a copy of the database alone forges no token."""

    def secrets(self, **settings):
        with override_settings(RESEAL=API, **settings):
            found = conf.load().settings
            return found.secret_key and found.secret_key.reveal(), found.accepted_secret_keys

    def test_the_secret_follows_djangos(self):
        one, none = self.secrets(SECRET_KEY="one")
        assert self.secrets(SECRET_KEY=b"one")[0] == one
        assert none is None
        assert one not in {b"one", self.secrets(SECRET_KEY="two")[0]}

    def test_what_django_still_accepts_is_accepted(self):
        former, _ = self.secrets(SECRET_KEY="one")
        _, accepted = self.secrets(SECRET_KEY="two", SECRET_KEY_FALLBACKS=["one", "zero"])
        assert accepted.reveal().splitlines()[0] == former

    def test_a_changed_one_is_told_where_to_keep_the_former(self, tmp_path):
        file = {"database_uri": f"sqlite:///{tmp_path}/sessions.db"}
        with override_settings(RESEAL=API | file):
            with override_settings(SECRET_KEY="one"):
                get_reseal()
            with override_settings(SECRET_KEY="two", SECRET_KEY_FALLBACKS=["one"]):
                get_reseal()
            with override_settings(SECRET_KEY="two"), pytest.raises(ConfigurationError, match="SECRET_KEY_FALLBACKS"):
                get_reseal()

    def test_a_secret_of_its_own_wins(self):
        secret = "M3hxkq0Tt2vVb9yZ8r5w1nJd7sLc4gQpXeUa"
        with override_settings(RESEAL=API | {"secret_key": secret}):
            assert conf.load().settings.secret_key.reveal() == secret.encode()


def test_sessions_follow_changed_settings():
    before = configured()
    assert configured() is before
    with override_settings(RESEAL=API | {"access_token_validity": 60}):
        assert configured().settings.access_token_ms == 60_000
    assert configured().settings.access_token_ms == 3_600_000


def test_endpoints_follow_changed_settings(client):
    with override_settings(RESEAL=API | {"refresh_api_path": "/api/refresh"}):
        assert client.get("/api/refresh").status_code == 405
        assert client.get("/session/refresh").status_code == 404
    assert client.get("/session/refresh").status_code == 405
