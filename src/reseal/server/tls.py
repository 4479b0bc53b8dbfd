"""TLS of the service itself, where no proxy ends it. Versions and ciphers are those that Python takes for good."""

from __future__ import annotations

import ssl
from typing import Any

from reseal.core.errors import ConfigurationError
from reseal.server.config import ServiceSettings


def options(settings: ServiceSettings) -> dict[str, Any]:
    """Give what uvicorn has to know. Raises ``ConfigurationError`` if the files do not fit together."""
    if settings.tls_certificate_file is None:
        return {}
    authorities = settings.tls_client_ca_file
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(settings.tls_certificate_file, settings.tls_key_file, _no_password)
        if authorities is not None:
            context.load_verify_locations(authorities)
    except (ssl.SSLError, _EncryptedError) as error:
        problem = getattr(error, "reason", None) or str(error) or "they are not PEM files"
        raise ConfigurationError(
            (f"the tls_… files cannot be used ({problem}): name a certificate, its own key and authorities, in PEM",)
        ) from None
    return {
        "ssl_certfile": settings.tls_certificate_file,
        "ssl_keyfile": settings.tls_key_file,
        "ssl_ca_certs": authorities,
        "ssl_cert_reqs": ssl.CERT_NONE if authorities is None else ssl.CERT_REQUIRED,
    }


class _EncryptedError(Exception):
    """The key is encrypted, and nobody is there to be asked for the password."""


def _no_password() -> str:
    raise _EncryptedError("the key is encrypted")
