"""The site's addresses, with those of the sessions."""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.contrib.staticfiles.finders import find
from django.http import FileResponse, Http404, HttpRequest
from django.urls import include, path

from . import views


def static(_request: HttpRequest, name: str) -> FileResponse:
    """Send a file of the admin. A real site has its web server do that."""
    found = find(name)
    if found is None:
        raise Http404
    return FileResponse(open(found, "rb"))  # noqa: PTH123 - the response closes it


urlpatterns = [
    path("", views.feed, name="feed"),
    path("login/", LoginView.as_view(template_name="login.html"), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    path("static/<path:name>", static),
    path("", include("reseal.django.urls")),
]
