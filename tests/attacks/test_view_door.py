"""Attacks on the interactive page: other users of the machine, pages elsewhere, connections that say nothing."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from testbed import synthetic_trace
from testbed.browser import chromium

pytest.importorskip("dash")

import smaragdine.view.server as servers
from smaragdine.view import Server, Session, build

# Of every kind: the page, its data, its scripts, its calls, what is not there.
PATHS = (
    "/",
    "/_dash-layout",
    "/_dash-dependencies",
    "/_dash-update-component",
    "/_favicon.ico",
    "/nowhere",
    "//",
    "/..",
)
REFUSAL = b"open the address that `smaragdine view` printed, with its token\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    trace = synthetic_trace.write(tmp_path_factory.mktemp("traces") / "one", speed=1.0)
    server = Server(build(Session.open([trace])), 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def ask(
    server: Server, path: str, *, method: str = "GET", body: str | None = None, **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Status, headers and body; `Sec_Fetch_Site=…` is the header Sec-Fetch-Site."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    with closing(connection):
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def cookie_of(server: Server) -> str:
    status, headers, _ = ask(server, server.address.partition(str(server.port))[2])
    assert status == 200
    return headers["Set-Cookie"].partition(";")[0]


def token_of(server: Server) -> str:
    (token,) = parse_qs(urlsplit(server.address).query)["token"]
    return token


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW"])
@pytest.mark.parametrize("path", PATHS)
def test_without_the_token_every_path_is_refused_and_no_page_is_given(server: Server, path: str, method: str) -> None:
    wrong = "x" * 43
    for asked, cookie in ((path, ""), (f"{path}?token={wrong}", ""), (f"{path}?token=", ""), (path, f"a={wrong}")):
        status, headers, body = ask(server, asked, method=method, Cookie=cookie)
        assert (status, body) == (403, b"" if method == "HEAD" else REFUSAL)
        assert headers["Content-Type"].startswith("text/plain")
        assert "Set-Cookie" not in headers


def test_the_token_opens_the_page_and_is_a_cookie_from_then_on(server: Server) -> None:
    status, headers, page = ask(server, f"/?token={token_of(server)}")
    assert status == 200
    assert b"_dash-renderer" in page
    kept, *how = headers["Set-Cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(how)
    assert headers["Referrer-Policy"] == "same-origin"
    assert b"bert" in ask(server, "/_dash-layout", Cookie=f"theme=dark; {kept}; other=1")[2]
    # As long as the right one, and off by its last sign.
    assert ask(server, "/", Cookie=kept[:-1] + ("a" if kept[-1] != "a" else "b"))[0] == 403
    assert ask(server, "/", Cookie=kept + "\udcff".encode("utf-8", "surrogateescape").decode("latin-1"))[0] == 403


def test_two_pages_at_one_host_do_not_take_each_others_cookie(server: Server) -> None:
    other = Server(build(Session(())), 0)
    try:
        assert token_of(other) != token_of(server)
        assert other.door._cookie != server.door._cookie
        assert ask(server, f"/?token={token_of(other)}")[0] == 403
    finally:
        other.server_close()


@pytest.mark.parametrize("name", ["evil.example", "evil.example:8050", "127.0.0.1.evil.example", "localhost@evil", "",
                                  "localhost:80, evil.example", "0.0.0.0", "[::1", "node7:8050"])  # fmt: skip
def test_a_name_that_was_pointed_to_this_machine_is_refused_whoever_asks(server: Server, name: str) -> None:
    status, _, body = ask(server, "/", Host=name, Cookie=cookie_of(server))
    assert status == 403
    assert b"localhost" in body and b"ssh -L" in body


@pytest.mark.parametrize("name", ["localhost", "localhost:9000", "127.0.0.1:1", "[::1]:65535", "LOCALHOST:8050"])
def test_this_machines_own_names_are_answered_at_any_port_for_tunnels_have_their_own(server: Server, name: str) -> None:
    headers = {"Host": name, "Cookie": cookie_of(server), "Origin": f"http://{name}"}
    assert ask(server, "/_dash-layout", **headers)[0] == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://localhost", ""])
def test_what_a_page_of_another_origin_sends_is_refused_even_with_the_cookie(server: Server, origin: str) -> None:
    call = json.dumps({"output": "sunburst.figure"})
    headers = {"Cookie": cookie_of(server), "Origin": origin, "Content_Type": "application/json"}
    assert ask(server, "/_dash-update-component", method="POST", body=call, **headers)[0] == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
def test_no_page_of_another_origin_pauses_a_training_nor_reads_a_job(server: Server, origin: str) -> None:
    own = {"Cookie": cookie_of(server), "Content_Type": "application/json"}
    asks = {"method": "POST", "body": json.dumps({"pause": True})}
    assert ask(server, "/pause", **asks, Origin=origin, **own)[0] == 403
    assert ask(server, "/pause", **asks)[0] == 403
    assert ask(server, "/pause", **asks, Sec_Fetch_Site="same-site", Sec_Fetch_Mode="cors", **own)[0] == 403
    assert ask(server, "/live.json", Origin=origin, **own)[0] == 403
    status, _, body = ask(server, "/pause", **asks, **own)
    assert (status, json.loads(body)["problem"]) == (200, "nothing is being recorded here any more")
    for odd in ("", "[]", '{"pause": 1}', "{"):
        assert ask(server, "/pause", method="POST", body=odd, **own)[0] == 400


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_another_page_loads_of_this_one_is_refused_and_a_link_to_it_works(server: Server, site: str) -> None:
    cookie = cookie_of(server)
    assert ask(server, "/_dash-layout", Cookie=cookie, Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors")[0] == 403
    link = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": "navigate"}
    status, headers, page = ask(server, f"/?token={token_of(server)}", **link)
    assert (status, headers["Set-Cookie"].partition(";")[0]) == (200, cookie)
    # A browser sends a strict cookie after a link from elsewhere only to what the page itself asks for.
    assert (b'"refresh"' in page) == (site == "cross-site")


def test_connections_that_say_nothing_keep_nobody_from_the_page(server: Server) -> None:
    with ExitStack() as stack:
        for sent in (b"", b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"):
            for _ in range(50):
                idle = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
                idle.sendall(sent)
        began = time.monotonic()
        assert ask(server, "/_dash-layout", Cookie=cookie_of(server))[0] == 200
        assert time.monotonic() - began < servers.PATIENCE_S
        assert len(server._waiting) <= servers.MOST_WAITING


def test_a_connection_that_is_not_let_in_is_closed_in_time_however_busily_it_writes(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "PATIENCE_S", 0.5)
    with (
        socket.create_connection(("127.0.0.1", server.port)) as idle,
        socket.create_connection(("127.0.0.1", server.port)) as busy,
    ):
        until = time.monotonic() + 20
        busy.sendall(b"GET / HTTP/1.1\r\nX: ")
        with suppress(OSError):  # reset or broken, as it comes
            while time.monotonic() < until:
                busy.sendall(b"x")
                time.sleep(0.05)
        assert time.monotonic() < until
        idle.settimeout(20)
        assert idle.recv(1) == b""


def test_what_is_no_request_gets_words_and_no_page(server: Server) -> None:
    for nonsense in (
        b"\x16\x03\x01 hello\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n",
    ):
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.sendall(nonsense)
            answer = b""
            try:
                while piece := connection.recv(65_536):
                    answer += piece
            except ConnectionResetError:
                pass
            assert b"<" not in answer


def test_a_request_that_is_larger_than_the_page_sends_is_refused_unread(server: Server) -> None:
    cookie = cookie_of(server)
    headers = f"Host: localhost\r\nCookie: {cookie}\r\n"
    for size in ("Content-Length: 9999999999", "Content-Length: -1", "Transfer-Encoding: chunked"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.sendall(f"POST /_dash-update-component HTTP/1.1\r\n{headers}{size}\r\n\r\n".encode())
            assert connection.recv(64).startswith(b"HTTP/1.1 403 ")


@pytest.mark.browser
def test_a_page_of_another_server_on_this_machine_reads_nothing(server: Server, tmp_path: Path) -> None:
    """As another user's server would, once the reader of ours opens it."""
    import functools
    import http.server

    (tmp_path / "index.html").write_text("<!doctype html><title>theirs</title>")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    theirs = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=theirs.serve_forever, daemon=True).start()
    ours = server.address.partition("?")[0]
    try:
        with chromium() as browser:
            page = browser.new_context().new_page()
            page.goto(server.address)
            page.wait_for_selector("#sunburst")
            page.goto(f"http://127.0.0.1:{theirs.server_port}/")
            script = """async ([address, mode]) => {
                try {
                    const answer = await fetch(address + "_dash-layout", {mode, credentials: "include"});
                    return [answer.type, answer.status, await answer.text()];
                } catch (error) { return ["error", 0, ""]; }
            }"""
            for mode in ("cors", "no-cors"):
                kind, _, text = page.evaluate(script, [ours, mode])
                assert (kind in ("error", "opaque"), text) == (True, "")
            # A link leads there all the same, as one of another page of ours does.
            page.evaluate("address => { location.href = address }", server.address)
            page.wait_for_selector("#sunburst .slice")
    finally:
        theirs.shutdown()
        theirs.server_close()
