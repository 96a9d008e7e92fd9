"""Serve the answers of a handler, as the configuration of the service says."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from handler import answer

with open("/etc/shop/config.json") as file:
    config = json.load(file)


class Service(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({**answer(config), "stage": config["stage"]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


address = (os.environ.get("HOST", ""), int(os.environ.get("PORT", config["port"])))
print(f"{config['name']} listens on port {address[1]}", flush=True)
ThreadingHTTPServer(address, Service).serve_forever()
