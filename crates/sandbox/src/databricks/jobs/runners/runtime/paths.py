"""`/Volumes`, `/Workspace` and `/dbfs` as folders, as they are on a cluster."""

import builtins
import functools
import io
import os


def mount(roots):
    """Lets Python's own functions find these paths where they are. Programs and libraries in C do not."""
    roots = sorted(((root.rstrip("/"), local) for root, local in roots.items()), key=lambda item: -len(item[0]))

    def found(path):
        if isinstance(path, os.PathLike):
            path = os.fspath(path)
        if not isinstance(path, str) or not path.startswith("/"):
            return path
        plain = os.path.normpath(path)
        for root, local in roots:
            if plain == root or plain.startswith(root + "/"):
                return local + plain[len(root) :]
        return path

    def wrap(module, name, paths=1):
        own = getattr(module, name)

        @functools.wraps(own)
        def wrapped(*args, **kwargs):
            return own(*map(found, args[:paths]), *args[paths:], **kwargs)

        setattr(module, name, wrapped)

    wrap(builtins, "open")
    io.open = builtins.open
    for name in ("open", "stat", "lstat", "listdir", "scandir", "mkdir", "rmdir", "remove", "unlink", "access", "utime"):
        wrap(os, name)
    for name in ("rename", "replace"):
        wrap(os, name, paths=2)
