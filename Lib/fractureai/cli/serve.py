"""`fractureai serve`: the engine beside the viewer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fractureai.cli import console
from fractureai.errors import ServerError

NAME = "serve"
EXAMPLE = "fractureai serve --root data --port 8010"
INTERRUPTED = "Readings and marks that were answered are on disk; jobs go on at the next start."


def run(
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but this computer's own asks for TLS.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 0,
    root: Annotated[
        list[Path] | None,
        typer.Option(help="Folder whose files may be read and whose datasets changed; repeat for more."),
    ] = None,
    work: Annotated[Path | None, typer.Option(help="Folder of the server's own files.")] = None,
    token_file: Annotated[Path | None, typer.Option(help="File of the token; is made when missing.")] = None,
    address_file: Annotated[Path | None, typer.Option(help="Gets the address once the server listens.")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate (PEM), for https.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key (PEM).")] = None,
    host_name: Annotated[
        list[str] | None, typer.Option(help="Name by which clients reach this server; repeat for more.")
    ] = None,
    coverage: Annotated[
        float | None, typer.Option(help="Share of studies to be answered, 0 to 1; default: each model's own.")
    ] = None,
    parent_pid: Annotated[int | None, typer.Option(help="Stop when this process has ended.")] = None,
) -> None:
    """Serve readings, proposals, models, datasets and jobs over HTTP, to this computer alone by default."""
    from fractureai.server.run import LOOPBACK, Address, default_work, serve, token_of
    from fractureai.server.settings import ServerSettings

    if coverage is not None and not 0 < coverage <= 1:
        raise typer.BadParameter(f"--coverage {coverage:g} is not a share of studies; give one above 0, at most 1.")
    if (tls_cert is None) != (tls_key is None):
        raise typer.BadParameter("Give --tls-cert and --tls-key together.")
    if host not in LOOPBACK and (token_file is None or not token_file.is_file()):
        raise ServerError(f"To listen on {host}, give a --token-file that exists; its token lets people in.")
    folder = (work or default_work()).absolute()
    place = (token_file or folder / "token").absolute()
    token = token_of(place)
    if host not in LOOPBACK and tls_cert is None:
        console.error_line("Warning: without --tls-cert and --tls-key, others on the network can read along.")
    names = tuple(host_name or ()) + (() if host in LOOPBACK else (host,))
    settings = ServerSettings(folder, token, tuple(root or ()), names, coverage)
    address = Address(host, port, place, address_file, tls_cert, tls_key, parent_pid)
    serve(settings, address, lambda url: console.step(f"FractureAI listens on {url}; its token is in {place}."))
