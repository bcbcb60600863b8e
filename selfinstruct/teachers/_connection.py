"""Check what a connection depends on outside of this package: certificates and proxies of the environment."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from selfinstruct.errors import TeacherStop
from selfinstruct.recipe.credentials import LOOPBACK

_BUNDLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")


def check(url: str) -> None:
    """Raise TeacherStop if the environment names certificates that do not exist, or a proxy that cannot be used."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https":
        for variable in _BUNDLES[:2]:
            if (path := os.environ.get(variable)) and not os.path.exists(path):  # noqa: PTH110 (a list of folders is allowed)
                if variable == "SSL_CERT_DIR" and os.pathsep in path:
                    continue
                raise TeacherStop(f"{variable}: the certificates are missing (got {path!r}). Fix: correct or unset {variable}.")
    if host in LOOPBACK and not _names_a_proxy(parts.scheme):
        return
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(host):
        return
    scheme = urlsplit(proxy).scheme
    if scheme not in ("http", ""):
        variable = f"{parts.scheme}_proxy".upper() if parts.scheme in proxies else "ALL_PROXY"
        raise TeacherStop(
            f"{variable}: a proxy with {scheme}:// cannot be used (got {urlsplit(proxy).hostname or proxy!r}). "
            f"Fix: set it to an http:// proxy, or unset it."
        )


def _names_a_proxy(scheme: str) -> bool:
    proxies = getproxies()
    return bool(proxies.get(scheme) or proxies.get("all"))


def proxy_for_all(scheme: str, host: str) -> str | None:
    """Return the proxy in ALL_PROXY if no other variable names one for this scheme. The other ones are read elsewhere."""
    proxies = getproxies()
    proxy = None if scheme in proxies else proxies.get("all")
    if not proxy or proxy_bypass(host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def only_the_user_can_correct(error: BaseException, host: str, safe: Callable[[str], str]) -> TeacherStop | None:
    """Return the error for a fault that no retry can correct: a certificate or a proxy that refuses. None for others."""
    import aiohttp

    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, aiohttp.ClientHttpProxyError):
            need = " and its password" if seen.status == 407 else ""
            return TeacherStop(
                f"the proxy refuses the connection to {host} (HTTP {seen.status}: {safe(seen.message)}). "
                f"Fix: check HTTPS_PROXY{need}, or unset it."
            )
        if isinstance(seen, ssl.SSLCertVerificationError):
            reason = safe(seen.verify_message or str(seen))
            return TeacherStop(
                f"the certificate of {host} is not trusted (got {reason}). Fix: set SSL_CERT_FILE to the file of the authority "
                "that signed it."
            )
        if isinstance(seen, ssl.SSLError) and "WRONG_VERSION_NUMBER" in str(seen):
            return TeacherStop(f"{host} does not speak https (got {safe(str(seen))}). Fix: write http:// in its address.")
        if isinstance(seen, aiohttp.ContentTypeError | aiohttp.InvalidURL):
            break
        seen = seen.__cause__ or seen.__context__
    text = safe(str(error))
    if "content-encoding" in text.lower():
        return TeacherStop(f"{host} compresses its answers in an unknown way (got {text}). Fix: run `pip install Brotli`.")
    return None
