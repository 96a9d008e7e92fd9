"""A guest book: GET shows what visitors wrote, POST adds a line. The database is where PGHOST and the like say."""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg2


def query(text, *values):
    with psycopg2.connect("") as database, database.cursor() as cursor:
        cursor.execute(text, values)
        return cursor.fetchall()


class Book(BaseHTTPRequestHandler):
    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(
            200, "".join(f"{number}. {words}\n" for number, words in query("SELECT id, words FROM entries ORDER BY id"))
        )

    def do_POST(self):
        words = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        ((number,),) = query("INSERT INTO entries (words) VALUES (%s) RETURNING id", words)
        self.answer(201, f"{number}\n")


if __name__ == "__main__":
    server = ThreadingHTTPServer((os.environ.get("HOST", ""), int(os.environ.get("PORT", "8000"))), Book)
    print(f"http://localhost:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print("closed")
