"""A hub on this machine: as much of huggingface.co as huggingface_hub asks when it downloads. A repository is a folder
of the root, and each of its revisions a folder in that."""

import hashlib
import http.server
import json
import os
import re
import threading
import urllib.parse
from pathlib import Path


def commit_of(revision):
    return hashlib.sha1(revision.encode()).hexdigest()


class Hub:
    """`requests` lists what was asked for."""

    def __init__(self, root):
        self.root = Path(root)
        self.requests = []
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *unused):
                pass

            def do_GET(self):
                hub.answer(self)

            do_HEAD = do_GET

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def downloads(self):
        """The files whose content was sent."""
        return [path.split("/", 5)[-1] for verb, path in self.requests if verb == "GET" and "/resolve/" in path]

    def folder(self, repo, revision):
        """A revision is found by its name and by its commit."""
        for place in self.root.joinpath(repo).iterdir():
            if revision in (place.name, commit_of(place.name)):
                return place
        raise FileNotFoundError(revision)

    def answer(self, request):
        path = urllib.parse.unquote(urllib.parse.urlsplit(request.path).path)
        self.requests.append((request.command, path))
        try:
            if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/([^/]+))?", path):
                return self.send_info(request, found[1], found[2] or "main")
            if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)", path):
                return self.send(request, 200, json.dumps(self.tree(self.folder(found[1], found[2]))).encode())
            if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
                return self.send_file(request, self.folder(found[1], found[2]), found[3])
        except OSError:
            pass
        return self.send(request, 404, b"{}", {"X-Error-Code": "EntryNotFound"})

    def send(self, request, code, body, headers=()):
        request.send_response(code)
        request.send_header("Content-Length", str(len(body)))
        for name, value in dict(headers).items():
            request.send_header(name, value)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)

    @staticmethod
    def tree(folder):
        listed = []
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            name, content = os.fspath(path.relative_to(folder)), path.read_bytes()
            lfs = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
            listed.append({"type": "file", "path": name, "size": len(content), "oid": lfs["oid"][:40], "lfs": lfs})
        return listed

    def send_info(self, request, repo, revision):
        folder = self.folder(repo, revision)
        siblings = [{"rfilename": each["path"], "size": each["size"]} for each in self.tree(folder)]
        info = {"id": repo, "modelId": repo, "sha": commit_of(folder.name), "private": False, "siblings": siblings}
        self.send(request, 200, json.dumps({**info, "tags": [], "downloads": 0, "likes": 0}).encode())

    def send_file(self, request, folder, name):
        content = folder.joinpath(name).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        headers = {"ETag": f'"{digest}"', "X-Repo-Commit": commit_of(folder.name), "Accept-Ranges": "bytes"}
        if found := re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range") or ""):
            begin, end = int(found[1]), int(found[2] or len(content) - 1)
            headers["Content-Range"] = f"bytes {begin}-{end}/{len(content)}"
            return self.send(request, 206, content[begin : end + 1], headers)
        return self.send(request, 200, content, headers)
