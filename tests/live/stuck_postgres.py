#!/usr/bin/python3
"""stuck_postgres.py PORT_FILE - a Postgres that lets everybody in and then answers nothing, cancel requests included.

As one whose processes are stopped: the connection stays, and nobody hangs up.
"""
import socket
import sys
import threading

SSL_REQUEST = 80877103
WELCOME = b"R\0\0\0\x08\0\0\0\0" + b"Z\0\0\0\x05I"  # AuthenticationOk, ReadyForQuery
KEY = b"K\0\0\0\x0c\0\0\0\x01\0\0\0\x02"  # BackendKeyData: with it a client can ask to cancel
held = []


def serve(client):
    held.append(client)
    while True:
        head = client.recv(8)
        if len(head) < 8:
            return
        if int.from_bytes(head[4:], "big") != SSL_REQUEST:
            break
        client.sendall(b"N")
    if int.from_bytes(head[:4], "big") == 16:  # a cancel request
        return
    client.recv(4096)
    client.sendall(WELCOME[:9] + KEY + WELCOME[9:])


listener = socket.create_server(("127.0.0.1", 0))
with open(sys.argv[1], "w") as f:
    f.write(str(listener.getsockname()[1]))
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
