"""The admin's page of a user's sessions, with a button that ends them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.contrib import admin, messages
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.views.decorators.csrf import csrf_protect

from reseal.devices import SessionInfo
from reseal.django.models import UserSession
from reseal.django.sessions import get_reseal, id_of

_HANDLE: Final = "handle"
_WHO: Final = "user"
_SHOWN: Final = 7 * 24 * 3600 * 1000
"""For how long sessions that ended are shown, in ms."""
_NOTE: Final = "ended by an administrator"


if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[UserSession]
else:
    _ModelAdmin = admin.ModelAdmin  # whose annotations are those of a package beside Django


class _Row(NamedTuple):
    handle: str
    device: str
    address: str
    created: datetime
    last_seen: datetime
    ends: datetime
    is_own: bool
    why: str


@admin.register(UserSession)
class UserSessionAdmin(_ModelAdmin):
    """Lists the sessions of one user, for staff with the permission to view them; to end one is to delete it."""

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - as above
        return False

    @method_decorator(csrf_protect)
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the page, or end the session that was posted."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        who = request.GET.get(_WHO, "").strip()
        user_id, label = _user(who) if who else ("", "")
        own = getattr(getattr(request, "session", None), "handle", None)
        listed = get_reseal().sessions.list_sessions(user_id, current=own, ended_within=_SHOWN) if user_id else ()
        live = [each for each in listed if each.ended_at is None]
        if request.method == "POST":
            self._end(request, label, live)
            return HttpResponseRedirect(f"{request.path}?{urlencode({_WHO: who})}")
        context = {
            **self.admin_site.each_context(request),
            "title": f"Sessions of {label}" if who else "Sessions of a user",
            "opts": self.opts,
            "who": who,
            "rows": [_row(each) for each in live],
            "ended": [_row(each) for each in listed if each.ended_at is not None],
            "may_end": self.has_delete_permission(request),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "reseal/sessions.html", context)

    def _end(self, request: HttpRequest, label: str, live: Iterable[SessionInfo]) -> None:
        """End the session of the button that was pressed, or all of them; only sessions that the page shows."""
        if not self.has_delete_permission(request):
            raise PermissionDenied
        wanted = request.POST.get(_HANDLE)
        handles = [each.handle for each in live if wanted in {None, each.handle}]
        ended = get_reseal().sessions.revoke_multiple_sessions(handles, note=_NOTE)
        for handle in ended:
            LogEntry.objects.create(
                user_id=request.user.pk,
                content_type=ContentType.objects.get_for_model(UserSession),
                object_id=handle,
                object_repr=f"session of {label}"[:200],
                action_flag=DELETION,
            )
        count = len(ended)
        messages.success(request, "1 session was ended." if count == 1 else f"{count} sessions were ended.")


def _user(text: str) -> tuple[str, str]:
    """Return the id of a user by name or primary key, and what to call this user; any other text is an id itself."""
    model = get_user_model()
    found = model.objects.filter(Q((model.USERNAME_FIELD, text))).first()
    if found is None:
        try:
            found = model.objects.filter(pk=text).first()
        except (ValueError, ValidationError):  # no primary key looks like that
            return text, text
    return (text, text) if found is None else (id_of(found), found.get_username())


def _row(info: SessionInfo) -> _Row:
    return _Row(
        info.handle,
        info.device.label if info.name is None else f"{info.name} ({info.device.label})",
        info.device.address or "unknown",
        _moment(info.created_at),
        _moment(info.last_seen_at),
        _moment(info.expires_at if info.ended_at is None else info.ended_at),
        info.current,
        info.end_note or info.end_reason or "",
    )


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
