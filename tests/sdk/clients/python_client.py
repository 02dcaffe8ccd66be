"""An application that uses the Python SDK as its manual says, and sends one of each kind.

Arguments: the DSN, and a folder with inputs.json and the files to attach. Prints the event ids as JSON.
"""

import json
import pathlib
import sys

import sentry_sdk
from sentry_sdk.crons import capture_checkin

dsn, folder = sys.argv[1], pathlib.Path(sys.argv[2])
inputs = json.loads((folder / "inputs.json").read_text("utf-8"))
ids = {}

sentry_sdk.init(
    dsn=dsn,
    release="shop@1.2.3",
    environment="testing",
    traces_sample_rate=1.0,
    enable_logs=True,
    max_value_length=len(inputs["large"]) + 1,
    shutdown_timeout=30,
)

sentry_sdk.set_user({"id": "7", "username": inputs["unicode"]})
sentry_sdk.set_tag("where", "sdk-test")

with sentry_sdk.new_scope() as scope:
    for name in inputs["attachments"]:
        scope.add_attachment(path=str(folder / name))
    sentry_sdk.add_breadcrumb(category="test", message="before", data={"text": inputs["unicode"]})
    try:
        try:
            {}["missing"]
        except KeyError as cause:
            raise ValueError(inputs["unicode"]) from cause
    except ValueError as error:
        ids["error"] = sentry_sdk.capture_exception(error)

ids["message"] = sentry_sdk.capture_message(inputs["unicode"], level="warning")
ids["large"] = sentry_sdk.capture_event({"message": "large", "extra": {"text": inputs["large"]}})

with sentry_sdk.start_transaction(op="task", name="checkout") as transaction:
    for number in range(20):
        with sentry_sdk.start_span(op="db", name=f"SELECT {number}"):
            pass

config = {"schedule": {"type": "crontab", "value": "0 * * * *"}, "timezone": "Europe/Vienna"}
ids["check_in"] = capture_checkin(monitor_slug="hourly", status="in_progress", monitor_config=config)
capture_checkin(monitor_slug="hourly", status="ok", check_in_id=ids["check_in"], duration=1.5)

for mode in ("application", "request"):
    sentry_sdk.get_isolation_scope().start_session(session_mode=mode)
    sentry_sdk.get_isolation_scope().end_session()

for number in range(5):
    sentry_sdk.logger.info("log line {number}: {text}", number=number, text=inputs["unicode"])
sentry_sdk.metrics.count("orders", 3)

sentry_sdk.flush(timeout=30)
sentry_sdk.get_client().close(timeout=30)
print(json.dumps(ids))
