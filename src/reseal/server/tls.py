"""TLS of the service itself, where no proxy ends it. Versions and ciphers are those that Python takes for good."""

from __future__ import annotations

import ssl

from reseal.core.errors import ConfigurationError
from reseal.server.config import ServiceSettings


def context(settings: ServiceSettings) -> ssl.SSLContext | None:
    """Give what connections speak TLS with, if they do. Raises ``ConfigurationError`` if the files do not fit."""
    if settings.tls_certificate_file is None:
        return None
    authorities = settings.tls_client_ca_file
    try:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(settings.tls_certificate_file, settings.tls_key_file, _no_password)
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
    """The key is encrypted, and nobody is there to be asked for the password."""


def _no_password() -> str:
    raise _EncryptedError("the key is encrypted")
