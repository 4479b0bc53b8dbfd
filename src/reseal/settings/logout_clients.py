"""The keys that clients of an application have of their own, which are told of ended sessions."""

from __future__ import annotations

import re
from typing import Final

from reseal.core.logout_clients import LogoutEndpoint
from reseal.settings.endpoints import Kind, SecretKeys, in_file
from reseal.settings.rules import matching
from reseal.settings.shared_signals import MAKE_KEY, signing_keys

_NAME: Final = re.compile(r"[\x21-\x7e]{1,255}")

LOGOUT: Final = Kind(
    LogoutEndpoint,
    {
        "client_id": matching(_NAME, "must be 1 to 255 printable characters", "write the id that the client has"),
        "issuer": matching(_NAME, "must be 1 to 255 printable characters", "write iss of your ID tokens"),
        "signing_keys": signing_keys,
        "signing_keys_file": in_file(signing_keys, "name a readable file with a key in PEM"),
        "key_id": matching(_NAME, "must be 1 to 255 printable characters", "remove the key for the thumbprint"),
    },
    ("client_id", "issuer"),
    (SecretKeys("signing_keys", MAKE_KEY),),
)
