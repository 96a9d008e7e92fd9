"""Test which port `fpack init` finds in the code of a server, and whether other machines reach it."""

from __future__ import annotations

from pathlib import Path

import pytest
from fpack.cli.init.code.served_port import with_port
from fpack.cli.init.guess import Guess

RUST = ("rust", "@/bin/web", "src/main.rs")
C = ("make", "@/bin/web", "web.cc")
PYTHON = ("python", "@/bin/web", "web/command.py")
NODE = ("node", "@/app/packages/api/server.js", "packages/api/server.js")


def _ported(
    directory: Path, call: str, run: str, texts: dict[str, str], fields: tuple[tuple[str, str], ...] = ()
) -> Guess:
    for path, text in texts.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text)
    return with_port(Guess(call, "web", None, fields, [], [run]), directory)


@pytest.mark.parametrize(
    ("kind", "text", "port"),
    [
        (RUST, 'let l = tokio::net::TcpListener::bind("0.0.0.0:3000").await?;', 3000),
        (RUST, "let a = SocketAddr::from(([0, 0, 0, 0], 3001));\nServer::bind(&a)", 3001),
        (RUST, 'HttpServer::new(|| App::new()).bind(("0.0.0.0", 8080))?', 8080),
        (RUST, 'let port = env::var("PORT").unwrap_or_else(|_| "4000".to_string());\nTcpListener::bind(addr)', 4000),
        (RUST, "const PORT: u16 = 5001;\nTcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT))", 5001),
        (RUST, "#[arg(long, default_value_t = 6001)]\n    port: u16,\nTcpListener::bind(addr)", 6001),
        (RUST, "#[launch]\nfn rocket() -> _ {}", 8000),
        (RUST, 'TcpStream::connect("127.0.0.1:3000")', None),
        (C, 'server.listen("0.0.0.0", 8081);', 8081),
        (C, "a.sin_port = htons(7000);\nbind(s, &a, n); listen(s, 5);", 7000),
        (C, "#define SERVER_PORT 7001\na.sin_port = htons(SERVER_PORT); listen(s, 5);", 7001),
        (C, "app.port(18080).multithreaded().run();", 18080),
        (C, "tcp::acceptor acceptor(io, tcp::endpoint(tcp::v4(), 8082));", 8082),
        (C, "a.sin_port = htons(7000);\nconnect(s, &a, n);", None),
        (C, "listen(s, atoi(argv[1]));", None),
        (PYTHON, 'uvicorn.run(app, host="0.0.0.0", port=8005)', 8005),
        (PYTHON, 'uvicorn.run("web.app:app", host=HOST)', 8000),
        (PYTHON, "web.run_app(make())", 8080),
        (PYTHON, 'app.run(host="", port=int(os.environ.get("PORT", 5005)))', 5005),
        (PYTHON, 'p.add_argument("--port", type=int, default=9001)\nserve(a.port)', 9001),
        (PYTHON, 'HTTPServer(("", 8006), Handler).serve_forever()', 8006),
        (PYTHON, "s.bind((HOST, 9009))", 9009),
        (PYTHON, 'asyncio.start_server(handle, "127.0.0.1", 8888)', 8888),
        (PYTHON, "requests.get(url, port=8005)", None),
        (PYTHON, "w.bind('<Key>', callback)\nsize = max(n, 1024)", None),
        (PYTHON, "s.bind(address)\nblock = take(buffer, 4096)", None),
        (PYTHON, "s.bind(address)  # or port = 2222", None),
        (PYTHON, "mark = '#'; app.run(port=8009)", 8009),
        (RUST, "TcpListener::bind(address) /* port = 22 */ // port = 23", None),
        (RUST, "fn f<'a>(x: &'a str) {} // port = 23\nTcpListener::bind(address)", None),
        (C, "char quote = '\"'; // port = 22\nlisten(s, 5);", None),
        (NODE, "app.listen(socket) // port: 22 ssh", None),
        (NODE, "const url = 'http://a', port = 3004; app.listen(port)", 3004),
        (NODE, "app.listen(3001)", 3001),
        (NODE, "const port = process.env.PORT || 3002;\napp.listen(port)", 3002),
        (NODE, "await fastify.listen({ port: Number(process.env.PORT ?? 3003), host: '0.0.0.0' })", 3003),
        (NODE, "emitter.on('x', f)", None),
    ],
)  # fmt: skip
def test_the_port_in_the_code(tmp_path: Path, kind: tuple[str, str, str], text: str, port: int | None) -> None:
    call, run, path = kind
    found = _ported(tmp_path, call, run, {path: text})
    assert list(found.ports) == ([port] if port else [])
    assert [line for line in found.reasons if line == f"{path}: it listens on port {port}"] or port is None


def test_the_program_decides_among_several_that_listen(tmp_path: Path) -> None:
    texts = {f"{name}/src/main.rs": f'TcpListener::bind("0.0.0.0:{port}")' for name, port in (("a", 3000), ("b", 4000))}
    assert list(_ported(tmp_path, "rust", "@/bin/b", texts, (("crate", '"b"'),)).ports) == [4000]
    assert (
        list(_ported(tmp_path, "make", "@/bin/b", {"a.c": "listen(htons(81))", "b.c": "listen(htons(82))"}).ports) == []
    )


def test_the_port_is_where_the_settings_are(tmp_path: Path) -> None:
    texts = {"server.js": "app.listen(config.port)", "config.js": "exports.port = process.env.PORT || 3456"}
    assert list(_ported(tmp_path, "node", "@/app/server.js", texts).ports) == [3456]


def test_a_port_of_the_arguments_is_kept(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("uvicorn.run(app, port=9000)")
    guess = Guess("python", "web", None, [], [], ["@/bin/uvicorn", "--port", "8000"], [8000])
    assert with_port(guess, tmp_path) == guess


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("app.listen(address); const database = { port: 5432 }", 8000),
        ("app.listen(9000)", 9000),
        ("app.listen(process.env.PORT || 9000)", 9000),
    ],
)
def test_a_port_that_was_guessed_gives_way_to_a_sure_one(tmp_path: Path, text: str, port: int) -> None:
    (tmp_path / "server.js").write_text(text)
    guess = Guess("node", "web", None, [], [], ["/usr/bin/node", "@/app/server.js"], [8000])
    assert list(with_port(guess, tmp_path).ports) == [port]


@pytest.mark.parametrize("text", ["'\\\"" * 100_000, "/*" * 100_000, "`\\" * 100_000, '\\"' * 100_000])
def test_code_is_read_in_time_in_proportion_to_its_size(tmp_path: Path, text: str) -> None:
    for kind, run, path in (RUST, PYTHON, NODE):
        assert not _ported(tmp_path, kind, run, {path: f"x.bind( x.listen( {text}"}).ports


@pytest.mark.parametrize(
    ("kind", "text", "local"),
    [
        (RUST, 'TcpListener::bind("127.0.0.1:3000")', True),
        (RUST, 'let host = if local { "127.0.0.1:3000" } else { "0.0.0.0:3000" };\nTcpListener::bind(host)', False),
        (PYTHON, "uvicorn.run(app, port=8005)", True),
        (PYTHON, 'app = Flask(__name__)\napp.run(host="0.0.0.0")', False),
        (NODE, "app.listen(3000, 'localhost')", True),
        (NODE, "app.listen(3000)", False),
    ],
)
def test_a_server_that_nothing_outside_reaches(
    tmp_path: Path, kind: tuple[str, str, str], text: str, local: bool
) -> None:
    call, run, path = kind
    told = " ".join(_ported(tmp_path, call, run, {path: text}).reasons)
    assert ("let it listen on 0.0.0.0" in told) == local


def test_a_library_that_a_variable_opens_gets_it(tmp_path: Path) -> None:
    found = _ported(tmp_path, "rust", "@/bin/web", {"src/main.rs": "rocket::build()"})
    assert list(found.image_env) == [("ROCKET_ADDRESS", "0.0.0.0")]
