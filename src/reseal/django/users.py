"""The users of Django's own user model, by the ids that sessions have of them."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError


def find_user(user_id: str) -> Any | None:
    """Return the active user with this primary key, or ``None``. One query."""
    model = get_user_model()
    try:
        user = model._default_manager.get(pk=user_id)  # noqa: SLF001 - Django's name for the manager of choice
    except (model.DoesNotExist, ValueError, ValidationError):  # the last two: no primary key looks like that
        return None
    return user if user.is_active else None
