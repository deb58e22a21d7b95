"""The paper venue's HTTP and WebSocket surface. Routes, authentication and faults; no market and no money here."""

from __future__ import annotations

import asyncio
import hmac
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from qgtm_resources.venue.errors import VenueError, bad_parameter, not_found, unauthorized
from qgtm_resources.venue.faults import Faults
from qgtm_resources.venue.stream import Hub

if TYPE_CHECKING:
    from qgtm_core.ports import Feed
    from qgtm_resources.venue.api import Api, Call, Reply
    from qgtm_resources.venue.books import Terms

READS = (
    ("/v2/orders", "orders"),
    ("/v2/orders:by_client_order_id", "order_by_client_id"),
    ("/v2/orders/{order_id}", "order"),
    ("/v2/positions", "positions"),
    ("/v2/positions/{symbol}", "position"),
    ("/v2/account", "account"),
    ("/v2/account/activities/FILL", "fills"),
    ("/v2/clock", "clock"),
    ("/v2/calendar", "calendar"),
    ("/v2/assets/{symbol}", "asset"),
    ("/v2/stocks/quotes/latest", "quotes"),
)
DELETES = (
    ("/v2/orders", "cancel_all"),
    ("/v2/orders/{order_id}", "cancel"),
    ("/v2/positions", "close_all"),
    ("/v2/positions/{symbol}", "close_position"),
)

Handler = Callable[[Request], Awaitable[Response]]


class Venue:
    """One running venue: its books behind a lazy door, its faults and its listeners.

    The books pull in the exchange calendar, two seconds of imports; they load on the first call or in `warm_up`,
    so the process answers `/venue/health` at once.
    """

    def __init__(
        self, open_feed: Callable[[], Feed], engine: sa.Engine, secret: str, terms: Callable[[], Terms] | None
    ) -> None:
        self._open_feed, self._engine, self._secret, self._terms = open_feed, engine, secret, terms
        self._api: Api | None = None
        self._loading = threading.Lock()
        self.hub = Hub()
        self.faults: dict[str, Faults] = defaultdict(Faults)

    @property
    def ready(self) -> bool:
        """True when the books are loaded."""
        return self._api is not None

    def api(self) -> Api:
        """The books' calls, loaded once."""
        with self._loading:
            if self._api is None:
                from qgtm_resources.venue.api import Api

                api = Api(self._open_feed, self._engine, self._terms() if self._terms is not None else None)
                api.recover()
                self._api = api
            return self._api

    def warm_up(self) -> threading.Thread:
        """Load the books in the background."""
        thread = threading.Thread(target=self.api, name="venue-warm-up", daemon=True)
        thread.start()
        return thread

    def authorized(self, key: str, secret: str) -> bool:
        """True for any named account with the venue's secret."""
        return bool(key) and hmac.compare_digest(secret.encode(), self._secret.encode())

    async def run(self, name: str, call: Call) -> Reply:
        """Run one call off the loop and send its stream frames."""
        reply: Reply = await run_in_threadpool(lambda: getattr(self.api(), name)(call))
        if reply.events:
            self.hub.publish(call.account, self.faults[call.account].frames(reply.events))
        return reply

    async def call(self, request: Request) -> Call:
        """Authenticate a request and read its body."""
        account = request.headers.get("APCA-API-KEY-ID", "")
        if not self.authorized(account, request.headers.get("APCA-API-SECRET-KEY", "")):
            raise unauthorized()
        body: Any = {}
        if request.method == "POST":
            try:
                body = await request.json()
            except ValueError:
                raise bad_parameter("request body format is invalid") from None
            if not isinstance(body, dict):
                raise bad_parameter("request body must be an object")
        await run_in_threadpool(self.api)
        from qgtm_resources.venue.api import Call

        delay_ms = self.faults[account].delay_ms
        if delay_ms:
            await asyncio.sleep(delay_ms / 1000.0)
        return Call(account, dict(request.query_params), dict(request.path_params), body)

    # handlers

    def read(self, name: str) -> Handler:
        """A handler of a GET."""

        async def handle(request: Request) -> Response:
            call = await self.call(request)
            faults = self.faults[call.account]
            refused = faults.error("read_status")
            if refused is not None:
                raise refused
            if name == "fills" and faults.use("activities_lag"):
                return JSONResponse([])
            if name == "order_by_client_id" and faults.use("lookup_lag"):
                raise not_found("order not found")
            return _json(await self.run(name, call))

        return handle

    def act(self, name: str) -> Handler:
        """A handler of a DELETE or of the venue's own POST."""

        async def handle(request: Request) -> Response:
            return _json(await self.run(name, await self.call(request)))

        return handle

    async def submit(self, request: Request) -> Response:
        """`POST /v2/orders`: accept, then fill, with the faults in between."""
        call = await self.call(request)
        faults = self.faults[call.account]
        if faults.use("timeout_before_accept"):
            await asyncio.sleep(faults.timeout_s)
            raise VenueError(504, 0, "request timed out")
        refused = faults.error("status_before")
        if refused is not None:
            raise refused
        reply = await self.run("accept", call)
        if faults.use("reject_next"):
            await self.run("reject", type(call)(call.account, path={"order_id": reply.body["id"]}))
        elif not faults.hold:
            await self.run("work_open", call)
        if faults.use("timeout_after_accept"):
            await asyncio.sleep(faults.timeout_s)
            raise VenueError(504, 0, "request timed out")
        lost = faults.error("status_after")
        if lost is not None:
            raise lost
        return _json(reply)

    async def set_faults(self, request: Request) -> Response:
        """`POST /venue/faults`: replace the account's faults; lifting a hold fills what waits."""
        call = await self.call(request)
        before = self.faults[call.account].hold
        self.faults[call.account] = Faults.parse(call.body)
        if before and not self.faults[call.account].hold:
            await self.run("work_open", call)
        return JSONResponse({"account": call.account})

    async def health(self, _request: Request) -> Response:
        """`GET /venue/health`: 200 as soon as the process answers; `ready` once the books are loaded."""
        return JSONResponse({"status": "ok", "ready": self.ready})

    async def stream(self, socket: WebSocket) -> None:
        """`/stream`."""
        await self.hub.serve(socket, self.authorized)

    async def refuse(self, request: Request, error: Exception) -> Response:
        """A refusal as Alpaca's error body."""
        assert isinstance(error, VenueError)
        headers = {}
        retry_after_s = self.faults[request.headers.get("APCA-API-KEY-ID", "")].retry_after_s
        if error.status == 429 and retry_after_s is not None:
            headers["Retry-After"] = str(retry_after_s)
        return JSONResponse(error.body, status_code=error.status, headers=headers)


def _json(reply: Reply) -> Response:
    return Response(status_code=204) if reply.status == 204 else JSONResponse(reply.body, status_code=reply.status)


def create_app(
    feed: Feed | Callable[[], Feed], engine: sa.Engine, secret: str, terms: Callable[[], Terms] | None = None
) -> Starlette:
    """The venue as an ASGI application over a feed (or a function that opens it) and a PostgreSQL engine."""
    open_feed: Callable[[], Feed] = feed if callable(feed) else (lambda: feed)
    venue = Venue(open_feed, engine, secret, terms)
    routes = [Route(path, venue.read(name), methods=["GET"]) for path, name in READS]
    routes += [Route(path, venue.act(name), methods=["DELETE"]) for path, name in DELETES]
    routes += [
        Route("/v2/orders", venue.submit, methods=["POST"]),
        Route("/venue/session", venue.act("move_session"), methods=["POST"]),
        Route("/venue/faults", venue.set_faults, methods=["POST"]),
        Route("/venue/health", venue.health, methods=["GET"]),
    ]
    app = Starlette(
        routes=[*routes, WebSocketRoute("/stream", venue.stream)],
        exception_handlers={VenueError: venue.refuse},
    )
    app.state.venue = venue
    return app
