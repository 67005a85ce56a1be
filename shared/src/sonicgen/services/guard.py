"""The one guard against requests into private networks: every address that SonicGen fetches goes through it.

A link from a stranger must not make a worker talk to its own network: the metadata server, a database, a neighbour.
So a link's host is looked up here, every address that it has must be reachable by everybody, and the connection is made
to the very address that was checked; a name that changes its answer between check and connect gains nothing. Redirects
are links of their own and are checked again.
"""

from __future__ import annotations

import base64
import ipaddress
import re
import socket
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

import idna

from sonicgen.errors import ForbiddenAddressError, InputError, SettingsError, UnavailableError

DEFAULT_PORTS = {"http": 80, "https": 443}
MAXIMUM_URL_CHARACTERS = 4096
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NAME_CHARACTERS = 253
_HEAD_BYTES = 16_384

# Ranges that wrap an IPv4 address, by how many low bits stand after it. What they wrap must be public, too.
_WRAPPED_V4 = (
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),
    (ipaddress.IPv6Network("::/96"), 0),
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),  # NAT64 (RFC 6052)
    (ipaddress.IPv6Network("2002::/16"), 80),  # 6to4
)
# Ranges that lead elsewhere than they seem, beyond those that `ipaddress` knows as not global.
_NEVER = tuple(
    map(
        ipaddress.ip_network,
        (
            "64:ff9b:1::/48",  # NAT64 for private use (RFC 8215)
            "2001::/32",  # Teredo
            "fec0::/10",  # site-local, long deprecated and still routed by some
            "100::/64",
            "192.88.99.0/24",  # 6to4 relays
            "100.64.0.0/10",  # shared by carriers
        ),
    )
)


@dataclass(frozen=True, slots=True)
class Target:
    """A link that was read: whom to ask, and for what."""

    scheme: str
    host: str  # in lower case; punycode for other scripts; without brackets
    port: int
    path: str  # with its query

    @property
    def authority(self) -> str:
        """The host and, unless it is the scheme's own, the port, as a Host header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Guard:
    """What may be reached.

    `allowed_hosts` names private places that may be, each as exactly "host:port". `proxy` is an outside proxy
    (http://[user:password@]host:port) that makes the connections; it is told the checked address, never a name, so that
    it cannot come to another result. It may itself lie in a private network. Raises SettingsError for any other kind.
    """

    allowed_hosts: Collection[str] = field(default_factory=frozenset)
    proxy: str | None = None

    def __post_init__(self) -> None:
        if self.proxy is not None:
            try:
                parts = urlsplit(self.proxy)
                is_good = parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
            except ValueError:
                is_good = False
            if not is_good:
                raise SettingsError("SONICGEN_PROXY must be http://host:port or http://user:password@host:port.")

    def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host, all of them checked.

        Raises ForbiddenAddressError when one of them is not public, UnavailableError when the name has none.
        """
        host = host.lower().rstrip(".")
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            raise UnavailableError(f"The name {host} is not known; check the link.") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if f"{host}:{port}" not in self.allowed_hosts:
            for address in addresses:
                if not is_public(address):
                    raise ForbiddenAddressError(
                        f"{host} is not reached: {address} is no public address. SONICGEN_ALLOWED_HOSTS can name it."
                    )
        return addresses

    def connect(self, host: str, port: int, deadline: float) -> socket.socket:
        """Return a connection to a checked address of the host; `deadline` is of `time.monotonic`.

        Raises as `addresses` does, and UnavailableError when nobody answers.
        """
        problem: OSError | None = None
        for address in self.addresses(host, port):
            try:
                if self.proxy is not None:
                    return tunnel(self.proxy, address, port, deadline)
                return socket.create_connection((address, port), timeout=left(deadline))
            except OSError as error:
                problem = error
        raise UnavailableError(f"{host} does not answer on port {port}; try again later.") from problem


def read_target(url: str) -> Target:
    """Return whom a link leads to; raise InputError for one that is no plain http or https link.

    Credentials in a link are refused: they hide the host (https://youtube.com@169.254.169.254/).
    """
    if len(url) > MAXIMUM_URL_CHARACTERS:
        raise InputError(f"The link is longer than {MAXIMUM_URL_CHARACTERS} characters; check it.")
    if any(character <= " " or character in "\\\x7f" for character in url):
        raise InputError("The link holds a space, a backslash or a control character; check it.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InputError(f"{url!r} is no link; check it.") from error
    scheme = parts.scheme.lower()
    if scheme not in DEFAULT_PORTS:
        raise InputError(f"Only http:// and https:// links can be fetched, not {scheme or 'those without either'}.")
    if "@" in parts.netloc:
        raise InputError("The link holds a user name or password; give it without.")
    if not parts.hostname or port == 0:
        raise InputError("The link names no host; check it.")
    path = parts.path or "/"
    return Target(
        scheme=scheme,
        host=read_host(parts.hostname),
        port=port or DEFAULT_PORTS[scheme],
        path=f"{path}?{parts.query}" if parts.query else path,
    )


def read_host(host: str) -> str:
    """Return a host as the network knows it: lower case, punycode, no final dot; raise InputError for no host."""
    host = host.lower().removesuffix(".")
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise InputError(f"{host!r} is no host name; check the link.") from error
    if len(host) > _NAME_CHARACTERS or not all(map(_LABEL.fullmatch, host.split("."))):
        raise InputError(f"{host!r} is no host name; check the link.")
    return host


def is_public(address: str) -> bool:
    """Return whether an address is one that everybody may reach, also when it wraps another one."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        for network, shift in _WRAPPED_V4:
            if ip in network:
                wrapped = ipaddress.IPv4Address(int(ip) >> shift & 0xFFFFFFFF)
                return is_public(str(wrapped))
    if any(ip in network for network in _NEVER if network.version == ip.version):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_loopback)


def left(deadline: float) -> float:
    """Return the seconds until a deadline; raise TimeoutError when it has passed."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("the time for this is over")
    return seconds


def tunnel(proxy: str, address: str, port: int, deadline: float) -> socket.socket:
    """Return a connection that an outside http proxy makes to an address; raise OSError when it does not."""
    parts = urlsplit(proxy)
    connection = socket.create_connection((parts.hostname or "", parts.port or 80), timeout=left(deadline))
    try:
        _ask_for_tunnel(connection, f"[{address}]:{port}" if ":" in address else f"{address}:{port}", proxy, deadline)
    except BaseException:
        connection.close()
        raise
    return connection


def _ask_for_tunnel(connection: socket.socket, place: str, proxy: str, deadline: float) -> None:
    connection.sendall(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n{_credentials(proxy)}\r\n".encode("latin-1"))
    answer = b""
    while b"\r\n\r\n" not in answer:
        connection.settimeout(left(deadline))
        # One byte at a time: what follows the head belongs to the connection that is being made.
        byte = connection.recv(1)
        if not byte or len(answer) > _HEAD_BYTES:
            raise ConnectionError("the outside proxy hung up")
        answer += byte
    status = answer.split(b" ", 2)[1:2]
    if not status or not status[0].startswith(b"2"):
        raise ConnectionError(f"the outside proxy refused: {answer.splitlines()[0].decode('latin-1')[:100]}")


def _credentials(proxy: str) -> str:
    parts = urlsplit(proxy)
    if parts.username is None:
        return ""
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode()}\r\n"
