"""A model without a table, so that the admin has a place, and permissions, for the sessions of users."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models

if TYPE_CHECKING:
    _Manager = models.Manager["UserSession"]
else:
    _Manager = models.Manager  # whose annotations are those of a package beside Django


class _NoRows(_Manager):
    """Finds nothing, for commands that read all models, like ``dumpdata``."""

    def get_queryset(self) -> models.QuerySet[UserSession]:
        return super().get_queryset().none()


class UserSession(models.Model):
    """A session of a user. What is kept of it is in the store of Reseal."""

    objects: ClassVar[_NoRows] = _NoRows()
    handle: models.CharField[str, str] = models.CharField(max_length=64, primary_key=True)
    """The primary key: a project without ``DEFAULT_AUTO_FIELD`` is not warned of one that was not chosen."""

    class Meta:  # noqa: D106 - Django's
        managed = False
        base_manager_name = "objects"
        default_permissions: tuple[str, ...] = ("view", "delete")
        verbose_name = "session"

    def __str__(self) -> str:
        return str(self.pk)
