"""A proxy in front of a registry that is as awkward as registries are: quotas, answers cut short, access of its own."""

import base64
import contextlib
import http.client
import http.server
import re
import threading
import time

PIECE_BYTES = 64 * 1024
# Headers that are for one connection.
OWN_HEADERS = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade"}


class Seen:
    """One request: when, what, and how it went."""

    def __init__(self, method, path, asked_range, status, sent):
        self.when = time.monotonic()
        self.method, self.path, self.range, self.status, self.sent = method, path, asked_range, status, sent


class Awkward:
    """Passes requests on to `address`, after its rules had their say. What went through is in `seen`."""

    def __init__(self, address):
        self.backend, self.rules, self.seen, self.lock = address, [], [], threading.Lock()
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def handle_one_request(self):
                # Clients that go away are none of our affair.
                with contextlib.suppress(OSError):
                    return super().handle_one_request()
                self.close_connection = True

            def pass_on(self):
                proxy.handle(self)

            do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = pass_on

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def handle(self, request):
        body = read_body(request)
        for rule in list(self.rules):
            if refused := rule.refuses(request):
                status, headers, content = refused
                answer(request, status, headers, content)
                self._saw(request, status, 0)
                return
        connection = http.client.HTTPConnection(self.backend, timeout=60)
        try:
            headers = {name: value for name, value in request.headers.items() if name.lower() not in OWN_HEADERS | {"authorization"}}
            connection.request(request.command, request.path, body=body, headers=headers)
            self._answer(request, connection.getresponse())
        finally:
            connection.close()

    def _answer(self, request, response):
        request.send_response_only(response.status)
        for name, value in response.getheaders():
            if name.lower() not in OWN_HEADERS:
                request.send_header(name, value)
        if response.getheader("Content-Length") is None and response.status not in (204, 304):
            request.send_header("Connection", "close")
            request.close_connection = True
        request.end_headers()
        left, sent = min((rule.bytes_max(request) for rule in self.rules), default=float("inf")), 0
        while piece := response.read(int(min(PIECE_BYTES, left - sent))):
            with contextlib.suppress(OSError):
                request.wfile.write(piece)
            sent += len(piece)
            if sent >= left:
                request.close_connection = True
                break
        self._saw(request, response.status, sent)

    def _saw(self, request, status, sent):
        with self.lock:
            self.seen.append(Seen(request.command, request.path, request.headers.get("Range"), status, sent))


def read_body(request):
    if "chunked" in request.headers.get("Transfer-Encoding", ""):
        body = b""
        while size := int(request.rfile.readline().split(b";")[0], 16):
            body += request.rfile.read(size)
            request.rfile.readline()
        request.rfile.readline()
        return body
    return request.rfile.read(int(request.headers.get("Content-Length", 0))) or None


def answer(request, status, headers, content):
    request.send_response_only(status)
    for name, value in (headers | {"Content-Length": str(len(content))}).items():
        request.send_header(name, value)
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(content)


class Rule:
    """Refuses nothing and cuts nothing."""

    def refuses(self, request):
        return None

    def bytes_max(self, request):
        return float("inf")


class Quota(Rule):
    """So many requests in so many seconds; then 429 until the time is over, as Artifact Registry has it per minute."""

    def __init__(self, requests, seconds):
        self.requests, self.seconds, self.lock = requests, seconds, threading.Lock()
        self.began, self.count, self.refused = time.monotonic(), 0, 0

    def refuses(self, request):
        with self.lock:
            now = time.monotonic()
            if now - self.began >= self.seconds:
                self.began, self.count = now, 0
            self.count += 1
            if self.count <= self.requests:
                return None
            self.refused += 1
            wait = max(1, round(self.began + self.seconds - now + 0.5))
        return 429, {"Retry-After": str(wait)}, b'{"errors":[{"code":"TOOMANYREQUESTS","message":"quota exceeded"}]}'


class Cut(Rule):
    """Connections do not outlive so many bytes of a blob."""

    def __init__(self, bytes_max):
        self.most = bytes_max

    def bytes_max(self, request):
        return self.most if "/blobs/" in request.path else float("inf")


class Once(Rule):
    """Does something when the first blob is asked for."""

    def __init__(self, work):
        self.work, self.lock = work, threading.Lock()

    def refuses(self, request):
        with self.lock:
            work = self.work if "/blobs/" in request.path else None
            self.work = None if work else self.work
        if work:
            work()


class Access(Rule):
    """Who reads what: by user name the pattern of repositories; None is whoever shows nothing. Passwords are user names."""

    def __init__(self, **patterns):
        self.patterns = {None if name == "anonymous" else name: pattern for name, pattern in patterns.items()}

    def refuses(self, request):
        challenge = {"WWW-Authenticate": 'Basic realm="old"'}
        scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
        user = None
        if scheme == "Basic":
            user, _, password = base64.b64decode(shown).decode().partition(":")
            if user not in self.patterns or password != user:
                return 401, challenge, b'{"errors":[{"code":"UNAUTHORIZED","message":"wrong password"}]}'
        found = re.match(r"/v2/(.+)/(?:manifests|blobs|tags|referrers)/", request.path)
        if found is None:
            return None if user or self.patterns.get(None) else (401, challenge, b"{}")
        if (pattern := self.patterns.get(user)) and re.fullmatch(pattern, found[1]):
            return None
        if user:
            return 403, {}, b'{"errors":[{"code":"DENIED","message":"denied"}]}'
        return 401, challenge, b'{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}'
