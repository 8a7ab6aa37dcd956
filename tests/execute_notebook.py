"""Runs the notebook that its argument names, and writes the outputs into it.

As a process of its own, for nbclient leaves sockets to the garbage collector, and warnings of them
are errors in the tests.
"""

import sys

import nbformat
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient

if __name__ == "__main__":
    notebook = nbformat.read(sys.argv[1], as_version=4)
    # Sockets that are files of this folder: another process may take a port before it is used.
    kernel = AsyncKernelManager(kernel_name="python3", transport="ipc")
    NotebookClient(notebook, km=kernel, timeout=1800, startup_timeout=600).execute()
    nbformat.write(notebook, sys.argv[1])
