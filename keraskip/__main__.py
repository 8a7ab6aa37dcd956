"""`python -m keraskip` is the command `keraskip`."""

from keraskip.cli import app

if __name__ == "__main__":
    app()
