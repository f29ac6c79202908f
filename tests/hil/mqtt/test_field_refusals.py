"""A broker that says no, or is none: one line with host, port and reason, within seconds."""

import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from hil.errors import MissingDependency
from hil.mqtt.address import Address, listen
from hil.mqtt.broker import embedded, find_mosquitto, mosquitto, terminate
from hil.mqtt.greeting import GREETING_S, BrokerRefuses, greet
from hil.mqtt.login import PASSWORD_VARIABLE, Login, open_login
from hil.testbed.connection import CoordinatorConnection
from hil.testbed.hosts import known_workers
from tests.commands import COMMAND, ROOT, call

USER, PASSWORD = "lab", "s3cret wörd"


def free_port(host: str = "127.0.0.1") -> int:
    with listen(Address(host, 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextmanager
def mosquitto_with(folder: Path, *lines: str) -> Iterator[Address]:
    """Run Mosquitto with a password for USER and these lines of configuration."""
    program = find_mosquitto()
    assert program is not None
    (folder / "passwords").touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", folder / "passwords", USER, PASSWORD], check=True, capture_output=True)
    address = Address("127.0.0.1", free_port())
    configuration = (f"listener {address.port} {address.host}", *lines, "user root", "log_dest none", "")
    (folder / "mosquitto.conf").write_text("\n".join(configuration))
    process = subprocess.Popen([program, "-c", folder / "mosquitto.conf"])
    try:
        deadline_s = time.monotonic() + 20
        while time.monotonic() < deadline_s:
            try:
                socket.create_connection(address, 1).close()
                break
            except OSError:
                time.sleep(0.02)
        yield address
    finally:
        terminate(process)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """A broker that lets in USER alone."""
    folder = tmp_path_factory.mktemp("guarded")
    with mosquitto_with(folder, "allow_anonymous false", f"password_file {folder}/passwords") as address:
        yield address


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ca.pem, a certificate that signs itself, for 127.0.0.1, and its key.pem."""
    folder = tmp_path_factory.mktemp("certificates")
    names = ["-subj", "/CN=broker", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "ca.pem")]
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    subprocess.run(["openssl", "req", *kind, *files, *names], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def secured(certificates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """A broker behind TLS that lets in USER alone."""
    folder = tmp_path_factory.mktemp("secured")
    tls = f"certfile {certificates}/ca.pem", f"keyfile {certificates}/key.pem"
    with mosquitto_with(folder, *tls, "allow_anonymous false", f"password_file {folder}/passwords") as address:
        yield address


@contextmanager
def speaking(answer: bytes | None, host: str = "127.0.0.1") -> Iterator[Address]:
    """A port that answers every connection with the same bytes, or never if None."""
    with listen(Address(host, 0)) as server, ExitStack() as held:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                if answer is None:
                    held.enter_context(connection)
                    continue
                with connection:
                    connection.recv(100)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield Address(host, server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def refusal(address: Address, login: Login | None = None) -> str:
    """Return what `greet` raises; it names the address and takes seconds."""
    begun_s = time.monotonic()
    with pytest.raises(BrokerRefuses) as caught:
        greet(address, login or Login())
    assert time.monotonic() - begun_s < GREETING_S + 5
    message = str(caught.value)
    assert str(address) in message
    assert "\n" not in message
    return message


def test_field_login_is_refused_with_the_brokers_reason(guarded: Address) -> None:
    assert "refuses: not authorised (--user NAME, and --password-file" in refusal(guarded)
    assert refusal(guarded, Login(USER, "wrong")).endswith("refuses: not authorised")
    greet(guarded, Login(USER, PASSWORD))
    assert known_workers(guarded, Login(USER, PASSWORD)) == []
    with pytest.raises(MissingDependency, match=f"^broker {guarded} refuses: not authorised"):
        known_workers(guarded)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (1, "unacceptable protocol version"),
        (2, "client identifier rejected"),
        (3, "server unavailable"),
        (4, "bad user name or password"),
        (5, "not authorised"),
        (77, "code 77"),
    ],
)
def test_field_every_code_of_a_refusal_has_its_words(code: int, reason: str) -> None:
    with speaking(bytes((0x20, 2, 0, code))) as address:
        assert f"refuses: {reason}" in refusal(address)


@pytest.mark.parametrize(
    "banner",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"220 mail ESMTP\r\n",
        b"HTTP/1.1 400 Bad\r\n\r\n",
        b"-ERR\r\n",
        b"\x20",
        b"\0" * 99,
    ],
)
def test_field_port_of_another_service_does_not_speak_mqtt(banner: bytes) -> None:
    with speaking(banner) as address:
        assert "does not speak MQTT: it answers" in refusal(address)
        with pytest.raises(MissingDependency, match="does not speak MQTT"):
            known_workers(address)


def test_field_silent_port_and_closing_port_do_not_speak_mqtt(certificates: Path) -> None:
    secure = Login(tls=ssl.create_default_context(cafile=certificates / "ca.pem"))
    with speaking(None) as address:
        assert f"does not speak MQTT: no answer to its greeting within {GREETING_S:g} s" in refusal(address)
        assert "does not speak TLS" in refusal(address, secure)
    with speaking(b"") as address:
        assert "does not speak MQTT: it closes the connection (mqtts:// is MQTT over TLS)" in refusal(address)


def test_field_refused_connection_and_unknown_host() -> None:
    closed = Address("127.0.0.1", free_port())
    assert refusal(closed) == f"cannot reach broker {closed}: Connection refused"
    with pytest.raises(BrokerRefuses, match=r"^cannot reach broker no-such-host\.invalid:1883: \w"):
        greet(Address("no-such-host.invalid", 1883))  # for as long as the resolver takes


def test_field_tls_on_the_wrong_port(guarded: Address, secured: Address, certificates: Path) -> None:
    _, trusted = open_login(f"mqtts://{secured}", ca_file=certificates / "ca.pem")
    assert "does not speak TLS" in refusal(guarded, trusted)
    assert "does not speak MQTT: it closes the connection (mqtts:// is MQTT over TLS)" in refusal(secured)
    with speaking(b"\x15\x03\x01\x00\x02\x02\x0a") as address:
        assert "speaks TLS: its address must begin with mqtts://" in refusal(address)
    assert "has a certificate that is not valid: self" in refusal(secured, open_login(f"mqtts://{secured}")[1])
    assert "refuses: not authorised" in refusal(secured, trusted)


def test_field_login_over_tls_is_let_in(secured: Address, certificates: Path, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD + "\n", encoding="utf-8")
    address, login = open_login(f"mqtts://{secured}", USER, tmp_path / "password", certificates / "ca.pem")
    assert address == secured
    assert PASSWORD not in repr(login)
    with CoordinatorConnection(address, login) as connection:
        assert connection.wait_for(lambda: "mosquitto" in connection.broker_version, 10)


@pytest.mark.parametrize("start", [embedded, mosquitto])
def test_field_ipv6_literal_is_an_address(start: type) -> None:
    with start("::1") as running:
        for text in (
            f"[::1]:{running.address.port}",
            f"::1:{running.address.port}",
            f"mqtt://[::1]:{running.address.port}",
        ):
            assert open_login(text)[0] == running.address
        assert known_workers(running.address) == []
        assert str(running.address) == f"[::1]:{running.address.port}"
    assert refusal(running.address).endswith("Connection refused")


@pytest.mark.parametrize(
    ("text", "address", "is_secure"),
    [
        ("host:1884", Address("host", 1884), False),
        ("mqtt://host", Address("host", 1883), False),
        ("mqtts://host", Address("host", 8883), True),
        ("MQTTS://host:1/", Address("host", 1), True),
        ("mqtts://[fe80::1%lo]", Address("fe80::1%lo", 8883), True),
    ],
)
def test_field_address_may_have_a_scheme(text: str, address: Address, is_secure: bool) -> None:
    found, login = open_login(text)
    assert (found, login.tls is not None) == (address, is_secure)


@pytest.mark.parametrize(
    "text",
    [
        "host",
        "http://host:1883",
        "mqtt://",
        "mqtt://host/path",
        "[::1]",
        "[host]:1883",
        "::1",
        "1:2:3:1883",
        "a..b:1883",
        f"{'x' * 64}:1883",
        "host:٣x",
    ],
)
def test_field_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^broker=.*must be"):
        open_login(text)


def test_field_password_is_never_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for text in (f"mqtt://{USER}:{PASSWORD}@host", f"{USER}:{PASSWORD}@host:1883"):
        with pytest.raises(ValueError, match="must hold no user or password") as caught:
            open_login(text)
        assert PASSWORD not in str(caught.value)
    with pytest.raises(ValueError, match=f"must come with a password: --password-file FILE or {PASSWORD_VARIABLE}"):
        open_login("host:1883", USER)
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    assert open_login("host:1883", USER)[1] == Login(USER, PASSWORD)
    assert open_login("host:1883")[1] == Login()
    (tmp_path / "latin").write_bytes(PASSWORD.encode("latin-1"))
    with pytest.raises(ValueError, match="must be text in UTF-8"):
        open_login("host:1883", USER, tmp_path / "latin")
    with pytest.raises(ValueError, match="must come with --user"):
        open_login("host:1883", None, tmp_path / "latin")
    with pytest.raises(ValueError, match="must hold certificates in PEM"):
        open_login("mqtts://host", ca_file=tmp_path / "latin")
    with pytest.raises(ValueError, match="must come with an address that begins with mqtts://"):
        open_login("mqtt://host", ca_file=tmp_path / "latin")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        open_login("mqtts://host", ca_file=tmp_path / "nowhere")


def test_field_commands_end_with_one_line_and_code_4(guarded: Address, tmp_path: Path) -> None:
    for command in (
        ("hosts", "--broker", str(guarded)),
        ("run", "topologies/quickstart.yaml", "--hil", str(guarded), "--out", tmp_path / "runs"),
    ):
        done = call(*command)
        assert (done.returncode, done.stdout) == (4, "")
        assert done.stderr.startswith(f"broker {guarded} refuses: not authorised")
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "runs").exists()
    done = call("run", "topologies/quickstart.yaml", "--hil", "local", "--user", USER)
    assert (done.returncode, done.stderr) == (3, "--user: must come with --hil and the address of a broker\n")


def test_field_worker_says_it_once_goes_on_and_is_let_in_later(tmp_path: Path) -> None:
    """First nothing listens, then a broker refuses the user, then another lets the user in: a line for each reason."""
    environment = {**os.environ, PASSWORD_VARIABLE: PASSWORD}
    with mosquitto_with(tmp_path, "allow_anonymous false", f"password_file {tmp_path}/passwords") as address:
        pass  # for its files and a free port
    command = [*COMMAND, "worker", "--broker", str(address), "--name", "early", "--user", USER]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as worker:
        try:
            assert worker.stderr is not None
            assert worker.stderr.readline() == f"cannot reach broker {address}: Connection refused; trying again\n"
            time.sleep(2.5)  # attempts after which nothing is said
            program = find_mosquitto()
            assert program is not None
            good = (tmp_path / "passwords").read_bytes()
            (tmp_path / "passwords").write_text("")
            (tmp_path / "mosquitto.conf").write_text(
                f"listener {address.port} 127.0.0.1\nallow_anonymous false\npassword_file {tmp_path}/passwords\n"
                "user root\nlog_dest none\n"
            )
            with subprocess.Popen([program, "-c", tmp_path / "mosquitto.conf"]) as strict:
                assert worker.stderr.readline() == f"broker {address} refuses: not authorised; trying again\n"
                terminate(strict)
            (tmp_path / "passwords").write_bytes(good)
            with subprocess.Popen([program, "-c", tmp_path / "mosquitto.conf"]) as broker:
                login = Login(USER, PASSWORD)
                deadline_s = time.monotonic() + 30
                found: list[str] = []
                while found != ["early"] and time.monotonic() < deadline_s:
                    time.sleep(0.5)
                    found = [status.worker for status in known_workers(address, login)]
                assert found == ["early"]
                worker.terminate()
                assert worker.wait(20) == 0
                terminate(broker)
            assert worker.stderr.read() == ""
        finally:
            worker.kill()
