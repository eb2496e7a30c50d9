"""Lets clients reach a server on this machine under the names that images already have.

    python3 proxy.py ADDRESS:PORT CERTIFICATE KEY

A proxy for HTTPS_PROXY: whatever host a client wants to be connected with, it talks TLS with CERTIFICATE, and the
request, with the Host header that the client wrote, goes to ADDRESS:PORT without TLS. Listens on loopback only; prints
the address it listens on, and each host that was asked for on standard error.
"""

import contextlib
import socket
import socketserver
import ssl
import sys
import threading

HEAD_BYTES_MAX = 16 << 10
PIECE_BYTES = 256 << 10
IDLE_SECONDS = 120


class Tunnel(socketserver.BaseRequestHandler):
    def handle(self):
        client = self.request
        client.settimeout(IDLE_SECONDS)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            piece = client.recv(1)
            if not piece or len(head) > HEAD_BYTES_MAX:
                return
            head += piece
        method, host, _ = head.split(b"\r\n", 1)[0].split(b" ", 2)
        if method != b"CONNECT":
            client.sendall(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
            return
        print(host.decode("ascii", "replace"), file=sys.stderr, flush=True)
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        # A client that goes away, or trusts no certificate of ours, is none of our affair.
        with contextlib.suppress(OSError), \
                self.server.tls.wrap_socket(client, server_side=True) as secure, \
                socket.create_connection(self.server.backend, timeout=IDLE_SECONDS) as backend:
            back = threading.Thread(target=pump, args=(backend, secure))
            back.start()
            pump(secure, backend)
            back.join()


def pump(source, sink):
    """Everything from one side to the other, until the one has no more."""
    with contextlib.suppress(OSError):
        while piece := source.recv(PIECE_BYTES):
            sink.sendall(piece)
    for side in (sink, source):
        with contextlib.suppress(OSError):
            side.shutdown(socket.SHUT_RDWR)


class Proxy(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def main():
    backend, certificate, key = sys.argv[1:]
    host, port = backend.rsplit(":", 1)
    with Proxy(("127.0.0.1", 0), Tunnel) as proxy:
        proxy.backend = (host, int(port))
        proxy.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        proxy.tls.load_cert_chain(certificate, key)
        print("127.0.0.1:%d" % proxy.server_address[1], flush=True)
        proxy.serve_forever()


if __name__ == "__main__":
    main()
