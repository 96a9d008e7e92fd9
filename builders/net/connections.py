"""Keep pools of connections to servers: by TLS settings, and by the proxy that the environment names."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from fpack.light_typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl

    import urllib3


def system_context() -> ssl.SSLContext:
    """Return a TLS context that trusts the system's certificates, or those of SSL_CERT_FILE."""
    import ssl

    return ssl.create_default_context()


class Connections:
    """Pools of connections, which threads share. None is opened before the first request.

    environ: variables that name proxies; None for those of the process. context: makes the TLS context of a host with
    its port, which is kept for the host; None for the same context for all hosts.
    """

    def __init__(
        self, environ: Mapping[str, str] | None = None, context: Callable[[str], ssl.SSLContext] | None = None
    ) -> None:
        self._environ = environ
        self._context = context
        self._pools: dict[tuple[str, str], urllib3.PoolManager] = {}
        self._proxies: dict[tuple[str, str], str] = {}  # by scheme and host
        self._lock = threading.Lock()

    def pool(self, scheme: str, host: str, authority: str = "") -> urllib3.PoolManager:
        """Return the pool for a host. authority: the host with its port, if a context depends on it."""
        import urllib3

        from .limited_pools import POOLS

        proxy = self.proxy(scheme, host)
        own = authority if self._context is not None and scheme == "https" else ""
        with self._lock:
            pool = self._pools.get((proxy, own))
            if pool is None:
                settings: dict[str, Any] = {"num_pools": 16, "maxsize": 8}
                if scheme == "https" or self._context is None:
                    settings["ssl_context"] = system_context() if self._context is None else self._context(own)
                pool = urllib3.ProxyManager(proxy, **settings) if proxy else urllib3.PoolManager(**settings)
                pool.pool_classes_by_scheme = POOLS
                self._pools[proxy, own] = pool
        return pool

    def proxy(self, scheme: str, host: str) -> str:
        """Return the URL of the proxy to ask for a host, or ""."""
        if (scheme, host) not in self._proxies:
            self._proxies[scheme, host] = self._proxy(scheme, host)
        return self._proxies[scheme, host]

    def _proxy(self, scheme: str, host: str) -> str:
        proxies = None
        if self._environ is not None:
            proxies = {
                key[:-6].lower(): value for key, value in self._environ.items() if key.lower().endswith("_proxy")
            }
            if not proxies:
                return ""
        from urllib.request import getproxies_environment, proxy_bypass

        proxies = getproxies_environment() if proxies is None else proxies
        if proxy_bypass(host, proxies):
            return ""
        proxy = proxies.get(scheme) or proxies.get("all") or ""
        return proxy if "://" in proxy or not proxy else f"http://{proxy}"
