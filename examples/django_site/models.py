"""The posts of the feed."""

from django.conf import settings
from django.db import models


class Post(models.Model):
    """One post, with its author."""

    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    text = models.CharField(max_length=280)
    written_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-written_at",)

    def __str__(self) -> str:
        return self.text
