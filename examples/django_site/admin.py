"""The posts in the admin; the sessions of a user are there by themselves."""

from django.contrib import admin

from .models import Post


@admin.register(Post)
class PostAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's own is not generic
    """Posts, with author and time."""

    list_display = ("text", "author", "written_at")
