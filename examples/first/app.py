"""Answers each request with a greeting."""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Greeting(BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"Hello from user {os.getuid()}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


address = (os.environ.get("HOST", ""), int(os.environ["PORT"]))
print(f"listening on port {address[1]}")
ThreadingHTTPServer(address, Greeting).serve_forever()
