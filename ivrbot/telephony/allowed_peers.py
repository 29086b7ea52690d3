"""Which addresses may open media connections: those of the PBX.

Takes the addresses and networks of the settings, answers for a peer; pure.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from ivrbot.errors import ConfigError, Problem


class AllowedPeers:
    """Addresses and networks.

    Args:
        addresses: such as "10.1.0.0/16" or "::1".

    Raises:
        ConfigError: names every one that is neither address nor network.
    """

    def __init__(self, addresses: Sequence[str]) -> None:
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        problems = []
        for address in addresses:
            try:
                self._networks.append(ipaddress.ip_network(address.strip(), strict=False))
            except ValueError:
                allowed = "an address or a network such as 10.1.0.0/16"
                problems.append(Problem("", None, "media.allowed_addresses", address, "not a network", allowed))
        if problems:
            raise ConfigError(problems)

    def allow(self, address: str) -> bool:
        """Whether a peer's address lies in one of the networks; IPv4 written as IPv6 counts as IPv4."""
        try:
            peer = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped:
            peer = peer.ipv4_mapped
        return any(peer in network for network in self._networks)
