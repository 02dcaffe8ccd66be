"""Clients beside the SDKs that `main.py` runs: the SDK for Rust, a browser, OpenTelemetry, and those who have only curl."""

import functools
import gzip
import json
import os
import pathlib
import subprocess
import sys
import threading
import urllib.parse
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from doubles import PATIENCE, Tap

HERE = pathlib.Path(__file__).parent
PROJECT = 42
DUMP = b"MDMP" + bytes(range(256)) * 400


def expect(condition, problem):
    return [] if condition else [problem]


def run(*command, **environment):
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=4 * PATIENCE,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed:\n{done.stderr.decode(errors='replace')}")
    return done.stdout.decode()


def curl(*arguments):
    """Status and body of the answer."""
    body, _, status = run("curl", "-sS", "-w", "\n%{http_code}", *arguments).rpartition("\n")
    return int(status), body


def rust(report, binary, relay, upstream, folder):
    key = uuid.uuid4().hex
    tap = Tap(relay.authority)
    ids = json.loads(run(binary, f"http://{key}@{tap.authority}/{PROJECT}", folder))
    passed = tap.exchanges()
    envelopes = [request.envelope() for request in upstream.wait_for(key, len(passed))]
    statuses = {one.answer.status for one in passed}
    report.check("rust: every request was answered 200", expect(statuses == {200}, f"{statuses}"))
    sent = sorted(one.request.envelope().fingerprint for one in passed)
    report.check(
        "rust: every envelope arrived once, with equal payloads",
        expect(sorted(one.fingerprint for one in envelopes) == sent, f"{len(envelopes)} of {len(sent)}"),
    )
    kinds = {kind for one in envelopes for kind in one.types}
    wanted = {"event", "attachment", "session", "transaction", "log"}
    report.check("rust: one of each kind arrived", expect(wanted <= kinds, f"{kinds}"))
    error = next((one for one in envelopes if "event" in one.types), None)
    uuid_of = error and error.header["event_id"].replace("-", "")
    report.check("rust: the error has its id", expect(uuid_of == ids["error"], f"{uuid_of}"))
    files = [item.payload for item in error.items if item.type == "attachment"] if error else []
    report.check(
        "rust: the attachment arrives byte for byte",
        expect(files == [(folder / "binary.bin").read_bytes()], f"{len(files)} attachments"),
    )


def otel(report, packages, relay, upstream):
    key = uuid.uuid4().hex
    tap = Tap(relay.authority)
    base = f"http://{tap.authority}/api/{PROJECT}/integration/otlp"
    run(sys.executable, "-S", HERE / "clients/otel_client.py", base, key, PYTHONPATH=str(packages))
    passed = tap.exchanges()
    report.check(
        "otel: the exporter was answered 200 in protobuf, without a byte",
        expect(
            [(one.answer.status, one.answer.header("Content-Type"), one.answer.body) for one in passed]
            == [(200, "application/x-protobuf", b"")] * len(passed)
            and len(passed) == 2,
            f"{[one.answer for one in passed]}",
        ),
    )
    items = [item for one in upstream.wait_for(key, len(passed)) for item in one.envelope().items]
    kinds = sorted(item.header.get("content_type") for item in items)
    prefix = "application/vnd.sentry.integration.otel"
    report.check(
        "otel: spans and logs arrive as what they are",
        expect(kinds == [f"{prefix}.logs+protobuf", f"{prefix}.spans+protobuf"], f"{kinds}"),
    )
    bodies = sorted(one.request.decoded() for one in passed)
    report.check(
        "otel: protobuf arrives byte for byte, decompressed",
        expect(sorted(item.payload for item in items) == bodies, f"{len(items)} items"),
    )
    everything = b"".join(bodies)
    texts = (b"checkout", b"payment", b"the cart is empty")
    report.check("otel: both spans and the log are in it", [f"{text}" for text in texts if text not in everything])


def crash_reporter(report, relay, upstream, folder):
    (folder / "crash.dmp").write_bytes(DUMP)
    (folder / "crash.dmp.gz").write_bytes(gzip.compress(DUMP))
    url = f"http://{relay.authority}/api/{PROJECT}/minidump/?sentry_key="
    fields = ["-F", "version=1.2", "-F", f"log=@{folder}/notes.txt;type=text/plain"]
    for name, arguments, filename in (
        ("a form", ["-F", f"upload_file_minidump=@{folder}/crash.dmp", *fields], "crash.dmp"),
        ("a compressed file in a form", ["-F", f"upload_file_minidump=@{folder}/crash.dmp.gz", *fields], "crash.dmp"),
        ("a body", ["-H", "Content-Type: application/x-dmp", "--data-binary", f"@{folder}/crash.dmp"], "Minidump"),
    ):
        key = uuid.uuid4().hex
        status, answer = curl(*arguments, url + key)
        envelope = upstream.wait_for(key, 1)[0].envelope()
        dump = envelope.items[0]
        told = (status, answer.replace("-", ""))
        report.check(
            f"curl: a minidump as {name}",
            expect(told == (200, envelope.header["event_id"]), f"{told}")
            + expect(dump.payload == DUMP, f"{len(dump.payload)} bytes arrived")
            + expect(dump.header["attachment_type"] == "event.minidump", f"{dump.header}")
            + expect(dump.header["filename"] == filename, f"{dump.header}"),
        )
    kinds = [item.header.get("filename", item.type) for item in envelope.items]
    report.check("curl: a body brings nothing but the dump", expect(kinds == ["Minidump"], f"{kinds}"))


def cron(report, relay, upstream):
    key = uuid.uuid4().hex
    url = f"http://{relay.authority}/api/{PROJECT}/cron/nightly/{key}/"
    body = json.dumps({"status": "ok", "monitor_config": {"schedule": {"type": "crontab", "value": "0 3 * * *"}}})
    answers = [
        curl(f"{url}?status=in_progress"),
        curl("-H", "Content-Type: application/json", "-d", body, url),
    ]
    report.check("curl: check-ins are accepted", expect(answers == [(202, "")] * 2, f"{answers}"))
    got = [one.envelope().items[0].json() for one in upstream.wait_for(key, 2)]
    report.check(
        "curl: check-ins arrive",
        expect(sorted(one["status"] for one in got) == ["in_progress", "ok"], f"{got}")
        + expect({one["monitor_slug"] for one in got} == {"nightly"}, f"{got}"),
    )


class Site:
    """A page with the SDK for browsers, on an origin of its own; `/tunnel` of it leads to the relay."""

    def __init__(self, script, relay, policy):
        self._done = threading.Condition()
        self._results = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                page = self.path.partition("?")[0]
                if page == "/client.js":
                    self.answer(200, script, "text/javascript")
                elif page == "/":
                    page = b'<!doctype html><title>shop</title><script type="module" src="/client.js"></script>'
                    blocked = b'<img src="http://127.0.0.1:1/pixel.gif">' if "blocked" in self.path else b""
                    self.answer(200, page + blocked, "text/html", {"Content-Security-Policy-Report-Only": policy})
                else:
                    self.answer(404, b"", "text/plain")

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.path == "/done":
                    site.finish(json.loads(body))
                    return self.answer(204, b"", "text/plain")
                # What a web server in front does with the path of the tunnel.
                request = urllib.request.Request(f"http://{relay.authority}{self.path}", body)
                with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                    self.answer(answer.status, answer.read(), "application/json")

            def answer(self, status, body, kind, headers=None):
                self.send_response(status)
                for name, value in {"Content-Type": kind, **(headers or {})}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def finish(self, result):
        with self._done:
            self._results.append(result)
            self._done.notify_all()

    def visit(self, chromium, profile, query):
        """What the page says of itself when it is through."""
        seen = len(self._results)
        browser = subprocess.Popen(
            [
                chromium,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                f"--user-data-dir={profile}",
                "--remote-debugging-port=0",
                self.url + "?" + urllib.parse.urlencode(query, doseq=True),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            with self._done:
                if not self._done.wait_for(lambda: len(self._results) > seen, 2 * PATIENCE):
                    raise RuntimeError("the page did not come to its end")
                return self._results[seen]
        finally:
            browser.terminate()
            browser.wait(PATIENCE)

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def browser(report, chromium, script, relay, upstream, folder):
    reports = uuid.uuid4().hex
    policy = f"img-src 'self'; report-uri http://{relay.authority}/api/{PROJECT}/security/?sentry_key={reports}"
    site = Site(script.read_bytes(), relay, policy)
    visit = functools.partial(site.visit, chromium)

    def arrived(key, count):
        return [one.envelope() for one in upstream.wait_for(key, count)]

    key = uuid.uuid4().hex
    dsn = f"http://{key}@{relay.authority}/{PROJECT}"
    result = visit(folder / "direct", {"dsn": dsn, "error": ["one"], "blocked": ""})
    report.check(
        "browser: another origin is allowed to read the answers",
        expect({status for status, _ in result.get("statuses", [])} == {200}, f"{result}"),
    )
    ids = [one.header.get("event_id") for one in arrived(key, 1) if "event" in one.types]
    report.check("browser: the error arrives under its id", expect(ids == result.get("ids"), f"{ids} {result}"))
    violations = arrived(reports, 1)
    payload = violations[0].items[0].json() if violations else {}
    report.check(
        "browser: its report of a blocked picture arrives",
        expect("127.0.0.1:1" in json.dumps(payload) and violations[0].types == ["raw_security"], f"{payload}"),
    )

    tunnelled = uuid.uuid4().hex
    dsn = f"https://{tunnelled}@o1.ingest.sentry.io/{PROJECT}"
    result = visit(folder / "tunnel", {"dsn": dsn, "tunnel": "/tunnel", "error": ["two"]})
    ids = [one.header.get("event_id") for one in arrived(tunnelled, 1) if "event" in one.types]
    report.check("browser: an error arrives through the tunnel", expect(ids == result.get("ids"), f"{ids} {result}"))

    limited = uuid.uuid4().hex
    upstream.answers[limited] = (429, {"X-Sentry-Rate-Limits": "600:error:key:too_much"}, b"{}")
    dsn = f"http://{limited}@{relay.authority}/{PROJECT}"
    visit(folder / "first", {"dsn": dsn, "error": ["three"]})
    upstream.wait_for(limited, 1)
    result = visit(folder / "second", {"dsn": dsn, "error": ["four", "five"]})
    limits = [limits for status, limits in result.get("statuses", []) if status == 429]
    report.check(
        "browser: the SDK reads a limit from headers that CORS exposes, and sends no more errors",
        expect(len(limits) == 1 and (limits[0] or "").endswith(":error:key:too_much"), f"{result}"),
    )
    site.close()


def check_all(report, arguments, relay, upstream, folder):
    report.guard("rust", rust, arguments.rust_client, relay, upstream, folder)
    report.guard("otel", otel, arguments.python_packages / "otel", relay, upstream)
    report.guard("minidumps", crash_reporter, relay, upstream, folder)
    report.guard("cron", cron, relay, upstream)
    script = arguments.node_folder / "browser.js"
    report.guard("browser", browser, arguments.chromium, script, relay, upstream, folder)
