"""WebSockets of Channels: who may open one, and when it ends."""

from __future__ import annotations

import asyncio

import pytest
from asgiref.testing import ApplicationCommunicator
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import URLRouter
from django.test import Client
from django.urls import path

from reseal import HasClaim, SessionHeaders
from reseal.django import channels
from reseal.django.channels import SessionGuard
from reseal.django.testing import overridden, sign_in
from tests.django.project import API
from tests.support.program import Program

ORIGIN = (b"origin", API.encode())
left: list[int] = []


class Chat(AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept()
        await self.send(self.scope["reseal_session"].get_user_id())

    async def receive(self, text_data):
        await self.send(text_data)

    async def disconnect(self, code):
        left.append(code)


APP = SessionGuard(URLRouter([path("chat", Chat.as_asgi())]))


@pytest.fixture
def cookies(reseal):
    client = Client()
    sign_in(client, "alice")
    left.clear()
    return (b"cookie", f"__Host-sAccessToken={client.cookies['__Host-sAccessToken'].value}".encode())


class Page(ApplicationCommunicator):
    """A page that opens a WebSocket."""

    def __init__(self, *headers, app=APP):
        scope = {"type": "websocket", "path": "/chat", "query_string": b"", "headers": list(headers), "extensions": {}}
        super().__init__(app, scope)

    async def connected(self):
        await self.send_input({"type": "websocket.connect"})
        return await self.receive_output()

    async def admitted(self):
        assert (await self.connected())["type"] == "websocket.accept"
        return await self.received()

    async def received(self):
        return (await self.receive_output())["text"]

    async def refused(self):
        said = await self.connected()
        await self.wait()
        return said == {"type": "websocket.close"}

    async def leave(self):
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait()


async def test_a_page_of_ours_has_its_session(cookies):
    page = Page(cookies, ORIGIN)
    assert await page.admitted() == "alice"
    await page.send_input({"type": "websocket.receive", "text": "hello"})
    assert await page.received() == "hello"
    await page.leave()
    assert left == [1000]


@pytest.mark.parametrize("headers", [(), (ORIGIN,), ((b"origin", b"https://evil.example"),)])
async def test_others_are_refused(cookies, headers):
    shown = () if headers == (ORIGIN,) else (cookies,)
    assert await Page(*shown, *headers).refused()


async def test_a_session_that_is_bound_to_a_key_needs_a_proof(clock):
    with overridden(clock=clock, device_binding="offer") as ours:
        program = Program(ours.sessions, None, clock)
        await asyncio.to_thread(ours.open)
        answer = SessionHeaders()
        await asyncio.to_thread(ours.sessions.create_new_session, program.request("POST", "/sign-in"), answer, "alice")
        program.receive(answer)
        proof = program.proof("GET", "/chat", program.access, htu=f"wss{API.removeprefix('https')}/chat")
        shown = (b"authorization", f"DPoP {program.access}".encode())
        page = Page(shown, (b"dpop", proof.encode()))
        assert await page.admitted() == "alice"
        await page.leave()
        assert await Page(shown, (b"dpop", proof.encode())).refused()
        assert await Page(shown).refused()


async def test_a_claim_may_be_demanded(cookies):
    assert await Page(cookies, ORIGIN, app=SessionGuard(APP, claims=[HasClaim("admin")])).refused()


async def test_a_server_that_can_answer_says_why(cookies):
    page = Page()
    page.scope["extensions"]["websocket.http.response"] = {}
    assert (await page.connected())["status"] == 401
    assert b"no_token" in (await page.receive_output())["body"]


async def test_a_ticket_opens_one(reseal, rf):
    session = await asyncio.to_thread(reseal.create_new_session, rf.post("/"), "bob")
    ticket = await session.acreate_ticket("/chat")
    offered = (b"sec-websocket-protocol", f"reseal, reseal.ticket.{ticket}".encode())
    page = Page(offered)
    assert (await page.connected())["subprotocol"] == "reseal"
    assert await page.received() == "bob"
    await page.leave()
    assert await Page(offered).refused()


async def test_it_ends_with_its_session(cookies, reseal):
    look = asyncio.Event()

    async def pause(_seconds):
        await look.wait()
        look.clear()

    channels._watch(reseal).pause = pause
    page = Page(cookies, ORIGIN)
    assert await page.admitted() == "alice"
    await asyncio.to_thread(reseal.sessions.revoke_all_sessions_for_user, "alice")
    look.set()
    assert await page.receive_output() == {"type": "websocket.close", "code": 4001, "reason": "user_revoked"}
    await page.wait()
    assert left == [4001]


async def test_a_revoked_session_opens_none(cookies, reseal):
    await asyncio.to_thread(reseal.sessions.revoke_all_sessions_for_user, "alice")
    assert await Page(cookies, ORIGIN).refused()


async def test_requests_pass():
    seen = []

    async def inner(scope, receive, send):
        seen.append(scope["type"])

    with overridden():
        await SessionGuard(inner)({"type": "http"}, None, None)
    assert seen == ["http"]
