"""Whoever has no certificate or token gets nothing and costs nothing, on every port."""
import http.client
import os
import socket
import ssl
import subprocess
import time

from harness import main, open_files, processes_of, rss_bytes, temporary, wait_until

CLUSTER = None
HOME = temporary()
HTTP = b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"
NOISE = (b"", b"\0" * 4096, b"\xff" * 65536, HTTP, b"EIDR\xff\xff\xff\xff" + b"A" * 1000, os.urandom(20000),
         b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"Z" * 700, b"SSH-2.0-x\r\n", b"\x16\x03\x01\xff\xff")


def connect(port, timeout=5):
    return socket.create_connection(("127.0.0.1", port), timeout=timeout)


def closed_ports():
    """The ports that speak TLS: all but the web page's, which is plain HTTP on the loopback."""
    ui = int(CLUSTER.client["ui"].rstrip("/").rsplit(":", 1)[1]) if CLUSTER.client.get("ui") else None
    return [p for p in CLUSTER.ports() if p != ui]


def drain(sock):
    got = b""
    try:
        while len(got) < 1 << 20:
            part = sock.recv(65536)
            if not part:
                return got
            got += part
    except (OSError, socket.timeout):
        pass
    return got


def check_healthy():
    assert CLUSTER.csv("select 42 as a")[1] == [("42",)]


def make_stranger():
    """A CA and a client certificate of somebody else, with the names that ours have."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=HOME, check=True, capture_output=True)
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=eider CA")
    openssl("req", *key, "-keyout", "x.key", "-out", "x.csr", "-subj", "/O=eider/OU=worker/CN=worker-1")
    openssl("x509", "-req", "-in", "x.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", "x.crt", "-days", "2")
    return os.path.join(HOME, "x.crt"), os.path.join(HOME, "x.key")


def trusting_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def tls_answer(port, context, send):
    """What a TLS client gets: bytes, or b"" when the connection is refused or closed."""
    try:
        with connect(port, 0.5) as raw, context.wrap_socket(raw) as tls:
            tls.sendall(send)
            return drain(tls)
    except (OSError, ssl.SSLError):
        return b""


def test_there_are_ports():
    assert len(closed_ports()) >= 3, CLUSTER.ports()


def test_raw_bytes():
    for port in closed_ports():
        for noise in NOISE:
            with connect(port, 0.5) as sock:
                try:
                    sock.sendall(noise)
                    sock.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                got = drain(sock)
            assert len(got) < 200, (port, noise[:20], got[:200])
            assert b"HTTP/1.1 200" not in got and b"{" not in got, got
    check_healthy()


def refused(answer):
    """Nothing, or an HTTP refusal: 401 or 404 or 400, without any fact about the cluster."""
    head = answer.split(b"\r\n", 1)[0]
    return answer == b"" or (head.startswith(b"HTTP/1.1 4") and b"pid" not in answer)


def test_tls_without_certificate():
    for port in closed_ports():
        for send in (HTTP, os.urandom(5000), b"\0" * 100):
            answer = tls_answer(port, trusting_context(), send)
            assert refused(answer), (port, answer[:300])
    check_healthy()


def test_certificate_of_another_ca():
    certificate, key = make_stranger()
    for port in closed_ports():
        context = trusting_context()
        context.load_cert_chain(certificate, key)
        for send in (HTTP, b"\0" * 100):
            answer = tls_answer(port, context, send)
            assert refused(answer), (port, answer[:300])
    check_healthy()


def test_old_tls():
    for port in closed_ports():
        context = trusting_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        assert tls_answer(port, context, HTTP) == b"", port


def test_wrong_tokens():
    for gateway in (False, True):
        for method, path in (("GET", "/v1/status"), ("GET", "/v1/jobs"), ("GET", "/v1/tables"),
                             ("POST", "/v1/jobs/1/cancel"), ("POST", "/v1/sql"), ("POST", "/v1/explain")):
            for token in ("", "x", CLUSTER.client["token"][:-1], CLUSTER.client["token"] + "x"):
                status, body = CLUSTER.rest(method, path, "select 1" if method == "POST" else None,
                                            gateway, token)
                assert status in (401, 403, 404, 405), (method, path, status)
                assert "42" not in str(body)


def test_odd_requests_with_a_token():
    address = CLUSTER.client["master"].rsplit(":", 1)
    context = ssl.create_default_context(cafile=CLUSTER.client["ca"])
    context.check_hostname = False
    for path in ("/", "/v1", "/v1/jobs/0", "/v1/jobs/-1", "/v1/jobs/99999999999999999999", "/v1/jobs/%00",
                 "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/v1/jobs/" + "9" * 5000, "//", "/v1/nothing"):
        connection = http.client.HTTPSConnection(address[0], int(address[1]), context=context, timeout=10)
        connection.request("GET", path, headers={"Authorization": "Bearer " + CLUSTER.client["token"]})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        assert answer.status < 500 and b"root:" not in body, (path, answer.status)
    connection = http.client.HTTPSConnection(address[0], int(address[1]), context=context, timeout=10)
    connection.request("GET", "/v1/status", headers={"X-Long": "y" * 100000})
    try:
        assert connection.getresponse().status in (400, 413, 431)
    except (OSError, http.client.HTTPException):
        pass  # closed at once is fine too
    connection.close()
    check_healthy()


def test_many_half_open_connections():
    ports = closed_ports()
    before = {pid: (rss_bytes(pid), open_files(pid)) for pid in processes_of(CLUSTER.directory)}
    sockets = []
    for i in range(300):
        try:
            sock = connect(ports[i % len(ports)], 1)
            sock.sendall(b"\x16\x03\x01" if i % 2 else b"")
            sockets.append(sock)
        except OSError:
            pass
    begin = time.monotonic()
    check_healthy()
    assert time.monotonic() - begin < 3, "half-open connections slow the cluster down"
    grown = {pid: rss_bytes(pid) - rss for pid, (rss, _) in before.items()}
    assert max(grown.values()) < 40 << 20, f"300 idle connections cost {max(grown.values()) >> 20} MB"
    for sock in sockets:
        sock.close()
    wait_until(lambda: all(open_files(pid) <= files + 8 for pid, (_, files) in before.items()), 15,
               "descriptors of closed connections are freed")


def test_silent_connections_are_closed():
    sockets = [connect(port, 30) for port in closed_ports()]
    for sock in sockets:
        sock.sendall(b"\x16")
        assert drain(sock) is not None
        sock.close()


def test_nothing_grows():
    def attack():
        for port in closed_ports():
            for noise in NOISE[:6]:
                with connect(port, 1) as sock:
                    try:
                        sock.sendall(noise)
                    except OSError:
                        pass
            tls_answer(port, trusting_context(), b"\0" * 100)
    for _ in range(4):
        attack()
    before = {pid: rss_bytes(pid) for pid in processes_of(CLUSTER.directory)}
    for _ in range(12):
        attack()
    # A sanitizer keeps freed memory for a while, to see it used again.
    most = (64 if os.environ.get("EIDER_SANITIZED") else 3) << 20
    for pid, rss in before.items():
        grown = rss_bytes(pid) - rss
        assert grown < most, f"process {pid} grew by {grown >> 10} kB"
    check_healthy()


def test_files_are_private():
    secret = [os.path.join(CLUSTER.directory, "client.json")]
    for base, _, names in os.walk(os.path.join(CLUSTER.directory, "pki")):
        secret += [os.path.join(base, n) for n in names if n.endswith(".key")]
    assert len(secret) > 4, secret
    for path in secret:
        assert os.stat(path).st_mode & 0o077 == 0, f"{path} can be read by others"


def test_token_is_nowhere_else():
    token = CLUSTER.client["token"].encode()
    for pid in processes_of(CLUSTER.directory):
        for name in ("cmdline", "environ"):
            with open(f"/proc/{pid}/{name}", "rb") as f:
                assert token not in f.read(), f"the token is in {name} of {pid}"
    for base, _, names in os.walk(CLUSTER.directory):
        for name in names:
            if name != "client.json":
                with open(os.path.join(base, name), "rb") as f:
                    assert token not in f.read(), f"the token is in {name}"


if __name__ == "__main__":
    main(globals(), cluster={"workers": 1})
