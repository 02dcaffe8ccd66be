"""What stands around the relay in a test: an upstream that records, and a tap on the way to the relay."""

import socket
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from wire import Malformed, Message, messages

PATIENCE = 60
"""Seconds after which something that has not happened is a failure; nothing waits this long when all is well."""


class Upstream:
    """Answers every request and remembers it."""

    def __init__(self):
        self.requests = []
        self.answers = {}
        self._arrived = threading.Condition()
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = Message([self.command, self.path], list(self.headers.items()), body)
                status, headers, answer = upstream.answer_to(request)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
                upstream.record(request)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        self._server = Server(("127.0.0.1", 0), Handler)
        self.authority = "127.0.0.1:%d" % self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer_to(self, request):
        return self.answers.get(public_key(request), (200, {"Content-Type": "application/json"}, b"{}"))

    def record(self, request):
        # What the relay itself has to tell, of limits that a test made, comes when it will, and is in no test.
        if (request.header("User-Agent") or "").startswith("sentry-relay/"):
            return
        with self._arrived:
            self.requests.append(request)
            self._arrived.notify_all()

    def of(self, key):
        """The recorded requests sent with this public key, oldest first."""
        return [request for request in list(self.requests) if public_key(request) == key]

    def wait_for(self, key, count):
        """The requests of this key, as soon as there are `count` of them or patience is over."""
        with self._arrived:
            self._arrived.wait_for(lambda: len(self.of(key)) >= count, PATIENCE)
        return self.of(key)

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def public_key(request):
    for pair in (request.header("X-Sentry-Auth") or "").removeprefix("Sentry ").split(", "):
        name, _, value = pair.partition("=")
        if name == "sentry_key":
            return value
    return None


@dataclass
class Exchange:
    """One request as the client sent it, and the answer it got."""

    request: Message
    answer: Message


class Tap:
    """Passes bytes both ways between clients and `target` unchanged, and keeps a copy of them.

    The clients stay as they are: no transport of theirs is replaced or wrapped.
    """

    def __init__(self, target):
        host, port = target.split(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.authority = "127.0.0.1:%d" % self._listener.getsockname()[1]
        self._connections = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(Connection(client, socket.create_connection(self._target)))

    def exchanges(self):
        """What passed, connection by connection. Only for clients that have closed their connections."""
        self._listener.close()
        passed = []
        for connection in self._connections:
            passed.extend(connection.exchanges())
        return passed


class Connection:
    def __init__(self, client, target):
        self._sent, self._received = bytearray(), bytearray()
        self._threads = [
            threading.Thread(target=copy, args=(client, target, self._sent), daemon=True),
            threading.Thread(target=copy, args=(target, client, self._received), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def exchanges(self):
        for thread in self._threads:
            thread.join(PATIENCE)
            if thread.is_alive():
                raise Malformed("a connection was not closed")
        requests, answers = list(messages(self._sent)), list(messages(self._received))
        if len(requests) != len(answers):
            raise Malformed(f"{len(requests)} requests got {len(answers)} answers on one connection")
        return [Exchange(request, answer) for request, answer in zip(requests, answers)]


def copy(source, sink, record):
    try:
        while data := source.recv(65536):
            record += data
            sink.sendall(data)
    except OSError:
        pass
    finally:
        # Only this direction ends: an answer may still be on its way to somebody who has sent everything.
        try:
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass
