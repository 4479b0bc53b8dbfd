"""The admin's page of a user's sessions, and the rest of the admin around it."""

from __future__ import annotations

from io import StringIO

import pytest
from django.apps import apps
from django.core.management import call_command
from django.test import Client

from tests.django.dropin import project

PAGE = "/admin/reseal/usersession/"


@pytest.fixture
def people(reseal, tables):
    with (
        project.users("root", is_staff=True, is_superuser=True) as [root],
        project.users("staff", is_staff=True) as [staff],
        project.users("<b>carol") as [carol],
    ):
        yield {"root": root, "staff": staff, "carol": carol}
        log().delete()


@pytest.fixture
def signed_in(people):
    def client(name, **options):
        made = Client(**options)
        made.force_login(people[name])
        return made

    return client


@pytest.fixture
def carols(people, reseal, signed_in):
    for _ in range(2):
        signed_in("carol")
    return reseal.sessions.get_all_session_handles_for_user(str(people["carol"].pk))


def log():
    return apps.get_model("admin", "LogEntry").objects.all()


def shown(client, who):
    return client.get(PAGE, {"user": who})


def granted(user, *names):
    permissions = apps.get_model("auth", "Permission").objects
    user.user_permissions.set(permissions.filter(codename__in=names))


def test_it_is_in_the_index_and_asks_for_a_user(signed_in):
    client = signed_in("root")
    assert f'href="{PAGE}"' in client.get("/admin/").content.decode()
    assert "User name or id" in client.get(PAGE).content.decode()


def test_it_lists_the_sessions_by_name_and_by_id(signed_in, people, carols):
    client = signed_in("root")
    for who in ("<b>carol", str(people["carol"].pk)):
        page = shown(client, who).content.decode()
        assert all(handle in page for handle in carols)
        assert "<b>carol" not in page
    assert "no session" in shown(client, "nobody").content.decode()


def test_it_marks_the_session_of_this_browser(signed_in):
    client = signed_in("root")
    assert "this browser" in shown(client, "root").content.decode()


def test_it_ends_one_session_or_all(signed_in, people, reseal, carols):
    client = signed_in("root")
    answer = client.post(f"{PAGE}?user={people['carol'].pk}", {"handle": carols[0]}, follow=True)
    assert "1 session was ended." in answer.content.decode()
    remaining = reseal.sessions.get_all_session_handles_for_user(str(people["carol"].pk))
    assert remaining == carols[1:]
    page = shown(client, "<b>carol").content.decode()
    assert page.count("ended by an administrator") == 1
    assert f'value="{carols[0]}"' not in page
    client.post(f"{PAGE}?user={people['carol'].pk}")
    assert reseal.sessions.get_all_session_handles_for_user(str(people["carol"].pk)) == ()
    assert {entry.object_id for entry in log()} == set(carols)


def test_it_ends_no_session_of_somebody_else(signed_in, people, reseal, carols):
    client = signed_in("root")
    client.post(f"{PAGE}?user=root", {"handle": carols[0]})
    assert reseal.sessions.get_all_session_handles_for_user(str(people["carol"].pk)) == carols


def test_it_wants_a_csrf_token(signed_in, people, carols):
    client = signed_in("root", enforce_csrf_checks=True)
    assert client.post(f"{PAGE}?user={people['carol'].pk}", {"handle": carols[0]}).status_code == 403


@pytest.mark.parametrize(
    ("permissions", "view", "end"),
    [((), 403, 403), (("view_usersession",), 200, 403), (("view_usersession", "delete_usersession"), 200, 302)],
)
def test_it_asks_for_permissions(signed_in, people, carols, permissions, view, end):
    granted(people["staff"], *permissions)
    client = signed_in("staff")
    page = shown(client, "<b>carol")
    assert page.status_code == view
    assert (b"End all" in page.content) is (end == 302)
    assert client.post(f"{PAGE}?user={people['carol'].pk}", {"handle": carols[0]}).status_code == end


def test_visitors_are_sent_to_the_sign_in(people):
    assert Client().get(PAGE).status_code == 302


def test_the_model_is_no_obstacle_to_djangos_commands(people):
    out = StringIO()
    call_command("makemigrations", check=True, dry_run=True, stdout=out)
    assert "No changes" in out.getvalue()
    call_command("dumpdata", "reseal", stdout=out)
    call_command("dumpdata", "reseal", use_base_manager=True, stdout=out)
