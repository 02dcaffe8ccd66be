// A page with the SDK for browsers. What it is to do stands in its address; how it went it tells the server it came from.
import * as Sentry from "@sentry/browser";

const wanted = new URLSearchParams(location.search);
const statuses = [];
const plainFetch = window.fetch.bind(window);

Sentry.init({
  dsn: wanted.get("dsn"),
  tunnel: wanted.get("tunnel") ?? undefined,
  release: "shop@1.0",
  tracesSampleRate: 0,
  // The SDK's own transport, which is what meets CORS; only looked at.
  transport: (options) =>
    Sentry.makeFetchTransport(options, async (...request) => {
      const answer = await plainFetch(...request);
      statuses.push([answer.status, answer.headers.get("x-sentry-rate-limits")]);
      return answer;
    }),
});

async function run() {
  const ids = [];
  for (const message of wanted.getAll("error")) {
    ids.push(Sentry.captureException(new Error(message)));
    await Sentry.flush(30_000);
  }
  return { ids, statuses };
}

run()
  .catch((error) => ({ failed: String(error) }))
  .then((result) => plainFetch("/done", { method: "POST", body: JSON.stringify(result) }));
