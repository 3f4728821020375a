import http.client
import socket
import threading
import time

import pytest
import uvicorn

from longspan.serve.app import make_app
from longspan.serve.draining import DrainingServer


class Running:
    """A server in a thread, on a port of its own."""

    def __init__(self, app):
        self.sock = socket.socket()
        self.sock.bind(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.open = []
        self.told = threading.Event()
        self.server = DrainingServer(uvicorn.Config(app, log_level="warning"), self.told.set)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.sock]}, daemon=True)
        self.thread.start()
        assert self.told.wait(20)

    def connection(self):
        self.open.append(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20))
        return self.open[-1]

    def stop(self):
        self.server.should_exit = True


def ask(connection, text="hello"):
    connection.request("POST", "/predict/echo", body=text, headers={"content-type": "text/plain"})
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), answer.getheader("connection")


@pytest.fixture
def running(echo):
    server = Running(make_app([echo()]))
    yield server
    server.stop()
    server.thread.join(20)
    for each in server.open:
        each.close()


def test_a_request_on_an_open_connection_is_answered_while_the_server_stops(running):
    connection = running.connection()
    status, _, header = ask(connection)
    assert (status, header) == (200, None)
    running.stop()
    time.sleep(0.4)  # plain uvicorn has closed the connection by now
    status, text, header = ask(connection, "last")
    assert (status, header) == (200, "close")
    assert "last" in text
    running.thread.join(20)
    assert not running.thread.is_alive()


def test_new_connections_are_refused_while_the_server_stops(running):
    before = running.connection()
    assert ask(before)[0] == 200
    running.stop()
    time.sleep(0.4)
    with pytest.raises(ConnectionRefusedError):
        ask(running.connection())
    assert ask(before)[0] == 200


def test_it_ends_though_a_connection_stays_silent(running):
    silent = running.connection()
    assert ask(silent)[0] == 200
    running.stop()
    running.thread.join(10)
    assert not running.thread.is_alive()
