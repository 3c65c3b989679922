"""Asking for addresses, of http and https only, and what goes wrong in words."""

from __future__ import annotations

import http.client
import urllib.request
from urllib.parse import urlsplit

TIMEOUT = 30  # seconds without a byte
_SHOWN = 80  # characters of what a server says

# OverflowError: http.client takes the length of a chunk as it comes, also below zero.
FAILURES = (OSError, http.client.HTTPException, ValueError, OverflowError)


def is_offline(error: Exception) -> bool:
    """Whether the server was never reached."""
    return isinstance(error, OSError) and not isinstance(
        error, http.client.HTTPException
    )


def words(error: Exception) -> str:
    """A failure in a few words, without the library's decoration."""
    cause = getattr(error, "reason", None)
    if isinstance(cause, Exception):
        error = cause
    if isinstance(error, TimeoutError):
        return f"nothing came for {TIMEOUT} seconds"
    return plain(getattr(error, "strerror", None) or error) or type(error).__name__


def plain(said: object) -> str:
    """What a server or the system said, fit to be shown on a line."""
    text = " ".join(str(said).split())
    return "".join(c if c.isprintable() else "?" for c in text)[:_SHOWN]


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to other addresses of the web, not from https to where anyone can read
    and change what comes."""

    http_error_308 = urllib.request.HTTPRedirectHandler.http_error_302

    def redirect_request(self, request, answer, code, said, headers, address):
        before, after = urlsplit(request.full_url).scheme, urlsplit(address).scheme
        if after != "https" and (before, after) != ("http", "http"):
            raise ValueError(f"is led to {address}, which is not safe to follow")
        if code == 308:  # which Python 3.10 does not know
            code = 307
        return super().redirect_request(request, answer, code, said, headers, address)


def _opener() -> urllib.request.OpenerDirector:
    """Opens http and https, nothing else: no files, no ftp."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    return opener


OPENER = _opener()
