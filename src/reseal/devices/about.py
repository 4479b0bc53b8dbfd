"""What few readers need of a session: the client of its sign-in, the name of its device, and its identity provider.

It is one JSON object in one column, and absent where nothing is kept: a refresh carries it along unread.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec.structs import replace

from reseal.core.errors import InvalidInput
from reseal.core.logout_clients import LogoutClient, joined
from reseal.core.model import Device, SessionRecord, printable
from reseal.core.providers import Marks, ProviderSession, marks

NAME_MAX: Final = 64
"""Longest name that a user gives a device, in characters."""
NOTE_MAX: Final = 256
"""Longest reason of a caller that is kept with an ended session, in characters."""


class About(msgspec.Struct, frozen=True, omit_defaults=True):
    """The members of the object. Unknown ones, of a later version, are ignored."""

    ip: str | None = None
    user_agent: str | None = None
    name: str | None = None
    provider_user: str | None = None
    provider_session: str | None = None
    clients: tuple[LogoutClient, ...] = ()

    @property
    def marks(self) -> Marks:
        """By what it is found as a session of an identity provider."""
        return Marks(self.provider_user, self.provider_session)

    @property
    def device(self) -> Device | None:
        """The client that began the session; ``None`` if that is not known."""
        found = Device(self.ip, self.user_agent)
        return None if found == Device() else found


_decoder: Final = msgspec.json.Decoder(About)


def beginning(device: Device | None, provider: ProviderSession | None = None) -> str | None:
    """Return what is kept of a sign-in; ``None`` if nothing is known of it."""
    if device is None and provider is None:
        return None
    return _written(About(*(device or Device()), None, *marks(provider)))


def read(text: str | None) -> About:
    """Read what is kept."""
    return About() if text is None else _decoder.decode(text)


def named(record: SessionRecord, name: str) -> SessionRecord:
    """Return a session with another name. An empty one takes the name away. Raises ``InvalidInput``."""
    cleaned = checked("name", name, NAME_MAX).strip()
    return replace(record, about=_written(replace(read(record.about), name=cleaned or None)))


def with_client(record: SessionRecord, client: LogoutClient) -> SessionRecord:
    """Return a session that a client has as well. Raises ``InvalidInput`` if there are too many."""
    before = read(record.about)
    clients = joined(before.clients, client)
    return record if clients == before.clients else replace(record, about=_written(replace(before, clients=clients)))


def checked(argument: str, text: str, longest: int) -> str:
    """Return a text for people. Raises ``InvalidInput`` for one that is too long or that no page can show."""
    if not isinstance(text, str) or len(text) > longest or printable(text) != text:
        raise InvalidInput(argument, f"must be text of up to {longest} printable characters")
    return text


def checked_note(note: str | None) -> str | None:
    """Return the reason of a caller. Raises ``InvalidInput``."""
    return None if note is None else checked("note", note, NOTE_MAX)


def told(note: str | None) -> dict[str, Any]:
    """Return the argument of a call with a reason; none for no reason, which an older service would not know."""
    return {} if note is None else {"note": checked("note", note, NOTE_MAX)}


def _written(about: About) -> str | None:
    return None if about == About() else msgspec.json.encode(about).decode()
