"""Who may ask a program on this machine for something: its own page, and nobody else's."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; media-src 'self'; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class Guard:
    """Refuses what no page of ours sends: another host's name, or a request from another site.

    The first stops pages whose name was made to lead to this machine, the second those that send requests
    here from elsewhere. A link to the page itself may come from anywhere.

    Args:
        app: what answers the others, as ASGI has it.
        hosts: names and addresses under which it may be asked.
    """

    def __init__(self, app: App, hosts: Collection[str]) -> None:
        self.app = app
        self.hosts = {host.lower() for host in hosts}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer, or refuse to."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        reason = self.refused(scope)
        if reason is None:
            await self.app(scope, receive, with_headers)
            return
        body = json.dumps({"error": reason}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await with_headers({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def refused(self, scope: Message) -> str | None:
        """Say why a request is refused; None if it is not."""
        told = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host = told.get("host", "")
        if name_of(host) not in self.hosts:
            return "this page is not asked for under its own name"
        origin = told.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return "another site asked"
        link = scope["method"] == "GET" and scope["path"] == "/"
        if not link and told.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return "another site asked"
        return None


def name_of(host: str) -> str:
    """Return a Host header without its port, in small letters; "" for what is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""
