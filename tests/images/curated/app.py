"""Asks the standard library for what it takes from the system, and prints the answers."""

import bz2
import ctypes
import curses
import datetime
import http.server
import json
import lzma
import os
import readline
import sqlite3
import ssl
import sys
import threading
import urllib.request
import uuid
import zlib
import zoneinfo


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"page")

    def log_message(self, *_):
        pass


def page_over_tls():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain("/w/cert.pem", "/w/key.pem")
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    trust = ssl.create_default_context(cafile="/w/cert.pem")
    return urllib.request.urlopen(f"https://127.0.0.1:{server.server_port}/", context=trust).read().decode()


time = datetime.datetime(2025, 7, 1, 12, tzinfo=zoneinfo.ZoneInfo("Europe/Paris"))
print(
    json.dumps(
        {
            "page": page_over_tls(),
            "authorities": len(ssl.create_default_context().get_ca_certs()) > 100,
            "sql": sqlite3.connect(":memory:").execute("select 6 * 7").fetchone()[0],
            "search": sqlite3.connect(":memory:").execute("create virtual table t using fts5(x)").fetchall(),
            "c": ctypes.CDLL("libc.so.6").getpid() == os.getpid(),
            "c++": bool(ctypes.CDLL("libstdc++.so.6")),
            "packed": [pack.decompress(pack.compress(b"x")).decode() for pack in (bz2, lzma, zlib)],
            "time": time.isoformat(),
            "terminal": [curses.setupterm("xterm-256color", 1) is None, readline.__doc__ is not None],
            "encodings": [sys.getfilesystemencoding(), sys.stdout.encoding],
            "user": os.getuid(),
            "shell": os.popen("echo hello").read(),
            "uuid": uuid.uuid1().version,
        }
    )
)
