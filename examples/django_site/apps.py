"""The application of the feed."""

from django.apps import AppConfig


class Site(AppConfig):
    name = "examples.django_site"
    label = "site"
    default_auto_field = "django.db.models.BigAutoField"
