"""Serve the function on loopback, the way an HTTP API would call it."""

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "src"))

from handler import handler


class Api(BaseHTTPRequestHandler):
    """One route: POST /."""

    def do_POST(self) -> None:
        """Hand the body to the function and its answer to the client."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        answer = handler({"body": body}, None)
        self.send_response(answer["statusCode"])
        self.end_headers()
        self.wfile.write(answer["body"].encode())


def main() -> None:
    """Serve until Ctrl-C."""
    server = HTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8000), Api)
    print(f"POST http://127.0.0.1:{server.server_port}/", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print("stopped")


if __name__ == "__main__":
    main()
