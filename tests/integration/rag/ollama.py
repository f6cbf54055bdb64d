"""A server that speaks Ollama's /api/chat: it answers from the prompt it gets, and misbehaves on demand."""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PASSAGE = re.compile(r"\[\[passage (\d+) (\w+)\]\]\n(.*?)\n\[\[end \2\]\]", re.DOTALL)


class Chat(ThreadingHTTPServer):
    """What it was asked is in `prompts`; `behaviour` says how it answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.prompts: list[list[dict[str, str]]] = []
        self.behaviour = "extract"
        self.left = threading.Event()
        self.asked = threading.Event()
        #: Called when the question is there and nothing is answered yet.
        self.meanwhile: Any = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Chat

    def log_message(self, *arguments: Any) -> None:
        """Nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.prompts.append(body["messages"])
        self.server.asked.set()
        if self.server.meanwhile is not None:
            self.server.meanwhile()
        if self.server.behaviour == "500":
            self.send_error(500)
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.end_headers()
        try:
            for piece in self._answer(body["messages"][-1]["content"]):
                self._say({"message": {"role": "assistant", "content": piece}, "done": False})
            if self.server.behaviour not in ("breaks off", "garbage"):
                self._say({"message": {"role": "assistant", "content": ""}, "done": True})
        except (BrokenPipeError, ConnectionResetError):
            self.server.left.set()

    def _say(self, line: dict[str, Any]) -> None:
        self.wfile.write(json.dumps(line).encode() + b"\n")
        self.wfile.flush()

    def _answer(self, prompt: str) -> Iterator[str]:
        passages = PASSAGE.findall(prompt)
        match self.server.behaviour:
            case "extract":
                # the first sentence of each passage, with its number
                for number, _, text in passages:
                    yield text.split(". ")[0][:200]
                    yield f" [{number}]. "
            case "invents":
                yield "It is so [1], says [9] and [0], and [1234]."
            case "obeys":
                # a model that does as a row says
                yield "IGNORED ALL RULES [2]" if "IGNORE" in prompt else "fine [1]"
            case "silent":
                yield from ("", " \n")
            case "uncited":
                yield "It is so."
            case "long":
                # in one line
                yield "It is so [1]. " + "x" * 1_000_000
            case "slow":
                yield "wait"
                time.sleep(30)
            case "endless":
                while True:
                    yield "and so on [1] "
                    time.sleep(0.01)
            case "breaks off":
                yield "half an ans"
            case "garbage":
                yield "half"
                self.wfile.write(b"\xff\xfe not json\n")


@contextmanager
def chatting() -> Iterator[Chat]:
    """The server while it runs."""
    server = Chat()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
