"""Pools of connections of urllib3 whose answers are limited."""

from __future__ import annotations

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from .limited_response import LimitedResponse


class _Connection(HTTPConnection):
    response_class = LimitedResponse


class _TlsConnection(HTTPSConnection):
    response_class = LimitedResponse


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


POOLS = {"http": _Pool, "https": _TlsPool}
