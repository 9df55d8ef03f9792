#!/usr/bin/python3
"""metrics.py PORT-FILE - a Prometheus endpoint whose numbers grow with every reading.

10 requests more for each reading, of which one fails; every request takes between 100 and 200 ms.
The fourth reading finds the process begun anew: all counters at 0.  /broken is not of the format,
/huge has no end, /nan says nothing, /quoted is what an endpoint with names in UTF-8 says when it is
asked for them, /gone goes away after the third reading, and /cut is OpenMetrics without its end.
"""
import http.server
import os
import socket
import struct
import sys

readings = 0


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global readings
        readings += 1
        n = (readings - 1 if readings < 4 else readings - 4) * 10
        text = f"""# HELP http_requests_total Requests.
# TYPE http_requests_total counter
http_requests_total{{code="200",path="/a\\"b"}} {n - n // 10}
http_requests_total{{code="500",path="/"}} {n // 10} 1700000000000
# TYPE latency_seconds histogram
latency_seconds_bucket{{le="0.1"}} 0
latency_seconds_bucket{{le="0.2"}} {n}
latency_seconds_bucket{{le="+Inf"}} {n}
latency_seconds_sum {n * 0.15}
latency_seconds_count {n}
process_resident_memory_bytes 1.5e+06
late_total 5
"""
        if self.path == "/broken":
            text = "http_requests_total{code=\"200} 1\n"
        if self.path == "/nan":
            text += "nothing_total NaN\n"
        if self.path == "/quoted":
            known = "escaping=allow-utf-8" in self.headers.get("Accept", "")
            name = '{"http.errors",code="500"}' if known else 'http_errors{code="500"}'
            text = f"{text}{name} {n // 10}\n# EOF\n".replace("\n", "\r\n")
        if self.path == "/huge":
            return self.flood()
        if self.path == "/gone" and readings > 3:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return None
        if readings == 1:
            text = text.replace("late_total", "#late_total")
        body = text.encode()
        self.send_response(200 if self.let_in() else 401)
        self.send_header("Content-Length", str(len(body)))
        if self.path in ("/cut", "/quoted"):
            self.send_header("Content-Type", "application/openmetrics-text; version=1.0.0")
        self.end_headers()
        self.wfile.write(body)

    def let_in(self):
        return (self.headers.get("X-Key") == "k1"
                or self.headers.get("Authorization") in ("Bearer k2", "Basic dTprMw=="))

    def flood(self):
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"x 1\n" * 16384)
        except OSError:
            pass

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
with open(sys.argv[1] + ".new", "w") as f:
    f.write(f"{server.server_address[1]}\n")
os.rename(sys.argv[1] + ".new", sys.argv[1])
server.serve_forever()
