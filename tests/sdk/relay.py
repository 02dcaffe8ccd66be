"""The binary under test, driven as a user drives it: arguments, terminal, signals."""

import re
import signal
import subprocess
import threading

from doubles import PATIENCE


class Relay:
    """A running `relay run` on a port of the system's choice; what it says of itself comes from its banner.

    `authority` is where it listens. `dsn` is the one to paste, or a pattern for one where projects are the upstream's.
    """

    LISTENS = re.compile(r"listens on http://(\S+)")
    DSN = re.compile(r"DSN\s+(http://.+@[^\s,]+)")

    def __init__(self, command, folder, *arguments):
        self._process = subprocess.Popen(
            [*command, "run", "-H", "127.0.0.1", "-P", "0", *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        self.output = []
        self.dsn = self.authority = None
        self._announced = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._announced.wait(PATIENCE) or self.dsn is None:
            self._process.kill()
            raise RuntimeError("the relay printed no DSN:\n" + "".join(self.output))

    def _read(self):
        for line in self._process.stdout:
            self.output.append(line)
            if listens := self.LISTENS.search(line):
                self.authority = listens.group(1)
            if dsn := self.DSN.search(line):
                self.dsn = dsn.group(1)
                self._announced.set()
        self._announced.set()

    def stop(self):
        """SIGTERM, as a service manager sends it. The exit code, and None if it had to be killed."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return None
        finally:
            self._reader.join(PATIENCE)

    def accounts(self):
        """After its end: what is wrong with what it says became of every item. An empty list if nothing is."""
        last = self.output[-1] if self.output else ""
        figures = {name: int(figure) for name, figure in re.findall(r" (\w+)=(\d+)", last)}
        try:
            came = figures["recovered"] + figures["received"] + figures["made"]
            went = figures["delivered"] + figures["discarded"] + figures["waiting"]
        except KeyError as name:
            return [f"no {name} in {last!r}"]
        return [] if came == went and figures["received"] > 0 else [f"{figures}"]
