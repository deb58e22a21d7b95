"""The `trade_updates` stream: Alpaca's handshake, binary frames of JSON, no replay of what was missed."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

Frame = dict[str, Any]


class Hub:
    """Listeners by account; lives on the event loop."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[asyncio.Queue[Frame]]] = defaultdict(set)

    def publish(self, account: str, frames: list[Frame]) -> None:
        """Hand the frames to every listener of the account."""
        for queue in self._listeners[account]:
            for frame in frames:
                queue.put_nowait(frame)

    async def serve(self, socket: WebSocket, authorized: Callable[[str, str], bool]) -> None:
        """Serve one connection until it closes."""
        await socket.accept()
        try:
            account = await _authenticate(socket, authorized)
            if account is None:
                await socket.close()
                return
            queue: asyncio.Queue[Frame] = asyncio.Queue()
            sender = asyncio.create_task(_send_all(socket, queue))
            try:
                await self._listen(socket, account, queue)
            finally:
                self._listeners[account].discard(queue)
                sender.cancel()
        except WebSocketDisconnect:
            return

    async def _listen(self, socket: WebSocket, account: str, queue: asyncio.Queue[Frame]) -> None:
        """Follow `listen` messages; each replaces the whole set of streams."""
        while True:
            message = await _receive(socket)
            if message.get("action") != "listen":
                continue
            streams = [s for s in message.get("data", {}).get("streams", []) if s == "trade_updates"]
            # Joined before the answer is queued, so no event after the answer can be missed.
            (self._listeners[account].add if streams else self._listeners[account].discard)(queue)
            queue.put_nowait({"stream": "listening", "data": {"streams": streams}})


async def _authenticate(socket: WebSocket, authorized: Callable[[str, str], bool]) -> str | None:
    """The account of a correct first message, else None; answers either way."""
    message = await _receive(socket)
    data = message.get("data", message)  # both shapes are in use: {"data": {"key_id": …}} and {"key": …}
    key = str(data.get("key_id", data.get("key", "")))
    secret = str(data.get("secret_key", data.get("secret", "")))
    good = message.get("action") in ("authenticate", "auth") and authorized(key, secret)
    status = "authorized" if good else "unauthorized"
    await _send(socket, {"stream": "authorization", "data": {"status": status, "action": "authenticate"}})
    return key if good else None


async def _receive(socket: WebSocket) -> Frame:
    """The next message as a JSON object; anything else reads as an empty one."""
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1000))
    try:
        frame = json.loads(message.get("text") or message.get("bytes") or "{}")
    except ValueError:
        return {}
    return frame if isinstance(frame, dict) else {}


async def _send(socket: WebSocket, frame: Frame) -> None:
    await socket.send_bytes(json.dumps(frame).encode())


async def _send_all(socket: WebSocket, queue: asyncio.Queue[Frame]) -> None:
    while True:
        await _send(socket, await queue.get())
