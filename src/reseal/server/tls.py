"""TLS of the service itself, for use without a TLS-terminating proxy. Versions and ciphers are Python's defaults."""

from __future__ import annotations

import ssl
from typing import NamedTuple

from reseal.core.errors import ConfigurationError
from reseal.server.config import ServiceSettings


def context(settings: ServiceSettings) -> ssl.SSLContext | None:
    """Return the TLS context, or ``None`` without TLS. Raises ``ConfigurationError`` if the files cannot be used."""
    named = files(settings)
    return None if named is None else make(named)


class Files(NamedTuple):
    """The files of TLS, in PEM."""

    certificate: str
    key: str | None
    authorities: str | None


def files(settings: ServiceSettings) -> Files | None:
    """Return the files that are configured, or ``None`` without TLS."""
    if settings.tls_certificate_file is None:
        return None
    return Files(settings.tls_certificate_file, settings.tls_key_file, settings.tls_client_ca_file)


def make(named: Files, *_of_uvicorn: object) -> ssl.SSLContext:
    """Make a TLS context. Raises ``ConfigurationError`` if the files cannot be used."""
    certificate, key, authorities = named
    try:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(certificate, key, _no_password)
        if authorities is not None:
            made.load_verify_locations(authorities)
            made.verify_mode = ssl.CERT_REQUIRED
    except (ssl.SSLError, _EncryptedError) as error:
        problem = getattr(error, "reason", None) or str(error) or "they are not PEM files"
        raise ConfigurationError(
            (f"the tls_… files cannot be used ({problem}): name a certificate, its own key and authorities, in PEM",)
        ) from None
    return made


class _EncryptedError(Exception):
    """The key is encrypted, and a service cannot prompt for the password."""


def _no_password() -> str:
    raise _EncryptedError("the key is encrypted")
