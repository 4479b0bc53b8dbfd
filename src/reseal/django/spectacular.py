"""The lock in the OpenAPI pages of drf-spectacular. Imported by itself where that is installed."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from reseal.django.sessions import configured


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # it registers its subclasses
    """Either way to show an access token."""

    target_class: str = "reseal.django.rest_framework.SessionAuthentication"
    name: list[str] = ["sessionCookie", "sessionToken"]  # noqa: RUF012 - as its base class has it
    match_subclasses = True

    def get_security_requirement(self, _auto_schema: Any) -> list[dict[str, list[Any]]]:
        return [{name: []} for name in self.name]

    def get_security_definition(self, _auto_schema: Any) -> list[dict[str, Any]]:
        cookie = {"type": "apiKey", "in": "cookie", "name": configured().settings.access_cookie_name}
        return [cookie, {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}]
