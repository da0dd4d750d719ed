"""A message of the embedded broker is there whole or not at all."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from kombu import Connection

from portal.core.broker import whole_messages


@pytest.fixture
def connection(tmp_path: Path) -> Connection:
    whole_messages()
    for name in ("messages", "control", "processed"):
        (tmp_path / name).mkdir()
    return Connection(
        "filesystem://",
        transport_options={
            "data_folder_in": str(tmp_path / "messages"),
            "data_folder_out": str(tmp_path / "messages"),
            "control_folder": str(tmp_path / "control"),
            "processed_folder": str(tmp_path / "processed"),
        },
    )


def test_a_reader_never_meets_half_a_message(connection: Connection) -> None:
    large = {"words": "x" * 200_000}
    with connection as line:
        queue = line.SimpleQueue("busy")
        writer = threading.Thread(target=lambda: [queue.put(large) for _ in range(60)])
        writer.start()
        taken = 0
        while taken < 60:
            message = queue.get(timeout=20)
            assert message.payload == large
            message.ack()
            taken += 1
        writer.join()


def test_a_message_on_its_way_belongs_to_no_queue(connection: Connection, tmp_path: Path) -> None:
    with connection as line:
        queue = line.SimpleQueue("quiet")  # kombu remembers queues of the same name over connections
        queue.put({"whole": 1})
        (name,) = [path.name for path in (tmp_path / "messages").iterdir()]
        (tmp_path / "messages" / f".0{name}").write_text('{"half')
        assert queue.get(timeout=20).payload == {"whole": 1}
        assert [path.name for path in (tmp_path / "messages").iterdir()] == [f".0{name}"]
