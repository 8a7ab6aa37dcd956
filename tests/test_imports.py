"""Which modules stay out of memory, and that none is used that one kind of system lacks."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import keraskip

PACKAGE = Path(keraskip.__file__).parent
EXAMPLES = Path(__file__).parents[1] / "examples"


def modules_after(code):
    script = f"{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


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


HIDING = f"""
import builtins, importlib, pkgutil, sys
hidden = {MODULES_OF_ONE_SYSTEM}
there = builtins.__import__

def here(name, globals=None, *rest, **more):
    importer = (globals or {{}}).get("__name__", "")
    if importer.partition(".")[0] == "keraskip" and name.partition(".")[0] in hidden:
        raise ImportError(f"{{importer}} imports {{name}}")
    return there(name, globals, *rest, **more)

builtins.__import__ = here
import keraskip
"""
WITHOUT_A_FRAMEWORK = """
for name in (
    "keraskip", "keraskip.runs", "keraskip.analysis", "keraskip.report.charts",
    "keraskip.callbacks.book.journal", "keraskip.study", "keraskip.cli",
    "keraskip.export.artefact.opened",
):
    importlib.import_module(name)
    found = {"keras", "tensorflow", "jax", "torch"} & set(sys.modules)
    assert not found, f"{name} loads {found}"
"""
EVERYTHING = """
for module in pkgutil.walk_packages(keraskip.__path__, "keraskip."):
    importlib.import_module(module.name)
"""


def test_no_framework_is_loaded_and_nothing_that_one_system_lacks():
    assert "keraskip.export.artefact.opened" in modules_after(HIDING + WITHOUT_A_FRAMEWORK)


@pytest.mark.slow  # what needs a framework, too; a test above reads every import of every file
def test_every_module_is_imported_on_any_system():
    loaded = modules_after(HIDING + EVERYTHING)
    files = {file.relative_to(PACKAGE.parent).with_suffix("") for file in PACKAGE.rglob("*.py")}
    assert {".".join(file.parts).removesuffix(".__init__") for file in files} <= loaded


def test_every_public_name_is_there():
    for name in keraskip.__all__:
        assert getattr(keraskip, name).__doc__
    assert set(keraskip.__all__) <= set(dir(keraskip))


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="build_vgg"):
        _ = keraskip.build_vgg
