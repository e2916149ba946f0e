#!/usr/bin/env python3
"""An HTTP server of ranges that counts requests and bytes, for tests. The first part of the path says how it behaves:

/plain/FILE       as it should
/slow/FILE        answers after 20 ms
/noranges/FILE    ignores Range
/busy/FILE        503 twice (Retry-After: 0) before each range
/down/FILE        503 for ever
/short/FILE       the first body of each range ends in the middle
/long/FILE        bodies go on after what was asked for
/changed/FILE     another ETag and other bytes from the third request on
/grown/FILE       no ETag, and one byte longer from the third request on
/noetag/FILE      no ETag, no date
/weak/FILE        a weak ETag, and 412 for every If-Match
/shifted/FILE     other bytes than those asked for, and says so
/lies/FILE        other bytes than those asked for, and says nothing
/huge/FILE        says that there are 2^60 bytes
/forbidden/FILE   403
/expires/FILE     403 from the third request on
/login/FILE       401 without user "me" and password "pass word"
/secret/FILE      401 without the header X-Key: key
/gone/FILE        404
/hangs/FILE       no answer
/drips/FILE       ten bytes a second
/endless/FILE     a head without an end
/gzip/FILE        says that bodies are encoded
/redirect/FILE    302 to /plain/FILE
/loop/FILE        302 to itself
/tofile/FILE      302 to file:///etc/passwd
/elsewhere/PORT/MODE/FILE   302 to another server of this host, with a signature
/signed/FILE      302 to /plain/FILE?signature=N: 403 from that after two uses of one signature

    range_server.py FOLDER    prints the port; /count gives requests, bytes and what headers came, and begins anew
"""

from __future__ import annotations

import http.server
import json
import os
import re
import sys
import threading
import time
import urllib.parse
from typing import Any


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: RangeServer

    def log_message(self, *unused: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = urllib.parse.urlsplit(self.path).path
        if path == "/count":
            self.answer(200, json.dumps(self.server.take()).encode())
            return
        mode, _, name = path.strip("/").partition("/")
        with self.server.lock:
            key = mode + self.headers.get("Range", "") if mode in ("busy", "short") else mode
            n = self.server.seen[key] = self.server.seen.get(key, 0) + 1
            self.server.log.append((self.path, dict(self.headers), 0))
            at = len(self.server.log) - 1
        sent = self.act(mode, urllib.parse.unquote(name), n)
        with self.server.lock:
            self.server.log[at] = (*self.server.log[at][:2], sent)

    def act(self, mode: str, name: str, n: int) -> int:
        if mode == "slow":
            time.sleep(0.02)
        refusals = {
            "down": 503,
            "forbidden": 403,
            "gone": 404,
            "busy": 503 if n % 3 else 0,
            "expires": 403 if n > 2 else 0,
            "login": 0 if self.headers.get("Authorization") == "Basic bWU6cGFzcyB3b3Jk" else 401,
            "secret": 0 if self.headers.get("X-Key") == "key" else 401,
            "weak": 412 if self.headers.get("If-Match") else 0,
        }
        if refusals.get(mode):
            return self.answer(refusals[mode], b"no\n", {"Retry-After": "0"} if refusals[mode] == 503 else {})
        if mode in ("redirect", "loop", "tofile", "elsewhere", "signed"):
            return self.redirect(mode, name, n)
        if mode in ("hangs", "endless"):
            return self.stall(mode)
        if self.server.is_used_up(urllib.parse.urlsplit(self.path).query):
            return self.answer(403, b"expired\n")
        return self.give(mode, self.server.folder + "/" + name, n)

    def redirect(self, mode: str, name: str, n: int) -> int:
        where = {"redirect": f"/plain/{name}", "loop": f"/loop/{name}", "signed": f"/plain/{name}?signature={n}"}
        where["tofile"] = "file:///etc/passwd"
        if mode == "elsewhere":
            port, _, rest = name.partition("/")
            where[mode] = f"http://localhost:{port}/{rest}?signature=secret"
        return self.answer(302, b"", {"Location": where[mode]})

    def stall(self, mode: str) -> int:
        if mode == "endless":
            self.wfile.write(b"HTTP/1.1 206 Partial Content\r\n")
        while not self.server.stopped.wait(0.2):
            try:
                self.wfile.write(b"X-More: 1\r\n" if mode == "endless" else b"")
            except OSError:
                break
        self.close_connection = True
        return 0

    def give(self, mode: str, path: str, n: int) -> int:
        if not os.path.isfile(path):
            return self.answer(404, b"no\n")
        size = os.path.getsize(path)
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        changed = n > 2
        if not asked or mode == "noranges":
            return self.send(200, path, 0, size, {}, mode)
        first, end = int(asked[1]), min(int(asked[2]) + 1, size)
        if first >= size and mode != "huge":
            return self.answer(416, b"", {"Content-Range": f"bytes */{size}"})
        total = size + (mode == "grown" and changed)
        shift = 1 if mode in ("shifted", "lies") and first else 0
        said = (first - shift, end - shift) if mode == "shifted" else (first, end)
        if mode == "huge":
            total, end = 1 << 60, int(asked[2]) + 1
            said = (first, end)
        headers = {"Content-Range": f"bytes {said[0]}-{said[1] - 1}/{total}", "ETag": '"one"'}
        if mode == "changed" and changed:
            headers["ETag"] = '"two"'
            if self.headers.get("If-Match") == '"one"':
                return self.answer(412, b"")
        if mode in ("grown", "noetag"):
            del headers["ETag"]
        if mode == "weak":
            headers["ETag"] = 'W/"one"'
        if mode == "gzip":
            headers["Content-Encoding"] = "gzip"
        return self.send(206, path, first - shift, end - shift, headers, mode, n)

    def send(
        self, status: int, path: str, first: int, end: int, headers: dict[str, str], mode: str, n: int = 0
    ) -> int:
        if mode == "huge":
            body = bytes(end - first)
        else:
            with open(path, "rb") as f:
                f.seek(first)
                body = f.read(end - first)
        if mode == "long":
            body += b"more"
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        try:
            if mode == "short" and n % 2:
                body = body[: len(body) // 2]
                self.close_connection = True
            if mode == "drips":
                for i in range(len(body)):
                    self.wfile.write(body[i : i + 1])
                    if self.server.stopped.wait(0.1):
                        break
            else:
                self.wfile.write(body)
        except OSError:  # the reader has seen enough
            self.close_connection = True
        return len(body)

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> int:
        self.send_response(status)
        for key, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)
        return 0


class RangeServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, folder: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.lock = threading.Lock()
        self.seen: dict[str, int] = {}  # requests of each mode, or of each range
        self.log: list[tuple[str, dict[str, str], int]] = []  # path, headers, bytes sent
        self.used: dict[str, int] = {}  # how often each signature was
        self.stopped = threading.Event()

    def __enter__(self) -> RangeServer:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *unused: object) -> None:
        self.stopped.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, *unused: Any) -> None:
        pass  # readers go when they have enough

    def is_used_up(self, query: str) -> bool:
        if not query.startswith("signature=") or query == "signature=secret":
            return False
        with self.lock:
            self.used[query] = self.used.get(query, 0) + 1
            return self.used[query] > 2

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"

    def take(self) -> dict[str, Any]:
        """Returns what was asked for since the last call."""
        with self.lock:
            log, self.log, self.seen, self.used = self.log, [], {}, {}
        headers = sorted({key for _, sent, _ in log for key in sent})
        return {"requests": len(log), "bytes": sum(n for _, _, n in log), "headers": headers}


if __name__ == "__main__":
    with RangeServer(sys.argv[1]) as server:
        print(server.server_port, flush=True)
        sys.stdin.read()  # until whoever started it ends
