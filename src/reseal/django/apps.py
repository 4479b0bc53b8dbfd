"""The application that Django installs."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig, apps
from django.core.signals import setting_changed

from reseal.django import sessions


class ResealConfig(AppConfig):
    """Sessions. It has no models: the tables are those of the store."""

    name = "reseal.django"
    label = "reseal"
    verbose_name: str = "Reseal"

    def ready(self) -> None:
        """Register the checks, and follow the settings, which tests change."""
        import_module("reseal.django.checks")  # now, because it reads the URLconf of the endpoints
        if apps.is_installed("drf_spectacular"):
            import_module("reseal.django.spectacular")
        import_module("reseal.django.dropin_checks")
        setting_changed.connect(sessions.follow, dispatch_uid="reseal.django")
