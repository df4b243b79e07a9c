"""A system bus of our own, with nobody on it but a systemd: what it answers is up to the test."""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass, field
from typing import Any

from dbus_fast import Message, MessageType
from dbus_fast._private.unmarshaller import Unmarshaller

from fleetpy_agent.systemd.bus import MANAGER, SYSTEMD
from fleetpy_agent.systemd.paths import ROOT

ROW = "a(ssssssouso)"
Answer = tuple[str, list[Any]] | str | None
"""A signature and a body; the name of an error; or no answer at all."""


@dataclass
class Bus:
    """A bus that nobody is on but systemd, whose answers are `answers`, by member; others are empty."""

    answers: dict[str, Answer] = field(default_factory=dict)
    _writer: asyncio.StreamWriter | None = None
    _serial: int = 1

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, from its greeting on."""
        self._writer = writer
        while not (line := await reader.readline()).startswith(b"BEGIN"):
            if b"AUTH" in line:
                writer.write(b"OK 00000000000000000000000000000000\r\n")
            elif line:
                writer.write(b"ERROR\r\n")
            else:
                return
        while (message := await _read(reader)) is not None:
            self._answer(message)
        self._writer = None
        writer.close()

    @property
    def connected(self) -> bool:
        """Whether there is a client."""
        return self._writer is not None

    def hang_up(self) -> None:
        """The client's connection is closed."""
        assert self._writer is not None
        self._writer.close()

    def signal(self, member: str, signature: str, body: list[Any], path: str = ROOT, interface: str = MANAGER) -> None:
        """systemd signals."""
        self._send(
            Message(
                path=path,
                interface=interface,
                member=member,
                message_type=MessageType.SIGNAL,
                signature=signature,
                body=body,
                sender=SYSTEMD,
            )
        )

    def raw(self, data: bytes) -> None:
        """Anything at all."""
        assert self._writer is not None
        self._writer.write(data)

    def _answer(self, call: Message) -> None:
        usual: dict[str | None, Answer] = {"Hello": ("s", [":1.1"]), "NameHasOwner": ("b", [True])}
        answer = self.answers.get(call.member or "", usual.get(call.member, ("", [])))
        if isinstance(answer, str):
            self._send(Message.new_error(call, answer, "no"))
        elif answer is not None:
            self._send(Message.new_method_return(call, *answer))

    def _send(self, message: Message) -> None:
        self._serial += 1
        message.serial = self._serial
        self.raw(bytes(message._marshall(negotiate_unix_fd=False)))


async def _read(reader: asyncio.StreamReader) -> Message | None:
    """The next message; None at the end."""
    try:
        head = await reader.readexactly(16)
        fields = int.from_bytes(head[12:16], "little")
        rest = await reader.readexactly(-(-fields // 8) * 8 + int.from_bytes(head[4:8], "little"))
    except (asyncio.IncompleteReadError, ConnectionResetError):
        return None
    stream: Any = io.BytesIO(head + rest)
    return Unmarshaller(stream).unmarshall()
