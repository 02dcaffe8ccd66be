"""Unmodified SDKs against the relay binary.

Each client runs as a process of its own and talks to the relay through a tap, so that what it put on the wire is
known; a recording upstream keeps what came out on the other side. Both are read by code that shares nothing with
the relay. Ends with `N passed, N failed` and a matching exit code.
"""

import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import traceback
import urllib.request
import uuid
from collections import Counter
from dataclasses import dataclass, field

import guests
from compare import envelope_differences, request_differences
from doubles import PATIENCE, Tap, Upstream
from relay import Relay
from wire import Envelope, Message

HERE = pathlib.Path(__file__).parent
PROJECT = 42
UNICODE = "Grüße, 世界 🚀 \u2028 e\u0301 \ufeff\\u0000 \"quoted\""


@dataclass
class Client:
    """An SDK, how it is configured, and what it is expected to put on the wire because of that."""

    name: str
    command: list
    environment: dict
    encoding: str
    kinds: Counter
    inputs: dict = field(default_factory=dict)
    tunnel: bool = False

    def run(self, dsn, folder, *arguments):
        """The event ids that the client printed."""
        settings = {**json.loads((folder / "common.json").read_text("utf-8")), **self.inputs}
        (folder / "inputs.json").write_text(json.dumps(settings), "utf-8")
        done = subprocess.run(
            [*self.command, dsn, str(folder), *arguments],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=4 * PATIENCE,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{self.name} failed:\n{done.stderr.decode(errors='replace')}")
        return json.loads(done.stdout.decode().splitlines()[-1])


PYTHON_KINDS = Counter(
    {
        "event": 3,
        "attachment": 3,
        "transaction": 1,
        "check_in": 2,
        "session": 1,
        "sessions": 1,
        "log": 1,
        "trace_metric": 1,
    }
)
NODE_KINDS = Counter(
    {"event": 3, "attachment": 3, "check_in": 2, "session": 2, "log": 1, "trace_metric": 1}
)


def clients(python_packages, node_folder):
    # -S: what the machine has installed stays out of the SDK's sight.
    python = [sys.executable, "-S", str(HERE / "clients/python_client.py")]
    sdk, brotli = python_packages / "sdk", python_packages / "brotli"
    node = ["node", str(node_folder / "node_client.mjs")]
    streamed, whole = NODE_KINDS + Counter({"span": 1}), NODE_KINDS + Counter({"transaction": 1})
    return [
        Client("python, gzip", python, {"PYTHONPATH": str(sdk)}, "gzip", PYTHON_KINDS),
        Client("python, br", python, {"PYTHONPATH": f"{sdk}:{brotli}"}, "br", PYTHON_KINDS),
        Client("node, streamed spans", node, {}, "gzip", streamed),
        Client("node, transactions", node, {}, "gzip", whole, {"traceLifecycle": "static"}),
        Client("node, tunnel", node, {}, "gzip", streamed, tunnel=True),
    ]


class Report:
    """Prints a line for each check and counts them."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name, problems):
        if problems:
            self.failed += 1
            print(f"FAIL {name}")
            for problem in problems[:10]:
                print(f"     {problem[:500]}")
        else:
            self.passed += 1
            print(f"ok   {name}")
        sys.stdout.flush()

    def guard(self, name, test, *arguments):
        """Runs checks that may break off; breaking off is one more failure."""
        try:
            test(self, *arguments)
        except Exception:
            self.check(f"{name}: runs to its end", traceback.format_exc().splitlines()[-8:])


def expect(condition, problem):
    return [] if condition else [problem]


def write_inputs(folder):
    randomness = random.Random(42)
    (folder / "binary.bin").write_bytes(randomness.randbytes(200_000))
    (folder / "notes.txt").write_text("first line\n\nthird line, then a newline\n")
    (folder / "empty.txt").write_bytes(b"")
    words = [f"w{randomness.getrandbits(40):x}" for _ in range(2000)]
    text = " ".join(randomness.choice(words) for _ in range(100_000))
    common = {
        "unicode": UNICODE,
        "large": text[:900_000],
        "attachments": ["binary.bin", "notes.txt", "empty.txt"],
    }
    (folder / "common.json").write_text(json.dumps(common), "utf-8")
    return common


def forwarding(report, client, relay, upstream, folder, common):
    """One client, proxy mode: everything it sends arrives, once and unchanged."""
    key = uuid.uuid4().hex
    tap = Tap(relay.authority)
    tunnel = [f"http://{tap.authority}/api/{PROJECT}/envelope/"] if client.tunnel else []
    ids = client.run(f"http://{key}@{tap.authority}/{PROJECT}", folder, *tunnel)
    exchanges = tap.exchanges()
    got = upstream.wait_for(key, len(exchanges))

    def check(what, problems):
        report.check(f"{client.name}: {what}", problems)

    sent_kinds = Counter(kind for passed in exchanges for kind in passed.request.envelope().types)
    sent_kinds.pop("client_report", None)
    check("the client sent one of each kind", expect(sent_kinds == client.kinds, f"sent {sent_kinds}"))
    encodings = {passed.request.header("Content-Encoding") for passed in exchanges}
    check(f"the client used {client.encoding}", expect(client.encoding in encodings, f"used {encodings}"))
    statuses = Counter(passed.answer.status for passed in exchanges)
    check("every request was answered 200", expect(set(statuses) == {200}, f"answers {statuses}"))

    arrived = {}
    for request in got:
        arrived.setdefault(request.envelope().fingerprint, []).append(request)
    authority = tap.authority if client.tunnel else upstream.authority
    pairs = []
    for passed in exchanges:
        twins = arrived.get(passed.request.envelope().fingerprint)
        if twins:
            pairs.append((passed.request, twins.pop(0)))
    lost = len(exchanges) - len(pairs)
    surplus = sum(len(twins) for twins in arrived.values())
    check(
        "every envelope arrived once, with equal payloads",
        expect(lost == surplus == 0, f"{lost} of {len(exchanges)} missing, {surplus} not sent like this"),
    )
    check(
        "envelope and item headers arrived with equal values",
        [text for sent, twin in pairs for text in envelope_differences(sent, twin, key, PROJECT, authority)],
    )
    check(
        "requests to the upstream name the sender and are well formed",
        [text for sent, twin in pairs for text in request_differences(sent, twin, key, PROJECT)],
    )

    # What follows knows what the application did, not only what the SDK made of it.
    envelopes = [request.envelope() for request in got]
    by_id = {envelope.header.get("event_id"): envelope for envelope in envelopes}
    events = {name: by_id.get(ids[name]) for name in ("error", "message", "large")}
    missing = [name for name, envelope in events.items() if envelope is None]
    check("events arrived under the ids the application was told", [f"no {name}" for name in missing])
    if missing:
        return
    exceptions = events["error"].items[0].json()["exception"]["values"]
    check(
        "an exception keeps its cause and its unicode",
        expect(UNICODE in [value.get("value") for value in exceptions], f"values {exceptions}")
        + expect(len(exceptions) == 2, f"{len(exceptions)} exceptions"),
    )
    attachments = {item.header["filename"]: item.payload for item in events["error"].items[1:]}
    check(
        "attachments arrive byte for byte, the empty one too",
        [name for name in common["attachments"] if attachments.get(name) != (folder / name).read_bytes()],
    )
    large = events["large"].items[0].json()["extra"]["text"]
    check("a 900 KB event arrives whole", expect(large == common["large"], f"{len(large)} characters arrived"))
    items = [item for envelope in envelopes for item in envelope.items]
    check_ins = [item.json() for item in items if item.type == "check_in"]
    check(
        "both check-ins arrive under one id",
        expect({one["check_in_id"] for one in check_ins} == {ids["check_in"]}, f"{check_ins}")
        + expect(sorted(one["status"] for one in check_ins) == ["in_progress", "ok"], f"{check_ins}"),
    )
    logs = [entry["body"] for item in items if item.type == "log" for entry in item.json()["items"]]
    check("five log lines arrive", expect(len(logs) == 5 and UNICODE in logs[0], f"{logs}"))
    spans = [
        span
        for item in items
        if item.type in ("transaction", "span")
        for span in item.json().get("spans") or item.json().get("items")
    ]
    queries = [span for span in spans if "SELECT" in json.dumps(span)]
    check("twenty child spans arrive", expect(len(queries) == 20, f"{len(queries)} of {len(spans)} spans"))


def rate_limits(report, client, relay, upstream, folder):
    """An upstream's limit reaches the application's SDK with the relay's next answer."""
    key = uuid.uuid4().hex
    url = f"http://{relay.authority}/api/{PROJECT}/envelope/?sentry_key={key}"
    upstream.answers[key] = (429, {"X-Sentry-Rate-Limits": "600:error:key:too_much"}, b"{}")
    body = b'{}\n{"type":"event"}\n{"message":"until the limit is known"}\n'
    # The first answer from the upstream teaches the relay the limit; which of our requests meets it first is open.
    attempts = 0
    while attempts < 100 and post(url, body).status == 200:
        attempts += 1
        upstream.wait_for(key, attempts)
    upstream.answers.pop(key)
    seen = len(upstream.of(key))

    tap = Tap(relay.authority)
    client.run(f"http://{key}@{tap.authority}/{PROJECT}", folder)
    exchanges = tap.exchanges()
    errors = [passed for passed in exchanges if "event" in passed.request.envelope().types]
    others = [passed for passed in exchanges if "event" not in passed.request.envelope().types]
    got = upstream.wait_for(key, seen + len(others))[seen:]
    limit = (errors[0].answer.header("X-Sentry-Rate-Limits") or "") if errors else ""
    report.check(
        f"{client.name}: a limit of the upstream is answered with 429 and its headers",
        expect([one.answer.status for one in errors] == [429], f"{[one.answer.status for one in errors]}")
        + expect(limit.endswith(":error:key:too_much"), f"header {limit!r}"),
    )
    report.check(
        f"{client.name}: what is not limited still arrives",
        expect({one.answer.status for one in others} == {200}, "refused")
        + expect(len(got) == len(others), f"{len(got)} of {len(others)} arrived")
        + expect("transaction" in [kind for one in got for kind in one.envelope().types], "no transaction"),
    )


def capture(report, client, command, folder):
    """No configuration, no flag but the port: what a client sends to the printed DSN can be read back."""
    with tempfile.TemporaryDirectory() as empty:
        relay = Relay(command, empty)
        api = f"http://{relay.authority}/api/relay/events/"
        try:
            tap = Tap(relay.authority)
            ids = client.run(relay.dsn.replace(relay.authority, tap.authority), folder)
            sent = [passed.request.envelope() for passed in tap.exchanges()]

            def check(what, problems):
                report.check(f"capture, {client.name}: {what}", problems)

            project = relay.dsn.rsplit("/", 1)[1]
            listed = get_json(f"{api}?project={project}&type=event&wait={PATIENCE}")["events"]
            found = [entry["event_id"] for entry in listed]
            check("a waiting list names the error", expect(ids["error"] in found, f"{found}"))
            error = next(one for one in sent if one.header.get("event_id") == ids["error"])
            raw = Envelope.parse(get(f"{api}{ids['error']}/").body)
            check("the raw envelope holds the same bytes", expect(raw.fingerprint == error.fingerprint, f"{raw.types}"))
            shown = get_json(f"{api}{ids['error']}/?format=json")
            check(
                "as JSON the event can be asserted on",
                expect(shown["items"][0]["payload"] == error.items[0].json(), f"{shown['items'][0]}")
                + expect("payload_base64" in shown["items"][1], f"{shown['items'][1].keys()}"),
            )
            warnings = get_json(f"{api}?level=warning")["events"]
            check(
                "the level filters",
                expect([one["event_id"] for one in warnings] == [ids["message"]], f"{warnings}"),
            )
            everything = get_json(api)["events"]
            check("everything was kept", expect(len(everything) == len(sent), f"{len(everything)} of {len(sent)}"))
            get(api, "DELETE")
            check("DELETE empties it", [f"{one}" for one in get_json(api)["events"]])
        finally:
            code = relay.stop()
        report.check(f"capture, {client.name}: SIGTERM ends the relay with exit code 0", expect(code == 0, f"{code}"))
        report.check(f"capture, {client.name}: every item is accounted for", relay.accounts())


def post(url, body):
    return get(url, "POST", body)


def get(url, method="GET", body=None):
    request = urllib.request.Request(url, data=body, method=method)
    try:
        answer = urllib.request.urlopen(request, timeout=2 * PATIENCE)
    except urllib.error.HTTPError as refused:
        answer = refused
    with answer:
        return Message(["HTTP/1.1", str(answer.status)], list(answer.headers.items()), answer.read())


def get_json(url):
    return json.loads(get(url).body)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python-packages", required=True, type=pathlib.Path)
    parser.add_argument("--node-folder", required=True, type=pathlib.Path)
    parser.add_argument("--rust-client", required=True, type=pathlib.Path)
    parser.add_argument("--chromium", required=True)
    parser.add_argument("relay", nargs="+", help="the command that is the relay binary")
    arguments = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        common = write_inputs(folder)
        everyone = clients(arguments.python_packages, arguments.node_folder)
        upstream = Upstream()
        (folder / "config").mkdir()
        (folder / "config/config.yml").write_text("tunnel: {allow: [o1.ingest.sentry.io/42]}\n")
        relay = Relay(
            arguments.relay,
            folder,
            "--config",
            "config",
            "--mode",
            "proxy",
            "--upstream",
            f"http://{upstream.authority}",
        )
        for client in everyone:
            report.guard(client.name, forwarding, client, relay, upstream, folder, common)
        report.guard("rate limits", rate_limits, everyone[0], relay, upstream, folder)
        guests.check_all(report, arguments, relay, upstream, folder)
        recorded = len(upstream.requests)
        code = relay.stop()
        report.check("proxy: SIGTERM ends the relay with exit code 0", expect(code == 0, f"{code}"))
        report.check("proxy: every item is accounted for", relay.accounts())
        surplus = len(upstream.requests) - recorded
        report.check("proxy: nothing was sent twice at the end", expect(surplus == 0, f"{surplus} more requests"))
        if report.failed:
            print("".join(relay.output[-50:]))
        for client in (everyone[0], everyone[3]):
            report.guard(f"capture, {client.name}", capture, client, arguments.relay, folder)
        upstream.close()
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
