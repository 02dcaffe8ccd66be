"""What must reach the upstream, told from what the client sent. Every function gives a list of differences."""

from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

PEER = "127.0.0.1"


def sender(request):
    """Key, version and client name a request names, from its header or its query."""
    header = request.header("X-Sentry-Auth")
    if header is not None:
        pairs = dict(pair.strip().split("=", 1) for pair in header.split(" ", 1)[1].split(","))
    else:
        pairs = {name: values[0] for name, values in parse_qs(urlsplit(request.path).query).items()}
    return pairs.get("sentry_key"), pairs.get("sentry_version", "7"), pairs.get("sentry_client")


def request_differences(sent, got, key, project):
    """The HTTP side of a forwarded envelope."""
    _, version, client = sender(sent)
    auth = f"Sentry sentry_key={key}, sentry_version={version}"
    if client is not None:
        auth += f", sentry_client={client}"
    return differences(
        {
            "path": f"/api/{project}/envelope/",
            "Content-Type": "application/x-sentry-envelope",
            "Content-Encoding": "zstd",
            "Content-Length": str(len(got.body)),
            "Transfer-Encoding": None,
            "X-Sentry-Auth": auth,
            "X-Forwarded-For": PEER,
            "User-Agent": sent.header("User-Agent"),
        },
        {"path": got.path}
        | {
            name: got.header(name)
            for name in (
                "Content-Type",
                "Content-Encoding",
                "Content-Length",
                "Transfer-Encoding",
                "X-Sentry-Auth",
                "X-Forwarded-For",
                "User-Agent",
            )
        },
    )


def envelope_differences(sent, got, key, project, authority):
    """Headers by value, items by order, payloads byte for byte.

    `authority` is the host and port of the forwarded DSN.
    """
    before, after = sent.envelope(), got.envelope()
    _, version, client = sender(sent)
    expected = {
        **before.header,
        "dsn": f"http://{key}:@{authority}/{project}",
        "version": int(version),
        "client": client,
        "user_agent": sent.header("User-Agent"),
        "remote_addr": PEER,
        "forwarded_for": PEER,
    }
    found = differences(normalised(expected), normalised(after.header))
    if len(before.items) != len(after.items):
        return [*found, f"{len(before.items)} items became {len(after.items)}"]
    for index, (item, arrived) in enumerate(zip(before.items, after.items)):
        found += [f"item {index}: {text}" for text in differences(item.header, arrived.header)]
        if item.payload != arrived.payload:
            found.append(f"item {index} ({item.type}): payload differs")
    return found


def normalised(header):
    """An envelope header by value: spellings that mean the same become the same."""
    header = {name: value for name, value in header.items() if value is not None}
    if "event_id" in header:
        header["event_id"] = UUID(header["event_id"]).hex
    if "sent_at" in header:
        header["sent_at"] = instant(header["sent_at"])
    if "trace" in header:
        trace = {name: value for name, value in header["trace"].items() if value is not None}
        trace["trace_id"] = UUID(trace["trace_id"]).hex
        if "sample_rate" in trace:
            trace["sample_rate"] = float(trace["sample_rate"])
        if "sampled" in trace:
            trace["sampled"] = str(trace["sampled"]).lower()
        header["trace"] = trace
    return header


def instant(text):
    """Milliseconds since the epoch."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)


def differences(expected, got):
    """Which entries of two dictionaries differ."""
    return [
        f"{name}: expected {expected.get(name)!r}, got {got.get(name)!r}"
        for name in sorted(expected.keys() | got.keys())
        if expected.get(name) != got.get(name)
    ]
