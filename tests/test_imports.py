"""Who may import whom, and what stays out of memory."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import keraskip

PACKAGE = Path(keraskip.__file__).parent
EXAMPLES = Path(__file__).parents[1] / "examples"

# The rooms of the house: a module may import the rooms on its right, a folder also its own files.
BASE = {"checks", "versions", "tables"}
EDGES = {
    "checks": set(),
    "versions": set(),
    "tables": set(),
    "graph": {"checks"},
    "models": BASE | {"graph"},
    "runs": set(),
    "callbacks": BASE | {"graph", "runs"},
    "analysis": BASE | {"runs"},
    "report": BASE | {"analysis", "runs"},
    "data": BASE,
    "export": BASE | {"graph", "models", "runs"},
    "study": BASE | {"models", "callbacks", "data", "runs"},
    "cli": BASE | {"models", "runs", "report", "data", "study", "export"},
    "__init__": {"models", "callbacks", "runs", "report", "study", "export"},
}


def room_of(file):
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def imported_rooms(file):
    for node in ast.walk(ast.parse(file.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name.startswith("keraskip."):
                yield name.split(".")[1]


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: file.stem)
def test_imports_point_one_way(file):
    room = room_of(file)
    assert set(imported_rooms(file)) - {room} <= EDGES[room]


def modules_after(code):
    script = f"import sys; {code}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import keraskip",
        "import keraskip.runs, keraskip.analysis, keraskip.charts, keraskip.report",
        "import keraskip.study",
        "import keraskip.cli",
        "import keraskip.export.opened",
    ],
)
def test_no_framework_is_loaded(code):
    assert not modules_after(code) & {"keras", "tensorflow", "jax", "torch"}


# Modules that exist on one kind of system only.
MODULES_OF_ONE_SYSTEM = {
    *"fcntl grp posix pty pwd readline resource syslog termios tty".split(),
    *"msvcrt nt winreg winsound".split(),
}
# The same for names of modules that exist everywhere. `getattr` with a default is the way around.
NAMES_OF_ONE_SYSTEM = {
    "os": set(
        """O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK chown chroot fchmod fchown fork forkpty
        getegid geteuid getgid getloadavg getpgid getpgrp getpriority getsid getuid killpg lchown
        major mkfifo mknod nice open openpty pipe2 posix_fadvise posix_fallocate posix_spawn
        pread preadv pwrite pwritev sched_getaffinity sched_setaffinity sched_yield sendfile
        setgid setpgid setpriority setsid setuid statvfs sync sysconf sysconf_names uname wait
        wait3 wait4 waitid""".split()
    ),
    "signal": set(
        """SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGUSR1 SIGUSR2
        CTRL_BREAK_EVENT CTRL_C_EVENT alarm pause pthread_kill pthread_sigmask setitimer
        siginterrupt sigwait""".split()
    ),
    "time": {"clock_settime", "pthread_getcpuclockid", "tzset"},
}


def names_of_one_system(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            roots = {alias.name.partition(".")[0] for alias in node.names}
            yield from roots & MODULES_OF_ONE_SYSTEM
        elif isinstance(node, ast.ImportFrom):
            yield from {(node.module or "").partition(".")[0]} & MODULES_OF_ONE_SYSTEM
            names = {alias.name for alias in node.names}
            yield from names & NAMES_OF_ONE_SYSTEM.get(node.module, set())
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield from {node.attr} & NAMES_OF_ONE_SYSTEM.get(node.value.id, set())


@pytest.mark.parametrize("folder", [PACKAGE, EXAMPLES])
def test_no_name_is_used_that_one_system_lacks(folder):
    used = {str(file): [*names_of_one_system(file)] for file in folder.rglob("*.py")}
    assert used
    assert not {file: names for file, names in used.items() if names}


EVERYTHING = f"""
import builtins, importlib, pkgutil
hidden = {MODULES_OF_ONE_SYSTEM}
there = builtins.__import__

def here(name, globals=None, *rest, **options):
    importer = (globals or {{}}).get("__name__", "")
    if importer.partition(".")[0] == "keraskip" and name.partition(".")[0] in hidden:
        raise ImportError(f"{{importer}} imports {{name}}")
    return there(name, globals, *rest, **options)

builtins.__import__ = here
import keraskip
for module in pkgutil.walk_packages(keraskip.__path__, "keraskip."):
    importlib.import_module(module.name)
"""


def test_every_module_is_imported_on_any_system():
    loaded = modules_after(f"exec({EVERYTHING!r})")
    files = {file.relative_to(PACKAGE.parent).with_suffix("") for file in PACKAGE.rglob("*.py")}
    assert {".".join(file.parts).removesuffix(".__init__") for file in files} <= loaded


def test_every_public_name_is_there():
    for name in keraskip.__all__:
        assert getattr(keraskip, name).__doc__
    assert set(keraskip.__all__) <= set(dir(keraskip))


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="build_vgg"):
        _ = keraskip.build_vgg
