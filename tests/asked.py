"""One request to an application, over ASGI itself; its client can go away."""

import anyio


class Asked:
    """A request; ``gone`` makes its client go away."""

    def __init__(self, app, path, method="GET", *, body=b"", headers=None):
        self._app, self._path, self._method, self._body = app, path, method, body
        told = {"host": "localhost", **(headers or {})}
        self._headers = [(k.encode(), v.encode()) for k, v in told.items()]
        self.gone, self.status, self.headers = anyio.Event(), None, {}

    async def __call__(self):
        scope = {"type": "http", "method": self._method, "path": self._path,
                 "headers": self._headers, "query_string": b"", "http_version": "1.1",
                 "client": ("10.0.0.1", 1)}  # fmt: skip
        begun = False

        async def receive():
            nonlocal begun
            if not begun:
                begun = True
                return {"type": "http.request", "body": self._body, "more_body": False}
            await self.gone.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            if message["type"] == "http.response.start":
                self.status = message["status"]
                self.headers = {k.decode(): v.decode() for k, v in message["headers"]}

        await self._app(scope, receive, send)


async def until(condition):
    """Wait until something is so."""
    with anyio.fail_after(20):
        while not condition():
            await anyio.sleep(0.001)
