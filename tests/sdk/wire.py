"""Bytes on the wire, read without any code of the relay: HTTP/1.1, content encodings, envelopes."""

import gzip
import json
import zlib
from dataclasses import dataclass, field

import brotli
import zstandard


class Malformed(Exception):
    """The bytes are not what the protocol says they should be."""


@dataclass
class Message:
    """An HTTP request or response: its first line, its headers and its body without transfer coding."""

    start: list
    headers: list
    body: bytes

    def header(self, name):
        """The value of the first header line of this name, in any case; None without one."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def path(self):
        return self.start[1]

    @property
    def status(self):
        return int(self.start[1])

    def decoded(self):
        """The body without its content encoding."""
        encoding = self.header("Content-Encoding")
        if encoding in (None, "identity"):
            return self.body
        if encoding == "gzip":
            return gzip.decompress(self.body)
        if encoding == "deflate":
            return zlib.decompress(self.body)
        if encoding == "br":
            return brotli.decompress(self.body)
        if encoding == "zstd":
            # decompressobj, because a streamed frame does not tell its size.
            return zstandard.ZstdDecompressor().decompressobj().decompress(self.body)
        raise Malformed(f"unknown content encoding {encoding!r}")

    def envelope(self):
        return Envelope.parse(self.decoded())


def messages(stream):
    """All messages of one direction of an HTTP/1.1 connection; an unfinished last one is an error."""
    position = 0
    while position < len(stream):
        end = stream.find(b"\r\n\r\n", position)
        if end < 0:
            raise Malformed("connection ends within a message head")
        start, *lines = stream[position:end].decode("latin-1").split("\r\n")
        headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines]
        message = Message(start.split(" ", 2), headers, b"")
        position = end + 4
        if "chunked" in (message.header("Transfer-Encoding") or "").lower():
            message.body, position = chunks(stream, position)
        else:
            length = int(message.header("Content-Length") or 0)
            message.body = bytes(stream[position : position + length])
            position += length
            if position > len(stream):
                raise Malformed("connection ends within a message body")
        yield message


def chunks(stream, position):
    body = bytearray()
    while True:
        line_end = stream.find(b"\r\n", position)
        if line_end < 0:
            raise Malformed("connection ends within a chunk")
        size = int(stream[position:line_end].split(b";")[0], 16)
        position = line_end + 2
        body += stream[position : position + size]
        position += size + 2
        if size == 0:
            return bytes(body), position


@dataclass
class Item:
    header: dict
    payload: bytes

    @property
    def type(self):
        return self.header["type"]

    def json(self):
        return json.loads(self.payload)


@dataclass
class Envelope:
    header: dict
    items: list = field(default_factory=list)

    @classmethod
    def parse(cls, data):
        line, position = read_line(data, 0)
        envelope = cls(json.loads(line))
        while position < len(data):
            line, position = read_line(data, position)
            header = json.loads(line)
            if "length" in header:
                end = position + header["length"]
                if end > len(data) or data[end : end + 1] not in (b"\n", b""):
                    raise Malformed(f"item {len(envelope.items)} does not end where its length says")
                payload, position = data[position:end], end + 1
            else:
                payload, position = read_line(data, position)
            envelope.items.append(Item(header, payload))
        return envelope

    @property
    def types(self):
        return [item.type for item in self.items]

    @property
    def fingerprint(self):
        """What tells one envelope from another, whatever a relay may add to headers."""
        return tuple((item.type, item.payload) for item in self.items)


def read_line(data, position):
    end = data.find(b"\n", position)
    end = len(data) if end < 0 else end
    return data[position:end], end + 1
