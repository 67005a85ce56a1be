from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from sonicgen.domain.role import Role
from sonicgen.services.people import verify_token
from sonicgen.settings import read_settings
from sonicgen.store import api_keys
from tests.unit.console.conftest import Console

SECRET = "a shared secret of a project that is older, and long"


def status(console: Console, path: str, **more: object) -> int:
    return console.ask.get(path, **more).status_code  # type: ignore[arg-type]


def test_at_the_machine_itself_nobody_needs_a_key(console: Console) -> None:
    assert console.ask.get("/v1/session").json() == {"name": "this machine", "role": "admin"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},  # a name elsewhere that leads here: DNS rebinding
        {"X-Forwarded-For": "127.0.0.1"},  # through a proxy on this machine
        {"Forwarded": "for=127.0.0.1"},
    ],
)
def test_who_comes_another_way_is_nobody(console: Console, headers: dict[str, str]) -> None:
    assert status(console, "/v1/recordings", headers=headers) == 401
    assert status(console, "/healthz", headers=headers) == 200


def test_roles_bound_what_a_key_may_do(console: Console) -> None:
    missing = "00000000-0000-0000-0000-000000000000"
    with console.configured(access="keys"):
        assert status(console, "/v1/recordings") == 401
        viewer, labeller, admin = (console.key(role) for role in (Role.VIEWER, Role.LABELLER, Role.ADMIN))
        assert status(console, "/v1/recordings", headers=viewer) == 200
        change = {"headers": viewer, "json": {"verdict": "accepted"}}
        assert console.ask.put(f"/v1/matches/{missing}/review", **change).status_code == 403  # type: ignore[arg-type]
        change["headers"] = labeller
        assert console.ask.put(f"/v1/matches/{missing}/review", **change).status_code == 404  # type: ignore[arg-type]
        assert console.ask.delete(f"/v1/recordings/{missing}", headers=labeller).status_code == 403
        assert console.ask.delete(f"/v1/recordings/{missing}", headers=admin).status_code == 404
        bearer = {"Authorization": f"Bearer {admin['X-API-Key']}"}
        assert status(console, "/v1/webhooks", headers=bearer) == 200


def test_a_key_is_kept_as_a_hash_and_ends(console: Console) -> None:
    database = console.services.database
    key, text = api_keys.add(database, "mine", Role.VIEWER, life_seconds=60)
    with database.transaction() as connection:
        row = connection.execute("select api_keys::text as row from api_keys where id = %s", (key.id,)).fetchone()
    assert row is not None
    assert text not in row["row"]
    assert api_keys.use(database, text) is not None
    assert api_keys.use(database, text + "x") is None
    with database.transaction() as connection:
        connection.execute("update api_keys set expires_at = now() where id = %s", (key.id,))
    assert api_keys.use(database, text) is None
    other, text = api_keys.add(database, "other", Role.VIEWER)
    api_keys.revoke(database, other.id)
    answer = console.ask.get("/v1/recordings", headers={"X-API-Key": text})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")
    assert text not in answer.text


def test_a_page_of_another_site_can_do_nothing(console: Console) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        answer = console.ask.post("/v1/dead-letters/replay", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "cross_site"), headers
    own = {"Origin": console.url, "Sec-Fetch-Site": "same-origin"}
    assert console.ask.post("/v1/session", json={"key": "12345678"}, headers=own).status_code == 401


def test_signing_in_keeps_the_key_where_no_script_reads_it(console: Console) -> None:
    key = console.key(Role.VIEWER)["X-API-Key"]
    with console.configured(access="keys"), httpx.Client(base_url=console.url) as person:
        first = person.get("/library?title=x")
        assert (first.status_code, first.headers["location"]) == (303, "/signin?to=%2Flibrary%3Ftitle%3Dx")
        signed = person.post("/v1/session", json={"key": key})
        cookie = signed.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert person.get("/library").status_code == 200
        assert person.get("/v1/session").json()["role"] == "viewer"
        person.delete("/v1/session")
        assert person.get("/library").status_code == 303
    elsewhere = console.ask.post("/v1/session", json={"key": key}, headers={"Host": "console.example"})
    assert "secure" in elsewhere.headers["set-cookie"].lower()


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_signing_in_leads_to_no_other_site(console: Console, to: str) -> None:
    assert 'data-to="/"' in console.ask.get("/signin", params={"to": to}).text


@pytest.mark.parametrize("path", ["/", "/v1/recordings", "/v1/nothing", "/static/x", "/library"])
def test_every_answer_binds_the_browser(console: Console, path: str) -> None:
    answer = console.ask.get(path)
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    for part in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"):
        assert part in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "camera=()" in answer.headers["permissions-policy"]
    assert "strict-transport-security" not in answer.headers  # this is http, on the machine itself
    with console.configured(trusted_proxies=1):
        behind = console.ask.get(path, headers={"X-Forwarded-Proto": "https", "X-Forwarded-For": "9.9.9.9"})
    assert "max-age=31536000" in behind.headers["strict-transport-security"]
    spoofed = console.ask.get(path, headers={"X-Forwarded-Proto": "https"})
    assert "strict-transport-security" not in spoofed.headers


def test_pages_hold_no_inline_script_or_style(console: Console) -> None:
    recording = f"/recordings/{console.pieces[0].id}"
    for path in ("/", "/library", "/search", "/review", "/operations", "/signin", recording):
        text = console.ask.get(path).text
        assert "<style" not in text, path
        assert " style=" not in text, path
        assert "<script>" not in text, path
        assert " onclick=" not in text, path
        assert "http://" not in text.replace(console.url, ""), path


def test_words_in_an_address_are_no_attack(console: Console) -> None:
    # A filter of such words once answered 500, let %3Cscript pass and refused `confidence=1`.
    for query in ("confidence=1", "q=%3Cscript%3Ealert(1)%3C/script%3E", "title=union+select", "x=" + "y" * 3_000):
        answer = console.ask.get(f"/search?{query}")
        assert answer.status_code in (200, 422), query
        assert "<script>alert" not in answer.text
    many = "&".join(f"p{number}=1" for number in range(80))
    assert console.ask.get(f"/v1/recordings?{many}").status_code == 200


def test_what_goes_wrong_inside_is_told_to_nobody(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_: object) -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr("sonicgen.console.status.stats", explode)
    answer = console.ask.get("/v1/stats")
    assert (answer.status_code, answer.json()["code"]) == (500, "failed")
    assert "hunter2" not in answer.text
    assert answer.headers["connection"] == "close", "the next request needs a connection of its own"
    assert console.ask.get("/v1/recordings").status_code == 200


def test_too_large_a_request_is_refused(console: Console) -> None:
    answer = console.ask.post("/v1/webhooks", content=b" " * (2 << 20), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("path", "announced_bytes", "status"),
    [("/v1/webhooks", 3 << 20, 413), ("/v1/find", 1 << 40, 413), ("/v1/no-such-thing", 3 << 20, 404)],
)
def test_who_still_sends_gets_to_read_the_answer(
    console: Console, path: str, announced_bytes: int, status: int
) -> None:
    host, port = console.url.removeprefix("http://").split(":")
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nConnection: close\r\n"
    piece = b" " * (1 << 19)
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(f"{head}Content-Length: {announced_bytes}\r\n\r\n".encode())
        for _ in range(min(announced_bytes, 6 << 20) // len(piece)):
            connection.sendall(piece)
            time.sleep(0.02)  # as a network does; what comes all at once may be read before it is refused
        assert connection.recv(1 << 16).startswith(f"HTTP/1.1 {status} ".encode())


@pytest.fixture
def project() -> Iterator[tuple[str, ec.EllipticCurvePrivateKey]]:
    """A Supabase project that gives its public key as Auth does."""
    private = ec.generate_private_key(ec.SECP256R1())
    public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(private.public_key()))
    keys = json.dumps({"keys": [{**public, "kid": "one", "alg": "ES256", "use": "sig"}]}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/auth/v1/.well-known/jwks.json":
                status, body = 200, keys
            elif self.path == "/auth/v1/user":
                status, body = self.user()
            else:
                status, body = 404, b""
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def user(self) -> tuple[int, bytes]:
            try:
                token = self.headers["Authorization"].removeprefix("Bearer ")
                claims = jwt.decode(token, SECRET, ["HS256"], audience="authenticated")
            except jwt.PyJWTError:
                return 403, json.dumps({"code": 403, "error_code": "bad_jwt", "msg": "invalid JWT"}).encode()
            user = {
                "id": claims["sub"], "aud": "authenticated", "email": claims["email"], "user_metadata": {},
                "app_metadata": claims["app_metadata"], "created_at": "2026-05-01T00:00:00Z",
            }  # fmt: skip
            return 200, json.dumps(user).encode()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", private
    server.shutdown()
    server.server_close()


def test_people_are_known_by_the_projects_own_signature(
    console: Console, project: tuple[str, ec.EllipticCurvePrivateKey]
) -> None:
    url, private = project
    settings = read_settings(supabase_url=url, supabase_jwt_secret=SECRET)
    good = {
        "sub": "person-1", "email": "ada@example.com", "aud": "authenticated", "iss": f"{url}/auth/v1",
        "exp": time.time() + 60, "app_metadata": {"sonicgen_role": "labeller"},
    }  # fmt: skip

    def token(claims: dict[str, object], key: object = private, algorithm: str = "ES256") -> str:
        return jwt.encode(claims, key, algorithm, headers={"kid": "one"})  # type: ignore[arg-type]

    person = verify_token(settings, token(good))
    assert person is not None
    assert (person.id, person.name, person.role) == ("person-1", "ada@example.com", Role.LABELLER)
    shared = verify_token(settings, token(good, SECRET, "HS256"))
    assert shared is not None
    assert shared.role is Role.LABELLER
    # Whoever signs up at an open project has no role; what people may write themselves (user_metadata) gives none.
    signed_up = {**good, "app_metadata": {}, "user_metadata": {"sonicgen_role": "admin"}}
    nobody = verify_token(settings, token(signed_up))
    assert nobody is not None
    assert nobody.role is Role.ANONYMOUS
    other = ec.generate_private_key(ec.SECP256R1())
    wrong = [
        token({**good, "exp": time.time() - 60}),
        token({**good, "aud": "anon"}),
        token({**good, "iss": "https://other.example/auth/v1"}),
        token(good, other),
        token(good, "another secret that is as long as the first", "HS256"),
        jwt.encode(good, "", "none"),
        "x.y.z",
    ]
    assert [verify_token(settings, one) for one in wrong] == [None] * len(wrong)
    assert verify_token(read_settings(supabase_url=url), token(good, SECRET, "HS256")) is None
    # Without the secret the project itself is asked, where its anonymous key is known.
    asking = read_settings(supabase_url=url, supabase_anon_key="anonymous.key.of-the-project")
    told = verify_token(asking, token(good, SECRET, "HS256"))
    assert told is not None
    assert (told.id, told.name, told.role) == ("person-1", "ada@example.com", Role.LABELLER)
    assert verify_token(asking, token(good, "another secret that is as long as the first", "HS256")) is None
    with console.configured(access="keys", supabase_url=url):
        answer = console.ask.get("/v1/session", headers={"Authorization": f"Bearer {token(good)}"})
    assert answer.json() == {"name": "ada@example.com", "role": "labeller"}


def test_nobody_reads_or_changes_anything_but_their_own_question(console: Console) -> None:
    open_to_all = {
        "/v1/find", "/v1/jobs", "/v1/jobs/{identifier}", "/v1/jobs/{identifier}/events", "/v1/session", "/healthz",
        "/v1/jobs/{identifier}/rejections", "/v1/jobs/{identifier}/rejections/{decision}", "/v1/uploads",
    }  # fmt: skip
    document = console.ask.get("/v1/openapi.json").json()
    wrong = []
    with console.configured(access="keys"):
        for path, methods in document["paths"].items():
            for method in methods if path not in open_to_all else ():
                address = re.sub(r"\{[^}]*\}", "00000000-0000-0000-0000-000000000000", path)
                answer = console.ask.request(method, address)
                if answer.status_code != 401:
                    wrong.append(f"{method} {path}: {answer.status_code}")
    assert wrong == []
    assert any(path.startswith("/v1/speakers") for path in document["paths"])
