"""The sandbox as the code of a task sees it: HTTP with the run's own credential."""

import http.client
import json
import time
import urllib.parse


class Refusal(Exception):
    """An answer that is not a success."""

    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code = status, code


class Client:
    def __init__(self, host, token):
        parts = urllib.parse.urlsplit(host)
        self._address, self._token = (parts.hostname, parts.port), token

    def call(self, method, path, body=None, query=None, raw=False):
        """Sends a request and answers its JSON, or its bytes."""
        path = urllib.parse.quote(path, safe="/")
        if query:
            path += "?" + urllib.parse.urlencode(query)
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        for attempt in range(8):
            answer, content = self._once(method, path, data)
            if answer.status not in (429, 503):
                break
            time.sleep(float(answer.headers.get("Retry-After") or min(0.1 * 2**attempt, 2)))
        if answer.status >= 300:
            try:
                reason = json.loads(content)
            except ValueError:
                reason = {}
            raise Refusal(answer.status, str(reason.get("error_code")), reason.get("message") or answer.reason)
        return content if raw else json.loads(content or b"{}")

    def _once(self, method, path, data):
        # A connection for each call: nothing is sent twice because an old one was closed.
        connection = http.client.HTTPConnection(*self._address, timeout=300)
        try:
            connection.request(method, path, body=data, headers={"Authorization": "Bearer " + self._token})
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()
