// An application that uses the Node SDK as its manual says, and sends one of each kind.
//
// Arguments: the DSN, a folder with inputs.json and the files to attach, and optionally a tunnel URL.
// Prints the event ids as JSON.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import * as Sentry from '@sentry/node';

const [dsn, folder, tunnel] = process.argv.slice(2);
const inputs = JSON.parse(readFileSync(join(folder, 'inputs.json'), 'utf-8'));
const ids = {};

Sentry.init({
  dsn,
  tunnel,
  release: 'shop@1.2.3',
  environment: 'testing',
  tracesSampleRate: 1,
  // Streamed spans are the default; inputs.json may ask for whole transactions.
  traceLifecycle: inputs.traceLifecycle,
  enableLogs: true,
  maxValueLength: inputs.large.length + 1,
});
Sentry.setUser({ id: '7', username: inputs.unicode });
Sentry.setTag('where', 'sdk-test');

Sentry.withScope((scope) => {
  for (const name of inputs.attachments) {
    scope.addAttachment({ filename: name, data: new Uint8Array(readFileSync(join(folder, name))) });
  }
  Sentry.addBreadcrumb({ category: 'test', message: 'before', data: { text: inputs.unicode } });
  const error = new Error(inputs.unicode, { cause: new TypeError('the cause') });
  ids.error = Sentry.captureException(error);
});

ids.message = Sentry.captureMessage(inputs.unicode, 'warning');
ids.large = Sentry.captureEvent({ message: 'large', extra: { text: inputs.large } });

Sentry.startSpan({ name: 'checkout', op: 'task' }, () => {
  for (let number = 0; number < 20; number += 1) {
    Sentry.startSpan({ name: `SELECT ${number}`, op: 'db' }, () => {});
  }
});

const schedule = { type: 'crontab', value: '0 * * * *' };
const checkInId = Sentry.captureCheckIn(
  { monitorSlug: 'hourly', status: 'in_progress' },
  { schedule, timezone: 'Europe/Vienna' },
);
Sentry.captureCheckIn({ monitorSlug: 'hourly', status: 'ok', checkInId, duration: 1.5 });
ids.check_in = checkInId;

Sentry.startSession();
Sentry.endSession();

for (let number = 0; number < 5; number += 1) {
  Sentry.logger.info(`log line ${number}: ${inputs.unicode}`, { number });
}
Sentry.metrics.count('orders', 3);

await Sentry.close(30_000);
console.log(JSON.stringify(ids));
