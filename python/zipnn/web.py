"""Ranges of what an http or https URL leads to, by the standard library alone."""

from __future__ import annotations

import base64
import http.client
import random
import re
import socket
import ssl
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from email.message import Message
from typing import Any, NamedTuple

from . import _zipnn
from .errors import FileError, FileForbiddenError, FileMissingError

_MOST_REDIRECTS = 5
_LEAST_RATE = 1024  # bytes a second; what comes more slowly for the length of the timeout is given up
_LONGEST_WAIT = 30.0  # seconds before a further attempt, whatever the server asks for
_PART = 1 << 18  # bytes that are received between two looks at the clock
_AGAIN = {429, 500, 502, 503, 504}  # the server may give later what it does not give now
_REFUSED = {401, 403}


class _Place(NamedTuple):
    """What a URL says. The origin is that of the web: scheme, host and port."""

    origin: tuple[str, str, int]
    target: str  # path and query
    login: str | None
    url: str  # without login


def _place_of(url: str) -> _Place:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{shown(url)}: no URL of http or https")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    login = None
    if parts.username is not None:
        pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        login = "Basic " + base64.b64encode(pair.encode()).decode()
    path, query = (urllib.parse.quote(part, safe="/%:=&?~+!$,;'@()*[]") for part in (parts.path or "/", parts.query))
    target = f"{path}?{query}" if query else path
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], path=path, query=query, fragment="")
    return _Place((parts.scheme, parts.hostname, port), target, login, urllib.parse.urlunsplit(bare))


def shown(url: str) -> str:
    """Returns a URL as messages may show it: without login, and without a query, which may be a signature."""
    scheme, colon, rest = url.partition("://")
    rest = re.split(r"[?#]", rest, maxsplit=1)[0]
    host, slash, path = rest.partition("/")
    return f"{scheme}{colon}{host.rpartition('@')[2]}{slash}{path}"


class _Version(NamedTuple):
    """By what an object is known to be the same: its length, and its ETag, or else the date of its last change."""

    length: int
    mark: str


def _version_of(length: int, headers: Message) -> _Version:
    return _Version(length, headers.get("ETag") or headers.get("Last-Modified") or "")


class _LaterError(Exception):
    """This attempt failed, another one may not. `delay`: seconds to wait before it, None: nobody says."""

    def __init__(self, reason: str, delay: float | None = None) -> None:
        super().__init__(reason)
        self.delay = delay


class WebRanges:
    """Ranges of an http or https URL. Every piece must be of the object that was opened: of the same ETag, date and
    length.

    headers   sent to the URL's own server and to no other that it redirects to
    timeout   seconds without an answer, or below 1 KiB a second, after which an attempt is given up
    retries   further attempts after answers 429 and 5xx, broken connections and bodies that are cut short
    renew     is called when the server refuses access (a signed URL may have expired), and returns a fresh URL
    """

    parallel = True

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30.0,
        retries: int = 4,
        renew: Callable[[], str] | None = None,
    ) -> None:
        self.name = shown(url)
        self._place = _place_of(url)
        self._leads_to = self._place  # where its redirects end
        self._headers = dict(headers or {})
        self._timeout = timeout
        self._retries = retries
        self._renew = renew
        self._version: _Version | None = None
        self._idle: list[tuple[_Place, http.client.HTTPConnection]] = []
        self._lock = threading.Lock()
        self._closed = threading.Event()

    # Ranges

    def open(self, n: int) -> tuple[int, bytes]:
        data = self._fetch(0, n)
        assert self._version is not None
        return self._version.length, data

    def fetch(self, start: int, end: int) -> Any:
        return self._fetch(start, end)

    def close(self) -> None:
        self._closed.set()
        with self._lock:
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()

    def __del__(self) -> None:
        for _, connection in getattr(self, "_idle", ()):
            connection.close()

    # Attempts

    def _fetch(self, start: int, end: int) -> bytes:
        for attempt in range(1 + self._retries):
            if self._closed.is_set():
                raise ValueError("the archive is closed")
            try:
                return self._follow(start, end)
            except _LaterError as error:
                reason, delay = str(error), error.delay
            if attempt < self._retries:
                own = 0.2 * 2**attempt * (1 + random.random())
                self._closed.wait(own if delay is None else min(delay, _LONGEST_WAIT))
        raise self._error(f"{1 + self._retries} attempts failed, the last one: {reason}")

    def _follow(self, start: int, end: int) -> bytes:
        """One attempt: from where the redirects led before, else from the URL itself."""
        answer = self._walk(self._leads_to, start, end)
        if isinstance(answer, int) and self._leads_to is not self._place:  # what they led to may have expired
            answer = self._walk(self._place, start, end)
        if isinstance(answer, int) and answer in _REFUSED and self._renew:
            self._place = _place_of(self._renew())
            answer = self._walk(self._place, start, end)
        if isinstance(answer, int):
            raise self._refusal(answer)
        return answer

    def _walk(self, place: _Place, start: int, end: int) -> bytes | int:
        """Follows redirects. Returns the bytes, or the status of a refusal."""
        for _ in range(1 + _MOST_REDIRECTS):
            answer = self._ask(place, start, end)
            if isinstance(answer, bytes):
                self._leads_to = place
            if not isinstance(answer, str):
                return answer
            place = self._next(place, answer)
        raise self._error(f"more than {_MOST_REDIRECTS} redirects")

    def _next(self, place: _Place, location: str) -> _Place:
        url = urllib.parse.urljoin(place.url, location)
        try:
            following = _place_of(url)
        except ValueError:
            raise self._error("a redirect leads to something that is no URL of http or https") from None
        if place.origin[0] == "https" and following.origin[0] == "http":
            raise self._error("a redirect leads from https to http, which is not followed")
        return following._replace(login=None)

    # One request

    def _ask(self, place: _Place, start: int, end: int) -> bytes | int | str:
        """Returns the bytes, or the status of a refusal, or where a redirect leads."""
        connection, used = self._connection(place)
        response = None
        whole = False
        try:
            response = self._respond(connection, used, place, start, end)
            answer, whole = self._take(response, start, end)
        finally:
            if response and whole and not self._closed.is_set() and not response.will_close:
                with self._lock:
                    self._idle.append((place, connection))
            else:
                if response:
                    response.close()  # the connection does not know it any more if it is the last
                connection.close()
        return answer

    def _respond(
        self, connection: http.client.HTTPConnection, used: bool, place: _Place, start: int, end: int
    ) -> http.client.HTTPResponse:
        """Sends a request, and receives the head of the answer, whose single lines may come slowly, in the time that is
        given."""
        watch = None
        late = threading.Event()
        try:
            if not used:
                connection.connect()
            watch = threading.Timer(self._timeout, _end, [connection.sock, late])
            watch.daemon = True
            watch.start()
            headers = self._headers_for(place, start, end)
            proxy = _proxy_of(place) if place.origin[0] == "http" else None
            if proxy:
                headers |= _proxy_login(proxy)
            connection.request("GET", place.url if proxy else place.target, headers=headers)
            response = connection.getresponse()
            if late.is_set():
                response.close()
                raise TimeoutError
            return response
        except (ssl.SSLCertVerificationError, socket.gaierror) as error:
            raise self._error(_words(error)) from None
        except (OSError, http.client.HTTPException) as error:
            # The server may have closed a connection that waited for its next use.
            raise _LaterError(_words(TimeoutError() if late.is_set() else error), 0.0 if used else None) from None
        finally:
            if watch:
                watch.cancel()

    def _headers_for(self, place: _Place, start: int, end: int) -> dict[str, str]:
        headers = {"User-Agent": f"zipnn/{_zipnn.version}"}
        if place.origin == self._place.origin:
            headers |= self._headers
            if self._place.login:
                headers.setdefault("Authorization", self._place.login)
        headers |= {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
        if self._version and _is_strong(self._version.mark):
            headers["If-Match"] = self._version.mark
        return headers

    def _take(self, response: http.client.HTTPResponse, start: int, end: int) -> tuple[bytes | int | str, bool]:
        """Also returns whether the answer was received to its end."""
        status, headers = response.status, response.headers
        if status in (301, 302, 303, 307, 308) and headers.get("Location"):
            return headers["Location"], False
        if status in _AGAIN:
            raise _LaterError(f"the server answers {status} {_REASONS.get(status, '')}", _delay_of(headers))
        if status == 412:
            raise self._changed()
        if status == 416 and self._version is None and headers.get("Content-Range", "").strip() == "bytes */0":
            self._version = _version_of(0, headers)
            return b"", False
        if status == 416:
            raise self._changed()
        if status not in (200, 206):
            return status, False
        if headers.get("Content-Encoding", "identity").lower() != "identity":
            raise self._error(f"the server sends {headers['Content-Encoding'][:20]}-encoded bytes, which has no ranges")
        first, last, length = self._extent(status, headers, start, end)
        self._check(_version_of(length, headers))
        if first != start or last != min(end, length):
            raise self._error(f"the server answers with bytes {first} to {last} where {start} to {end} were asked for")
        return self._body(response, last - first), True

    def _extent(self, status: int, headers: Message, start: int, end: int) -> tuple[int, int, int]:
        """Returns which bytes the answer holds, and how many there are in all."""
        if status == 206:
            found = re.fullmatch(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19})", headers.get("Content-Range", "").strip())
            if not found or int(found[3]) >= 1 << 63:
                raise self._error("the server does not say which range it sends (Content-Range)")
            return int(found[1]), int(found[2]) + 1, int(found[3])
        length = headers.get("Content-Length", "")
        if start == 0 and re.fullmatch(r"\d{1,19}", length) and int(length) <= end:
            return 0, int(length), int(length)  # all of a small file
        raise self._error("the server gives no ranges of it: download it first")

    def _check(self, now: _Version) -> None:
        with self._lock:
            if self._version is None:
                self._version = now
            if now != self._version:
                raise self._changed()

    def _body(self, response: http.client.HTTPResponse, n: int) -> bytes:
        """Receives n bytes. The rate is looked at once in the length of the timeout."""
        data = bytearray(n)
        view = memoryview(data)
        have = seen = 0
        began = time.monotonic()
        while have < n:
            try:
                part = response.read1(min(_PART, n - have))  # what has come: more would wait beyond the time
            except (OSError, http.client.HTTPException) as error:
                raise _LaterError(f"{_words(error)} after {have} of {n} bytes") from None
            if not part:
                raise _LaterError(f"the connection ended after {have} of {n} bytes")
            view[have : have + len(part)] = part
            have += len(part)
            if self._closed.is_set():
                raise ValueError("the archive is closed")
            if (now := time.monotonic()) - began > self._timeout:
                if have - seen < self._timeout * _LEAST_RATE:
                    raise _LaterError(f"only {have - seen} bytes came in {now - began:.0f} seconds")
                began, seen = now, have
        if response.read(1):
            raise self._error(f"the server sends more than the {n} bytes that it announced")
        return bytes(data)

    # Connections

    def _connection(self, place: _Place) -> tuple[http.client.HTTPConnection, bool]:
        """Returns one that waits for its next use, else a new one."""
        with self._lock:
            for i, (where, connection) in enumerate(self._idle):
                if where.origin == place.origin:
                    del self._idle[i]
                    return connection, True
        scheme, host, port = place.origin
        proxy = _proxy_of(place)
        address = (proxy.hostname or "", proxy.port or 80) if proxy else (host, port)
        if scheme == "http":
            return http.client.HTTPConnection(*address, timeout=self._timeout), False
        context = ssl.create_default_context()
        secure = http.client.HTTPSConnection(*address, timeout=self._timeout, context=context)
        if proxy:
            secure.set_tunnel(host, port, _proxy_login(proxy))
        return secure, False

    # Errors

    def _error(self, reason: str) -> FileError:
        return FileError(None, f"{self.name}: {reason}", self.name)

    def _changed(self) -> FileError:
        return self._error("the object changed since it was opened: open it again")

    def _refusal(self, status: int) -> FileError:
        if status in _REFUSED:
            what = f"the server refuses access ({status}): log in, or if the URL is a signed one, get a fresh one"
            return FileForbiddenError(None, f"{self.name}: {what}", self.name)
        if status in (404, 410):
            return FileMissingError(None, f"{self.name}: the server has no such file ({status})", self.name)
        return self._error(f"the server answers {status} {_REASONS.get(status, '')}".rstrip())


_REASONS = http.client.responses


def _is_strong(mark: str) -> bool:
    """Returns whether this is an ETag that If-Match may name: weak ones and dates are only compared."""
    return re.fullmatch(r'"[\x21\x23-\x7e]*"', mark) is not None


def _delay_of(headers: Message) -> float | None:
    """Returns the seconds that the server asks to wait."""
    text = headers.get("Retry-After", "").strip()
    return float(text) if re.fullmatch(r"\d{1,6}", text) else None


def _words(error: BaseException) -> str:
    """Says why a connection failed. What the server wrote, or a URL, may stand in other exceptions: those are named."""
    if isinstance(error, TimeoutError):
        return "the server does not answer in time"
    if isinstance(error, http.client.RemoteDisconnected):
        return "the server closed the connection without an answer"
    if isinstance(error, http.client.HTTPException):
        return f"the server's answer makes no sense ({type(error).__name__})"
    return str(error) or type(error).__name__


def _end(sock: Any, late: threading.Event) -> None:
    """Ends a connection under whoever waits for it."""
    late.set()
    try:
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        pass


def _proxy_of(place: _Place) -> urllib.parse.SplitResult | None:
    """Returns the proxy that the environment names for a server."""
    scheme, host, port = place.origin
    proxy = urllib.request.getproxies().get(scheme)
    if not proxy or urllib.request.proxy_bypass(f"{host}:{port}"):
        return None
    return urllib.parse.urlsplit(proxy if "://" in proxy else "http://" + proxy)


def _proxy_login(proxy: urllib.parse.SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    pair = f"{urllib.parse.unquote(proxy.username)}:{urllib.parse.unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
