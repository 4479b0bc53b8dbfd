"""The configuration: the dictionary ``RESEAL`` of Django's settings.

Its keys are those of :class:`reseal.Settings`, and the ones of :class:`Config`. What Django's own settings say already
need not be said again: the database, and the secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

from django.conf import settings as django_settings
from django.utils.crypto import salted_hmac

from reseal.core.errors import ConfigurationError
from reseal.settings import Settings

NAME: Final = "RESEAL"
FOLLOWED: Final[frozenset[str]] = frozenset({NAME, "DATABASES", "SECRET_KEY", "SECRET_KEY_FALLBACKS"})
"""Settings of Django that the configuration is made of."""
_DEFAULT_DATABASE: Final = "default"
_SQLITE: Final = frozenset({"sqlite3", "spatialite"})
_POSTGRESQL: Final = frozenset({"postgresql", "postgis", "postgresql_psycopg2"})
_LIBPQ: Final = frozenset({
    "application_name", "channel_binding", "connect_timeout", "gssencmode", "keepalives", "keepalives_count",
    "keepalives_idle", "keepalives_interval", "options", "passfile", "service", "sslcert", "sslcrl", "sslkey",
    "sslmode", "sslpassword", "sslrootcert", "target_session_attrs",
})  # fmt: skip
"""Entries of a database's ``OPTIONS`` that describe the connection, as opposed to Django's use of it."""


_CHANGED: Final = ": it is derived from SECRET_KEY; if that was changed, put its former value into SECRET_KEY_FALLBACKS"


class Config(NamedTuple):
    """The configuration of one Django project."""

    settings: Settings
    refresh_pages: bool = True
    """Whether a page that is opened with an expired access token is answered by refreshing first."""


def load(**changes: object) -> Config:
    """Read the configuration, with ``changes`` to its keys. Raises ``ConfigurationError`` with every problem."""
    given = getattr(django_settings, NAME, None)
    if given is None:
        raise ConfigurationError((f'{NAME} is missing: write {NAME} = {{"api_domain": "https://www.example.com"}}',))
    if not isinstance(given, Mapping):
        raise ConfigurationError((f"{NAME} must be a dictionary of keys and values",))
    values: dict[str, Any] = {**given, **changes}
    problems: list[str] = []
    refresh_pages = values.pop("refresh_pages", True)
    if not isinstance(refresh_pages, bool):
        problems.append("'refresh_pages' must be True or False")
    _add_database(values, problems)
    _add_secrets(values)
    try:
        settings = Settings.from_mapping(values, source=NAME)
    except ConfigurationError as error:
        raise ConfigurationError((*problems, *error.problems)) from None
    if problems:
        raise ConfigurationError(tuple(problems))
    return Config(settings, refresh_pages)


def explained(error: ConfigurationError) -> ConfigurationError:
    """Say of a secret that opens nothing where it came from, if it is derived."""
    if "secret_key" in getattr(django_settings, NAME):
        return error
    return ConfigurationError(
        tuple(each + _CHANGED if each.startswith("secret_key") else each for each in error.problems)
    )


def _add_database(values: dict[str, Any], problems: list[str]) -> None:
    """Put the address of a database of Django's in the place of its name."""
    alias = values.pop("database", None)
    if "database_uri" in values:
        if alias is not None:
            problems.append(f"'database' and 'database_uri' are both in {NAME}: keep one of them")
        return
    alias = _DEFAULT_DATABASE if alias is None else alias
    databases = django_settings.DATABASES
    if not isinstance(alias, str) or alias not in databases:
        known = ", ".join(databases)
        problems.append(f"'database' must be a name in DATABASES ({known}), or give 'database_uri' instead")
        return
    uri = _uri(databases[alias])
    if uri is None:
        problems.append(
            f"'database': DATABASES[{alias!r}] is none of SQLite, PostgreSQL, MariaDB and MySQL: "
            "give 'database_uri' instead, like sqlite:////srv/sessions.db or postgresql://user@host/database"
        )
    else:
        values["database_uri"] = uri


def _uri(database: Mapping[str, Any]) -> str | None:
    kind = str(database.get("ENGINE", "")).rpartition(".")[2]
    if kind in _SQLITE:
        return _sqlite_uri(str(database.get("NAME") or ""))
    if kind in _POSTGRESQL:
        query = {key: str(value) for key, value in (database.get("OPTIONS") or {}).items() if key in _LIBPQ}
        return _server_uri("postgresql", database, query, "host")
    return (
        _server_uri("mysql", database, _mysql_tls(database.get("OPTIONS") or {}), "socket") if kind == "mysql" else None
    )


def _mysql_tls(options: Mapping[str, Any]) -> dict[str, str]:
    """Keep what Django's connection demands of the server: ours must not trust more. ``PREFERRED`` demands nothing."""
    files = options.get("ssl") or {}
    tls = {f"ssl-{key}": str(files[key]) for key in ("ca", "cert", "key") if key in files}
    mode = str(options.get("ssl_mode", "PREFERRED")).upper()
    return tls if mode == "PREFERRED" else {"ssl-mode": mode, **tls}


def _sqlite_uri(name: str) -> str:
    """Name a file beside Django's: SQLite has one writer a file, and Django's may wait for ours within a transaction.

    A database in memory, which is what tests get, belongs to Django's connection alone.
    """
    if not name or name == ":memory:" or "mode=memory" in name:
        return "memory:"
    file = Path(name).absolute()
    return f"sqlite:///{file.with_name(f'{file.stem}.sessions{file.suffix}')}"


def _server_uri(scheme: str, database: Mapping[str, Any], query: dict[str, str], socket: str) -> str:
    """Make a URI; ``socket`` is the parameter for a host that is a path."""

    def part(key: str) -> str:
        return quote(str(database.get(key) or ""), safe="")

    user, password, host, port = part("USER"), part("PASSWORD"), str(database.get("HOST") or ""), part("PORT")
    if host.startswith("/"):
        query[socket], host = host, ""
    login = f"{user}:{password}@" if password else f"{user}@" if user else ""
    address = f"{scheme}://{login}{host}{f':{port}' if port else ''}/{part('NAME')}"
    return f"{address}?{urlencode(query, quote_via=quote)}" if query else address


def _add_secrets(values: dict[str, Any]) -> None:
    """Derive the secret from Django's, and the accepted ones from those that Django still accepts."""
    if "secret_key" in values:
        return
    values["secret_key"] = _derived(django_settings.SECRET_KEY)
    fallbacks = [_derived(each) for each in django_settings.SECRET_KEY_FALLBACKS]
    if fallbacks:
        values.setdefault("accepted_secret_keys", "\n".join(fallbacks))


def _derived(secret: str | bytes) -> str:
    text = secret.decode("latin-1") if isinstance(secret, bytes) else secret
    return salted_hmac("reseal.django.secret_key", "", secret=text, algorithm="sha256").hexdigest()
