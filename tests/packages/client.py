"""Clients of servers, run in a container's network namespace.

`python client.py '["KIND", "ARGUMENT"...]'` makes a request and prints the answer. Kinds and arguments:

tcp PORT DATA           send DATA (latin-1), print what comes within a second; tcp PORT "" waits for a greeting
udp PORT DATA           the same for a datagram
unix PATH DATA          the same for a stream socket, here a path below the root of the container
http PORT PATH          GET, print status, headers and body
dns PORT NAME           a query for an A record, print the answer's header flags and code
radius PORT             an Access-Request of the user `nobody`, print the answer's name
nrpe PORT               a query of the NRPE version over anonymous TLS, print the answer
ssh PORT KEY COMMAND    run a command as root, by a key
smtp PORT ADDRESS       send a message to ADDRESS
through PORT BACKEND    serve at BACKEND, connect to PORT as an SSH client, print what the backend says
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import http.client
import json
import smtplib
import socket
import ssl
import struct
import subprocess
import sys
import threading

HOST = "127.0.0.1"
_SECONDS = 10.0


def _answer(connection: socket.socket) -> bytes:
    """Read until the peer is silent for a second."""
    data = b""
    connection.settimeout(_SECONDS)
    while len(data) < 65536:
        try:
            part = connection.recv(4096)
        except TimeoutError:
            break
        if not part:
            break
        data += part
        connection.settimeout(1)
    return data


def tcp(port: str, data: str) -> bytes:
    with socket.create_connection((HOST, int(port)), _SECONDS) as connection:
        connection.sendall(data.encode("latin-1"))
        return _answer(connection)


def udp(port: str, data: str) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.settimeout(_SECONDS)
        connection.sendto(data.encode("latin-1"), (HOST, int(port)))
        return connection.recv(65536)  # not connected: TFTP answers from another port


def unix(path: str, data: str) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_SECONDS)
        connection.connect(path)
        connection.sendall(data.encode("latin-1"))
        return _answer(connection)


def get(port: str, path: str) -> bytes:
    connection = http.client.HTTPConnection(HOST, int(port), timeout=_SECONDS)
    connection.request("GET", path)
    response = connection.getresponse()
    head = f"HTTP {response.status} {response.reason}\n{response.headers}"
    return head.encode() + response.read(100_000)


def dns(port: str, name: str) -> bytes:
    question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0\0\x01\0\x01"
    query = struct.pack(">6H", 0x1234, 0x0100, 1, 0, 0, 0) + question
    answer = udp(port, query.decode("latin-1"))
    _, flags, _, answers, _, _ = struct.unpack(">6H", answer[:12])
    return f"response={flags >> 15} code={flags & 15} answers={answers}".encode()


def radius(port: str) -> bytes:
    secret, vector = b"testing123", hashlib.md5(b"request").digest()
    hidden = bytes(a ^ b for a, b in zip(b"wrong".ljust(16, b"\0"), hashlib.md5(secret + vector).digest(), strict=True))
    attributes = b"\x01\x08nobody" + b"\x02\x12" + hidden + b"\x50\x12"
    head = struct.pack(">BBH", 1, 7, 20 + len(attributes) + 16) + vector
    mark = hmac.new(secret, head + attributes + bytes(16), hashlib.md5).digest()
    answer = udp(port, (head + attributes + mark).decode("latin-1"))
    return {2: b"Access-Accept", 3: b"Access-Reject"}.get(answer[0], b"another answer")


def nrpe(port: str) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ALL:aNULL:@SECLEVEL=0")
    body = b"_NRPE_CHECK".ljust(1024, b"\0") + b"\0\0"
    empty = struct.pack(">hhIh", 2, 1, 0, 0) + body
    packet = struct.pack(">hhIh", 2, 1, binascii.crc32(empty), 0) + body
    with socket.create_connection((HOST, int(port)), _SECONDS) as plain, context.wrap_socket(plain) as connection:
        connection.sendall(packet)
        return _answer(connection)[10:].rstrip(b"\0")


def ssh(port: str, key: str, command: str) -> bytes:
    options = ["-F", "none", "-i", key, "-p", port, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"]
    options += ["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    result = subprocess.run(["ssh", *options, f"root@{HOST}", command], capture_output=True, timeout=60, check=False)
    return result.stdout + result.stderr


def smtp(port: str, address: str) -> bytes:
    with smtplib.SMTP(HOST, int(port), "localhost", _SECONDS) as server:
        server.ehlo()
        server.sendmail("root@localhost", [address], "Subject: hello\r\n\r\nworld\r\n")
        return b"accepted"


def through(port: str, backend: str) -> bytes:
    def serve() -> None:
        with server.accept()[0] as connection:
            connection.sendall(b"SSH-2.0-backend\r\n")
            connection.recv(100)

    with socket.create_server((HOST, int(backend))) as server:
        threading.Thread(target=serve, daemon=True).start()
        return tcp(port, "SSH-2.0-client\r\n")


KINDS = {"tcp": tcp, "udp": udp, "unix": unix, "http": get, "dns": dns, "radius": radius, "nrpe": nrpe}
KINDS |= {"ssh": ssh, "smtp": smtp, "through": through}


def main() -> int:
    """Make one request; exit status 1 where there is no answer."""
    kind, *arguments = json.loads(sys.argv[1])
    try:
        answer = KINDS[kind](*arguments)
    except (OSError, http.client.HTTPException, smtplib.SMTPException, struct.error, IndexError) as error:
        print(f"{type(error).__name__}: {error}")
        return 1
    sys.stdout.buffer.write(answer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
