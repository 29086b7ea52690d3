"""Where a request comes from: this computer, another, or through a reverse proxy that is believed.

Takes requests, gives addresses. What a proxy says (X-Forwarded-For, X-Forwarded-Proto) counts only from addresses
that the settings name.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final

from aiohttp import web

FORWARDED: Final = ("Forwarded", "X-Forwarded-For", "X-Real-IP")


class Peers:
    """Tells clients from proxies.

    Args:
        proxies: addresses and networks of the reverse proxies in front.
    """

    def __init__(self, proxies: Sequence[str] = ()) -> None:
        self._proxies = [ipaddress.ip_network(proxy, strict=False) for proxy in proxies]

    def is_secure(self, request: web.BaseRequest) -> bool:
        """Whether the browser speaks HTTPS."""
        if request.secure:
            return True
        return self._is_proxy(request.remote) and request.headers.get("X-Forwarded-Proto", "").lower() == "https"

    def address(self, request: web.BaseRequest) -> str:
        """The client's address: the last one in the chain that is no proxy of ours."""
        told = ",".join(request.headers.getall("X-Forwarded-For", []))
        chain = [part.strip() for part in told.split(",") if part.strip()]
        address = request.remote or ""
        while chain and self._is_proxy(address):
            address = chain.pop()
        return str(_parsed(address) or "unknown")

    def _is_proxy(self, address: str | None) -> bool:
        parsed = _parsed(address or "")
        return parsed is not None and any(parsed in network for network in self._proxies)


def host_name(host: str) -> str:
    """The name in a Host header, without port and brackets, lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.rpartition(":")[0].lower() if host.count(":") == 1 else host.lower()


def is_address(name: str) -> bool:
    """Whether a host is named by its address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_local(request: web.BaseRequest) -> bool:
    """Whether the peer is on this computer; what came through a proxy is not."""
    if any(name in request.headers for name in FORWARDED):
        return False
    peer = _parsed(request.remote or "")
    return peer is not None and peer.is_loopback


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        peer = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return (isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped) or peer
