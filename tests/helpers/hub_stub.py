"""A Hugging Face Hub on 127.0.0.1: what its client asks for to upload and to download a model."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

TOKEN = "hf_stub"


@dataclass
class Repository:
    """Whether it is private, its commits (hash -> files by name), and its branches (-> hash)."""

    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    def commit(self, branch: str, files: dict[str, bytes]) -> str:
        before = self.commits.get(self.branches.get(branch, ""), {})
        content = {**before, **files}
        oid = hashlib.sha1(repr((branch, sorted(content.items()))).encode()).hexdigest()
        self.commits[oid], self.branches[branch] = content, oid
        return oid

    def resolve(self, revision: str) -> str | None:
        oid = self.branches.get(revision, revision)
        return oid if oid in self.commits else None


class HubStub:
    """The server, running in a thread until ``close``.

    Attributes:
        endpoint: for ``HF_ENDPOINT``.
        repositories: by ``user/name``.
        requests: method and path of each.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.objects: dict[str, bytes] = {}  # of Git LFS, by SHA-256
        self.requests: list[str] = []
        stub = self

        class Handler(_Handler):
            hub = stub

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _mode(path: str) -> dict[str, object]:
    mode = "lfs" if path.endswith(".safetensors") else "regular"
    return {"path": path, "uploadMode": mode, "shouldIgnore": False}


class _Handler(BaseHTTPRequestHandler):
    hub: HubStub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self._body()
        path = unquote(urlsplit(self.path).path)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._json({"error": "Invalid username or password."}, 401)
        if path == "/api/validate-yaml":
            return self._json({"errors": [], "warnings": []})
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if match := re.fullmatch(r"/(.+)\.git/info/lfs/objects/batch", path):
            wanted = json.loads(body)["objects"]
            href = f"{self.hub.endpoint}/objects/"
            objects = [
                {**one, "actions": {"upload": {"href": href + one["oid"]}}} for one in wanted
            ]
            return self._json({"transfer": "basic", "objects": objects})
        match = re.fullmatch(r"/api/models/([^/]+/[^/]+)/(preupload|commit|branch)/(.+)", path)
        repository = self.hub.repositories.get(match[1]) if match else None
        if match is None or repository is None:
            return self._missing("RepoNotFound")
        if match[2] == "branch":
            repository.branches.setdefault(match[3], repository.branches.get("main", ""))
            return self._json({})
        if match[2] == "preupload":
            return self._json(
                {"files": [_mode(file["path"]) for file in json.loads(body)["files"]]}
            )
        return self._commit(match[1], repository, match[3], body)

    def _commit(self, name: str, repository: Repository, branch: str, body: bytes) -> None:
        files = {}
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
        oid = repository.commit(branch, files)
        self._json({"commitUrl": f"{self.hub.endpoint}/{name}/commit/{oid}", "commitOid": oid})

    def do_PUT(self) -> None:
        body = self._body()
        assert hashlib.sha256(body).hexdigest() == self.path.rsplit("/", 1)[1]
        self.hub.objects[self.path.rsplit("/", 1)[1]] = body
        self._json({})

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self._body()
        path = unquote(urlsplit(self.path).path)
        about = re.fullmatch(r"/api/models/([^/]+/[^/]+?)(?:/revision/(.+))?", path)
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/(.+)/([^/]+)", path)
        match = about or file
        repository = self.hub.repositories.get(match[1]) if match else None
        allowed = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if match is None or repository is None or (repository.private and not allowed):
            return self._missing("RepoNotFound", 401)
        oid = repository.resolve(match[2] or "main")
        if oid is None:
            return self._missing("RevisionNotFound")
        if about:
            return self._json({"id": match[1], "sha": oid, "private": repository.private})
        content = repository.commits[oid].get(match[3])
        if content is None:
            return self._missing("EntryNotFound", oid=oid)
        headers = {"X-Repo-Commit": oid, "ETag": f'"{hashlib.sha1(content).hexdigest()}"'}
        if match[3].endswith(".safetensors"):
            headers["X-Linked-Etag"] = f'"{hashlib.sha256(content).hexdigest()}"'
            headers["X-Linked-Size"] = str(len(content))
        return self._send(200, content, headers)

    def _create(self, about: dict[str, object]) -> None:
        name = f"{about['organization']}/{about['name']}"
        if name in self.hub.repositories:
            return self._json({"url": f"{self.hub.endpoint}/{name}"}, 409)
        private = bool(about.get("private") or about.get("visibility") == "private")
        self.hub.repositories[name] = Repository(private)
        return self._json({"url": f"{self.hub.endpoint}/{name}", "name": name})

    def _missing(self, code: str, status: int = 404, oid: str = "") -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": code, "X-Repo-Commit": oid}
        self._send(status, b"{}", {name: text for name, text in headers.items() if text})

    def _json(self, data: object, status: int = 200) -> None:
        self._send(status, json.dumps(data).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _body(self) -> bytes:
        self.hub.requests.append(f"{self.command} {self.path}")
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))
