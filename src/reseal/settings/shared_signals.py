"""The keys that endpoints of Shared Signals have of their own."""

from __future__ import annotations

import re
from typing import Final

from reseal.core import security_event_keys
from reseal.core.secret import Secret
from reseal.core.shared_signals import SharedSignalsEndpoint, Subject
from reseal.settings.endpoints import Kind, SecretKeys, in_file
from reseal.settings.problems import InvalidValueError
from reseal.settings.rules import as_text, matching, member

_ISSUER: Final = re.compile(r"https://[A-Za-z0-9_-][A-Za-z0-9._-]*(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~-]+)*")
_NAME: Final = re.compile(r"[\x21-\x7e]{1,255}")
_HEADER: Final = re.compile(rb"[\x21-\x7e](?:[\x20-\x7e]{0,8190}[\x21-\x7e])?")
MAKE_KEY: Final = "make one with: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out signals.pem"


def signing_keys(value: object) -> tuple[Secret, ...]:
    """Require RSA keys: PEM with one or several, or a list of these."""
    texts = [value] if isinstance(value, str | Secret) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(each, str | Secret) for each in texts):
        raise InvalidValueError("must be text in PEM, or a list of it", MAKE_KEY)
    whole = [each if isinstance(each, Secret) else Secret(each) for each in texts]
    keys = tuple(key for each in whole for key in security_event_keys.split(each.reveal()))
    if not keys:
        raise InvalidValueError("must have a private key in PEM", MAKE_KEY)
    try:
        for key in keys:
            security_event_keys.read(key)
    except ValueError as error:
        raise InvalidValueError(f"has a key that is {error}", MAKE_KEY) from None
    return keys


def authorization(value: object) -> Secret:
    """Require the value of a header."""
    text = value.reveal() if isinstance(value, Secret) else as_text(value).strip().encode()
    if not _HEADER.fullmatch(text):
        raise InvalidValueError("must be the value of a header", "write it like: Bearer eyJhbGciOi…")
    return Secret(text)


_issuer: Final = matching(
    _ISSUER, "must be an https address", "write it like https://auth.example.com, no slash behind"
)
CAEP: Final = Kind(
    SharedSignalsEndpoint,
    {
        "issuer": _issuer,
        "audience": matching(_NAME, "must be 1 to 255 printable characters", "the receiver says which name it has"),
        "signing_keys": signing_keys,
        "signing_keys_file": in_file(signing_keys, "name a readable file with a key in PEM"),
        "authorization": authorization,
        "authorization_file": in_file(authorization, "name a readable file with the value of the header"),
        "subject": member(Subject, "must be complex or iss_sub", "complex names the session"),
        "user_issuer": matching(_NAME, "must be 1 to 255 printable characters", "remove the key for the issuer"),
    },
    ("issuer", "audience"),
    (SecretKeys("signing_keys", MAKE_KEY), SecretKeys("authorization", "leave one out", is_needed=False)),
)
