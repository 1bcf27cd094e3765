#!/usr/bin/env python3
"""The far side for tests of publish/'s transport: HTTPS servers on free ports of 127.0.0.1, good and bad ones, token
endpoints that verify what they are sent with python3-cryptography, and an API that takes their tokens or a SAS.

    web_server.py DIRECTORY

Makes certificates and keys in DIRECTORY, writes ports.json there when it is ready, appends a JSON line for each request
to log, and reads control.json, if there, for each: how the test wants it to behave.
"""

import base64
import datetime
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

DIRECTORY = pathlib.Path(sys.argv[1])
LOCK = threading.Lock()
PORTS = {}
TOKENS = []  # in the order of their issue
SEEN_IDS = set()


def write_pem(name, certificates, key):
    pem = b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates)
    (DIRECTORY / f"{name}.pem").write_bytes(pem)
    path = DIRECTORY / f"{name}.key"
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                       serialization.NoEncryption()))


def certify(name, key, issuer=None, issuer_key=None, hosts=(), start=-1, days=30):
    """A CA's certificate, signed by itself, without an issuer."""
    now = datetime.datetime.utcnow()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = [x509.DNSName(h) if h[0].isalpha() else x509.IPAddress(__import__("ipaddress").ip_address(h)) for h in hosts]
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer.subject if issuer else subject)
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(now + datetime.timedelta(days=start))
               .not_valid_after(now + datetime.timedelta(days=start + days))
               .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key or key, hashes.SHA256())


def make_certificates():
    root_key, strange_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root, strange_root = certify("Test Root", root_key), certify("Strange Root", strange_key)
    write_pem("root", [root], root_key)
    here = ("localhost", "127.0.0.1")
    for name, hosts, issuer, issuer_key, start in (
            ("good", here, root, root_key, -1),
            ("other_host", ("dps.example",), root, root_key, -1),
            ("expired", here, root, root_key, -60),
            ("unknown_root", here, strange_root, strange_key, -1)):
        key = ec.generate_private_key(ec.SECP256R1())
        write_pem(name, [certify(name, key, issuer, issuer_key, hosts, start)], key)
    for name, days in (("app", 30), ("app_two", 30), ("app_expired", 0.5)):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        write_pem(name, [certify(name, key, days=days)], key)
    key = ec.generate_private_key(ec.SECP256R1())
    write_pem("app_ec", [certify("app_ec", key)], key)


def control():
    try:
        return json.loads((DIRECTORY / "control.json").read_text())
    except FileNotFoundError:
        return {}


def from_base64url(text):
    assert "=" not in text and "+" not in text and "/" not in text, "not base64url"
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def verify_assertion(jwt, audience, client_id, settings):
    """Raises unless it is what RFC 7523 and Entra ID ask for."""
    signing_input, signature = jwt.rsplit(".", 1)
    header, claims = (json.loads(from_base64url(part)) for part in signing_input.split("."))
    for name in settings.get("certificates", ["app"]):
        certificate = x509.load_pem_x509_certificate((DIRECTORY / f"{name}.pem").read_bytes())
        digest = hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).digest()
        if digest == from_base64url(header["x5t#S256"]):
            break
    else:
        raise ValueError("the certificate is not registered")
    pads = {"PS256": padding.PSS(padding.MGF1(hashes.SHA256()), 32), "RS256": padding.PKCS1v15()}
    certificate.public_key().verify(from_base64url(signature), signing_input.encode(), pads[header["alg"]],
                                    hashes.SHA256())
    assert header["typ"] == "JWT"
    assert claims["aud"] == audience, claims["aud"]
    assert claims["iss"] == claims["sub"] == client_id
    assert claims["exp"] - claims["nbf"] == 600
    assert abs(claims["nbf"] - time.time() - settings.get("clock", 0)) < 60
    assert claims["jti"] not in SEEN_IDS
    SEEN_IDS.add(claims["jti"])


def is_sas_of(authorization, host, settings):
    """Microsoft's recipe, with Python's own HMAC and quoting."""
    fields = dict(field.split("=", 1) for field in authorization.split(" ", 1)[1].split("&"))
    assert list(fields) == ["sr", "sig", "se", "skn"], fields
    key = base64.b64decode((DIRECTORY / "service_key").read_text().split("\n")[0])
    signed = urllib.parse.quote(host.lower(), safe="") + "\n" + fields["se"]
    expected = base64.b64encode(hmac.new(key, signed.encode(), hashlib.sha256).digest()).decode()
    return (fields["sr"] == urllib.parse.quote(host.lower(), safe="") and
            fields["sig"] == urllib.parse.quote(expected, safe="") and
            fields["skn"] == "provisioningserviceowner" and
            int(fields["se"]) > time.time() + settings.get("clock", 0))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *arguments):
        pass

    def date_time_string(self, timestamp=None):
        return super().date_time_string(time.time() + control().get("date_offset", 0))

    def answer(self, status, body=b"", headers=()):
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Connection", str(self.client_address[1]))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_any(self):
        length = int(self.headers.get("Content-Length", 0))
        self.body = self.rfile.read(length).decode()
        path, _, query = self.path.partition("?")
        self.query = dict(urllib.parse.parse_qsl(query))
        with LOCK, open(DIRECTORY / "log", "a", encoding="utf-8") as log:
            log.write(json.dumps({"server": self.server.name, "method": self.command, "path": self.path,
                                  "headers": list(self.headers.items()), "body": self.body}) + "\n")
        if path.endswith("/oauth2/v2.0/token"):
            self.entra(path)
        elif path in ("/metadata/identity/oauth2/token", "/msi/token"):
            self.managed_identity(path)
        elif path.startswith("/api/"):
            self.api()
        else:
            getattr(self, "do_" + path.strip("/").replace("-", "_"))()

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_any

    def issue(self, settings):
        if "token_answer" in settings:
            status, body, headers = settings["token_answer"]
            return self.answer(status, body.encode(), headers)
        with LOCK:
            TOKENS.append(f"sesame-{len(TOKENS) + 1}")
            token = TOKENS[-1]
        lifetime = settings.get("expires_in", 3599)
        return self.answer(200, {"token_type": "Bearer", "expires_in": lifetime, "access_token": token})

    def entra(self, path):
        settings = control()
        form = dict(urllib.parse.parse_qsl(self.body, strict_parsing=True))
        try:
            assert self.headers["Content-Type"] == "application/x-www-form-urlencoded"
            assert form["grant_type"] == "client_credentials"
            assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            verify_assertion(form["client_assertion"], f"https://localhost:{PORTS['good']}{path}", form["client_id"],
                             settings)
        except Exception as error:  # whatever it is, the client is refused, by an answer that repeats all it was sent
            return self.answer(401, {"error": "invalid_client", "error_description":
                                     f"AADSTS700027: {error!r} {form.get('client_assertion')}"})
        return self.issue(settings)

    def managed_identity(self, path):
        is_app = path == "/msi/token"
        right = (self.headers.get("X-IDENTITY-HEADER") == "app-sesame" and self.query.get("api-version") == "2019-08-01"
                 if is_app else
                 self.headers.get("Metadata") == "true" and self.query.get("api-version") == "2018-02-01")
        if not right or not self.query.get("resource") or self.query.get("client_id") == "unknown":
            return self.answer(400, {"error": "invalid_request", "error_description": "Identity not found"})
        return self.issue(control())

    def api(self):
        settings = control()
        authorization = self.headers.get("Authorization", "")
        accept = settings.get("accept", "latest")
        with LOCK:
            good = accept == "latest" and TOKENS and authorization == "Bearer " + TOKENS[-1]
        if accept == "sas":
            good = authorization.startswith("SharedAccessSignature ") and is_sas_of(authorization, "localhost", settings)
        if good:
            return self.answer(200, {"ok": True})
        return self.answer(401, {"errorCode": 401002, "message": "you sent " + authorization})

    def do_echo(self):
        self.answer(200, {"method": self.command, "path": self.path, "headers": list(self.headers.items()),
                          "body": self.body}, [("X-Two", "one"), ("x-two", "two")])

    def do_status(self):
        status = int(self.query["code"])
        self.answer(status, b"" if status == 204 else b"as told", [("Retry-After", "7")])

    def do_redirect(self):
        self.answer(302, b"elsewhere", [("Location", self.query["to"])])

    def do_early(self):
        self.send_response_only(103)
        self.send_header("Link", "</x>")
        self.end_headers()
        self.answer(200, b"after all")

    def do_large(self):
        self.answer(200, b"x" * int(self.query["size"]))

    def do_chunked(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range(int(self.query["size"]) // 65536):
            self.wfile.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def do_large_head(self):
        self.answer(200, b"", [(f"X-{i}", "y" * 1000) for i in range(90)])

    def do_slow(self):
        time.sleep(20)

    def do_drip(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        for _ in range(200):
            self.wfile.write(b"x")
            time.sleep(0.1)

    def do_half(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"half of it")
        self.close_connection = True

    def do_close_after(self):  # without a word about it
        self.answer(200, b"bye")
        self.close_connection = True

    def do_garbage(self):
        self.wfile.write(b"220 mail.example ESMTP sesame\r\n")
        self.close_connection = True

    def do_reset(self):
        plain = socket.socket(fileno=self.connection.detach())
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        plain.close()
        self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, name, certificate=None, old=False, address="127.0.0.1"):
        super().__init__((address, 0), Handler, bind_and_activate=True)
        self.name = name
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(DIRECTORY / f"{certificate}.pem", DIRECTORY / f"{certificate}.key")
            if old:
                self.context.set_ciphers("ALL:@SECLEVEL=0")
                self.context.minimum_version = self.context.maximum_version = ssl.TLSVersion.TLSv1_1
        PORTS[name] = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def finish_request(self, request, client_address):  # on the connection's own thread
        if self.context:
            request.settimeout(10)
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request, client_address):
        pass


def own_address():
    """This machine's address in its network, "" without one. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            address = probe.getsockname()[0]
        except OSError:
            return ""
    return "" if address.startswith(("127.", "169.254.")) else address


def main():
    make_certificates()
    for name in ("good", "other_host", "expired", "unknown_root"):
        Server(name, name)
    Server("elsewhere", "good")
    Server("old_tls", "good", old=True)
    Server("plain")
    if address := own_address():
        Server("plain_elsewhere", address=address)
        PORTS["address"] = address
    (DIRECTORY / "ports.new").write_text(json.dumps(PORTS))
    os.rename(DIRECTORY / "ports.new", DIRECTORY / "ports.json")
    sys.stdin.read()  # until the test is gone


if __name__ == "__main__":
    main()
