"""The address of a cluster of Ray: what one is, whether anything answers there, and whether it asks for a token.

Ray itself tries for minutes where nothing answers, and where it is not let in.
"""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

from fbench.errors import UsageError, shorten

__all__ = ["check_address", "knock", "take_token"]

_ADDRESS = re.compile(r"(?P<client>ray://)?(?P<host>[^\s/:]+|\[[0-9a-fA-F:]+\]):(?P<port>[0-9]{1,5})")
_ANSWER_S = 5.0
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
"""How a client of gRPC begins, with no settings of its own; a server answers with its settings at once."""
_SETTINGS_FRAME = 4
_HARMLESS = {"ray://": "/ray.rpc.RayletDriver/ClusterInfo", None: "/ray.rpc.NodeInfoGcsService/GetClusterId"}
"""A question that a cluster answers whoever asks, but for a token; of Ray's client, and of the cluster itself."""
_TOKENS = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


def check_address(address: str) -> None:
    """Refuse what is no address of a cluster.

    Raises:
        UsageError: another spelling.

    Example:
        >>> check_address("auto"), check_address("ray://head:10001")
        (None, None)
    """
    match = _ADDRESS.fullmatch(address)
    if address != "auto" and (match is None or int(match["port"]) > 65_535):
        raise UsageError(f"--address {shorten(address)}: must be auto, HOST:PORT, or ray://HOST:PORT")


def knock(address: str) -> None:
    """See within seconds whether anything like Ray listens.

    Raises:
        OSError: nothing does.
    """
    match = _parts(address)
    with socket.create_connection((match["host"].strip("[]"), int(match["port"])), timeout=_ANSWER_S) as peer:
        peer.settimeout(_ANSWER_S)
        if not _is_encrypted():
            peer.sendall(_GREETING)
            if peer.recv(9)[3:4] != bytes([_SETTINGS_FRAME]):
                raise ConnectionError("something else listens there")


def take_token(address: str) -> None:
    """Have Ray show its token to a cluster that asks for one: by itself it does so only on the head's own machine.

    To be called before ``ray`` is imported, which reads then whether it is to.

    Raises:
        UsageError: there is no token.
    """
    mode = os.environ.get("RAY_AUTH_MODE", "").lower()
    if mode == "token" or not _asks_for_token(address):
        return
    at_hand = any(os.environ.get(name) for name in _TOKENS) or (Path.home() / ".ray" / "auth_token").is_file()
    if mode or not at_hand:
        raise UsageError(
            f"--address {address}: the cluster asks for a token; set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN to what "
            "`ray get-auth-token` prints on its head"
        )
    os.environ["RAY_AUTH_MODE"] = "token"


def _asks_for_token(address: str) -> bool:
    try:
        import grpc
    except ImportError:  # Ray without its client: it tells itself
        return False
    match = _parts(address)
    if _is_encrypted():
        return False
    with grpc.insecure_channel(f"{match['host']}:{match['port']}") as channel:
        try:
            channel.unary_unary(_HARMLESS[match["client"]])(b"", timeout=_ANSWER_S)
        except grpc.RpcError as error:
            return bool(error.code() is grpc.StatusCode.UNAUTHENTICATED)
    return False


def _parts(address: str) -> re.Match[str]:
    match = _ADDRESS.fullmatch(address)
    assert match is not None, address
    return match


def _is_encrypted() -> bool:
    return os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true")
