"""What there is of Spark: SQL, which the sandbox's own engine runs. The rest is refused by its name."""

import datetime
import decimal
import json
import time


class PySparkException(Exception):
    def __init__(self, message=None, errorClass=None, sqlState=None):
        super().__init__(message)
        self._message, self._class, self._state = message, errorClass, sqlState

    def getErrorClass(self):
        return self._class

    getCondition = getErrorClass

    def getSqlState(self):
        return self._state

    def getMessage(self):
        return self._message


class AnalysisException(PySparkException):
    pass


class ParseException(AnalysisException):
    pass


def refuse(what):
    raise NotImplementedError(f"the sandbox does not run {what}: of Spark it has spark.sql() and spark.table()")


class Row(tuple):
    """A row: a tuple whose values have names."""

    def __new__(cls, *values, **named):
        row = super().__new__(cls, named.values() if named else values)
        row.__fields__ = list(named)
        return row

    @classmethod
    def _of(cls, fields, values):
        row = super().__new__(cls, values)
        row.__fields__ = fields
        return row

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self[self.__fields__.index(name)]
        except ValueError:
            raise AttributeError(name) from None

    def __getitem__(self, key):
        if isinstance(key, str):
            try:
                return super().__getitem__(self.__fields__.index(key))
            except ValueError:
                raise KeyError(key) from None
        return super().__getitem__(key)

    def __contains__(self, name):
        return name in self.__fields__ if self.__fields__ else super().__contains__(name)

    def asDict(self, recursive=False):
        return dict(zip(self.__fields__, self))

    def __repr__(self):
        if self.__fields__:
            return "Row(" + ", ".join(f"{name}={value!r}" for name, value in zip(self.__fields__, self)) + ")"
        return "<Row(" + ", ".join(map(repr, self)) + ")>"


def _moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).replace(tzinfo=None)


_READ = {
    "BOOLEAN": lambda text: text == "true",
    "DECIMAL": decimal.Decimal,
    "DATE": datetime.date.fromisoformat,
    "TIMESTAMP": _moment,
    "TIMESTAMP_NTZ": _moment,
    "ARRAY": json.loads,
    "MAP": json.loads,
    "STRUCT": json.loads,
    **dict.fromkeys(("BYTE", "SHORT", "INT", "LONG"), int),
    **dict.fromkeys(("FLOAT", "DOUBLE"), float),
}


def _binary(text):
    import base64

    return bytearray(base64.b64decode(text))


_READ["BINARY"] = _binary


def _parameter(value):
    """A Python value as the statement API takes it."""
    if value is None:
        return {"value": None, "type": "VOID"}
    if isinstance(value, bool):
        return {"value": str(value).lower(), "type": "BOOLEAN"}
    if isinstance(value, int):
        return {"value": str(value), "type": "INT" if -(2**31) <= value < 2**31 else "BIGINT"}
    if isinstance(value, float):
        return {"value": repr(value), "type": "DOUBLE"}
    if isinstance(value, decimal.Decimal):
        _, digits, exponent = value.as_tuple()
        scale = max(0, -exponent)
        return {"value": format(value, "f"), "type": f"DECIMAL({max(len(digits), scale, 1)},{scale})"}
    if isinstance(value, datetime.datetime):
        zoned = value.tzinfo is not None
        text = (value.astimezone(datetime.timezone.utc) if zoned else value).replace(tzinfo=None)
        return {"value": text.isoformat(" "), "type": "TIMESTAMP" if zoned else "TIMESTAMP_NTZ"}
    if isinstance(value, datetime.date):
        return {"value": value.isoformat(), "type": "DATE"}
    if isinstance(value, str):
        return {"value": value, "type": "STRING"}
    return refuse(f"a parameter of the type {type(value).__name__}")


class DataFrame:
    """The rows of a statement, which has run already."""

    def __init__(self, session, columns, rows):
        self.sparkSession = session
        self.columns = [name for name, _ in columns]
        self.dtypes = [(name, text.lower()) for name, text in columns]
        self._rows = rows

    def collect(self):
        return list(self._rows)

    def toLocalIterator(self, prefetchPartitions=False):
        return iter(self._rows)

    def count(self):
        return len(self._rows)

    def isEmpty(self):
        return not self._rows

    def first(self):
        return self._rows[0] if self._rows else None

    def head(self, n=None):
        return self.first() if n is None else self.take(n)

    def take(self, num):
        return self._rows[:num]

    def tail(self, num):
        return self._rows[-num:] if num > 0 else []

    def show(self, n=20, truncate=True, vertical=False):
        if vertical:
            refuse("DataFrame.show(vertical=True)")
        width = 20 if truncate is True else int(truncate)

        def cell(value):
            text = "NULL" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
            return text[: width - 3] + "..." if 3 < width < len(text) else text

        lines = [[cell(value) for value in row] for row in self._rows[:n]]
        widths = [max([3, len(name)] + [len(line[i]) for line in lines]) for i, name in enumerate(self.columns)]
        bar = "+" + "+".join("-" * size for size in widths) + "+"
        fit = str.rjust if truncate else str.ljust
        print(bar)
        for number, line in enumerate([self.columns, *lines]):
            print("|" + "|".join(fit(text, size) for text, size in zip(line, widths)) + "|")
            if number == 0:
                print(bar)
        print(bar)
        if len(self._rows) > n:
            print(f"only showing top {n} row{'s' if n != 1 else ''}")
        print()

    def toPandas(self):
        try:
            import pandas
        except ImportError:
            refuse("DataFrame.toPandas() without the package pandas")
        return pandas.DataFrame([tuple(row) for row in self._rows], columns=self.columns)

    def __iter__(self):
        raise TypeError("a DataFrame is not iterable: use collect()")

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        refuse(f"DataFrame.{name}")

    def __getitem__(self, key):
        refuse("DataFrame[...]")

    def __repr__(self):
        return "DataFrame[" + ", ".join(f"{name}: {text}" for name, text in self.dtypes) + "]"


class SparkSession:
    def __init__(self, client, warehouse, note):
        self._client, self._warehouse, self._note = client, warehouse, note
        self._session = None

    def sql(self, sqlQuery, args=None, **kwargs):
        if kwargs:
            refuse("spark.sql() with " + ", ".join(kwargs))
        named = args.items() if isinstance(args, dict) else [(None, value) for value in args or []]
        parameters = [dict(_parameter(value), **({"name": name} if name else {})) for name, value in named]
        if self._session is None:
            opened = self._client.call("POST", "/api/2.0/sql/sessions", {"warehouse_id": self._warehouse})
            self._session = opened["session_id"]
        body = {
            "statement": sqlQuery,
            "warehouse_id": self._warehouse,
            "session_id": self._session,
            "parameters": parameters,
            "wait_timeout": "0s",
            "disposition": "EXTERNAL_LINKS",
            "format": "JSON_ARRAY",
        }
        path = "/api/2.0/sql/statements"
        answer = self._client.call("POST", path, body)
        statement = answer["statement_id"]
        # Who stops the task stops its statements by this.
        self._note(statement)
        pause = 0.002
        while answer["status"]["state"] in ("PENDING", "RUNNING"):
            time.sleep(pause)
            pause = min(pause * 1.5, 0.25)
            answer = self._client.call("GET", f"{path}/{statement}")
        state = answer["status"]["state"]
        if state != "SUCCEEDED":
            error = answer["status"].get("error") or {}
            message = error.get("message") or f"the statement is {state}"
            condition = message.strip()[1:].split("]")[0] if message.strip().startswith("[") else None
            kind = ParseException if condition == "PARSE_SYNTAX_ERROR" else AnalysisException
            raise kind(message.strip(), condition, answer["status"].get("sql_state"))
        manifest, result = answer.get("manifest") or {}, answer.get("result") or {}
        columns = manifest.get("schema", {}).get("columns") or []
        names = [column["name"] for column in columns]
        read = [_READ.get(column["type_name"], str) for column in columns]
        rows, links = [], result.get("external_links") or []
        while links:
            for cells in json.loads(self._fetch(links[0]["external_link"])):
                values = (None if cell is None else turn(cell) for cell, turn in zip(cells, read))
                rows.append(Row._of(names, values))
            following = links[0].get("next_chunk_internal_link")
            links = self._client.call("GET", following)["external_links"] if following else []
        return DataFrame(self, [(column["name"], column["type_text"]) for column in columns], rows)

    def _fetch(self, link):
        import urllib.request

        # A link carries its own permission and refuses another.
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(link, timeout=300) as answer:
            return answer.read()

    def table(self, tableName):
        name = ".".join(f"`{part.strip('`')}`" for part in tableName.split("."))
        return self.sql(f"SELECT * FROM {name}")

    def stop(self):
        """The session of a task ends with the task."""

    def _close(self):
        if self._session is not None:
            self._client.call("DELETE", f"/api/2.0/sql/sessions/{self._session}")

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        refuse(f"spark.{name}")


class Builder:
    """`SparkSession.builder`: whatever is asked for, there is one session."""

    def __init__(self, session):
        self._session = session

    def getOrCreate(self):
        return self._session

    def __getattr__(self, name):
        if name in ("appName", "config", "master", "enableHiveSupport"):
            return lambda *args, **kwargs: self
        if name.startswith("__"):
            raise AttributeError(name)
        refuse(f"SparkSession.builder.{name}")
