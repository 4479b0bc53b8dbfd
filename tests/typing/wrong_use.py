"""Mistakes that the type checker finds: each expected error stands in an ignore, and an unused ignore is an error."""

from fastapi import Request

import reseal
from reseal import Settings
from reseal.fastapi import Reseal, Session

Settings("https://api.example.com")  # type: ignore[call-arg]
Settings(api_domain="https://api.example.com", cookie_same_site="sometimes")  # type: ignore[arg-type]
Settings(api_domain="https://api.example.com", token_transfer_method="headers")  # type: ignore[arg-type]
Settings(api_domain="https://api.example.com", acess_token_validity=1)  # type: ignore[call-arg]

sessions = Reseal(Settings(api_domain="https://api.example.com"))
sessions.session(True)  # type: ignore[call-arg]
sessions.session(claims=["mfa"])  # type: ignore[list-item]


async def wrong(request: Request, session: Session) -> None:
    await sessions.create_new_session(request, 7)  # type: ignore[arg-type]
    session.get_session_data().keys()  # type: ignore[attr-defined]
    await session.update_session_data(["tea"])  # type: ignore[arg-type]
    await session.get_user_id()  # type: ignore[misc]
    reseal.Reseal(sessions.settings, sessions=sessions.sessions.backend)  # type: ignore[arg-type]
