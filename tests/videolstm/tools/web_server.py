"""A web server of the tests, on this machine, that misbehaves as it is told to."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Page:
    """What is at an address: each request takes the next of `answers`, the last one
    again and again. An answer is a function of the handler; `asked` has the Range of
    each request, or None."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def __call__(self, handler):
        self.asked.append(handler.headers["Range"])
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        answer(handler)


class Server:
    """pages: by path, with the slash."""

    def __init__(self, address):
        self.address = address
        self.pages = {}

    def put(self, name, *answers):
        """Puts a page at a name; returns its address."""
        self.pages[f"/{name}"] = Page(*answers)
        return f"{self.address}/{name}"

    def asked(self, name):
        return self.pages[f"/{name}"].asked


@contextmanager
def serving():
    server = None

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            page = server.pages.get(self.path)
            if page is None:
                self.send_error(404)
            else:
                page(self)

        def log_message(self, *_):
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    server = Server(f"http://127.0.0.1:{listener.server_port}")
    thread = threading.Thread(target=listener.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


# ---- answers -------------------------------------------------------------------------


def _head(handler, status, headers):
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()


def file(content, cut=None, ranges=True, tag=None, **headers):
    """The content, or the part that is asked for; cut: bytes after which the connection
    ends; tag: an ETag, which If-Range is held against."""

    def answer(handler):
        asked, wanted = handler.headers["Range"], handler.headers["If-Range"]
        said = dict(headers)
        if tag:
            said["ETag"] = tag
        start, status = 0, 200
        if ranges and asked and wanted in (None, tag):
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                _head(handler, 416, {"Content-Range": f"bytes */{len(content)}"})
                return
            status = 206
            said["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        _head(handler, status, {"Content-Length": len(content) - start, **said})
        handler.wfile.write(content[start:][:cut])

    return answer


def chunks(*blocks, whole=True):
    """The blocks in chunks, without a length; not whole: the end of them is missing."""

    def answer(handler):
        handler.protocol_version = "HTTP/1.1"
        handler.close_connection = True
        _head(handler, 200, {"Transfer-Encoding": "chunked", "Connection": "close"})
        for block in blocks:
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))
        if whole:
            handler.wfile.write(b"0\r\n\r\n")

    return answer


def answer(status, body=b"", **headers):
    def answer(handler):
        _head(handler, status, {k.replace("_", "-"): v for k, v in headers.items()})
        handler.wfile.write(body)

    return answer


def raw(content):
    """These bytes instead of an answer."""

    def answer(handler):
        handler.wfile.write(content)
        handler.close_connection = True

    return answer
