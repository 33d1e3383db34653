"""Weights of the Hugging Face Hub: ``hf://user/name[@revision]`` as a checked file."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ...datasets.base.errors import UserError
from ...datasets.base.json_file import read_json

CONFIG, WEIGHTS = "config.json", "model.safetensors"  # the files of a repository
FORMAT = "crosschroma-hub-1"
SCHEME = "hf://"
_ADDRESS = re.compile(r"hf:/+(?P<repo>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[\w./-]+))?/?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_TIMEOUT_S = 10.0
_FEWEST_DIGITS = 12  # of a hash in an error


class HubAddress(NamedTuple):
    """A repository of models on the Hub, and a branch, tag or commit of it ("": the main one)."""

    repo: str
    revision: str = ""

    def __str__(self) -> str:
        return f"{SCHEME}{self.repo}{f'@{self.revision}' if self.revision else ''}"


def is_hub_address(run: Path | str) -> bool:
    """Whether what names a run is an address on the Hub; a path has lost one of its slashes."""
    return Path(run).parts[:1] == ("hf:",)


def parse_hub_address(run: Path | str) -> HubAddress:
    """The parts of ``hf://user/name[@revision]``.

    Raises:
        UserError: it is not of that form.
    """
    match = _ADDRESS.fullmatch(str(run).replace("\\", "/"))
    if match is None:
        raise UserError(
            f"{run}: an address on the Hub is hf://USER/NAME or hf://USER/NAME@REVISION"
        )
    return HubAddress(match["repo"], match["revision"] or "")


def cached_address(path: Path) -> HubAddress | None:
    """The address, with its commit, of a file that ``hub_file`` returned; ``None`` of others."""
    folder = path.parent
    cached = folder.parent.name == "snapshots" and _COMMIT.fullmatch(folder.name)
    kind, *names = folder.parent.parent.name.split("--") if cached else [""]
    return HubAddress("/".join(names), folder.name) if kind == "models" and names else None


def hub_file(run: Path | str, tell: Callable[[str], None] | None = None) -> Path:
    """The weights of a repository, downloaded into the Hub's cache where they are not in it.

    Without a network the cache is used: what the branch or tag was when it was last seen. The
    environment of ``huggingface_hub`` counts: ``HF_TOKEN``, ``HF_HOME``, ``HF_ENDPOINT``,
    ``HF_HUB_OFFLINE``.

    Args:
        run: ``hf://user/name[@revision]``.
        tell: gets one line with the pinned commit, where ``run`` names none or the network is
            away; default the standard error.

    Returns:
        The file, whose SHA-256 is the one in the repository's ``config.json``.

    Raises:
        UserError: no such address or repository, one that may not be read, no network and nothing
            in the cache, no weights of crosschroma, or a file with another SHA-256.
    """
    address = parse_hub_address(run)
    pinned, path, online = _downloaded(address)
    config = read_json(path.with_name(CONFIG), dict[str, Any], f"configuration of {pinned}")
    if config.get("format") != FORMAT or not isinstance(config.get("sha256"), str):
        raise UserError(f"{pinned} holds no weights of `crosschroma ship --push` ({FORMAT})")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != config["sha256"]:
        raise UserError(
            f"{pinned}: {WEIGHTS} is not the file that its {CONFIG} names: its SHA-256 is "
            f"{digest[:_FEWEST_DIGITS]}..., not {config['sha256'][:_FEWEST_DIGITS]}...; delete "
            f"{path.resolve()} to download it again, or ask the owner of {address.repo}"
        )
    if not online and not _COMMIT.fullmatch(address.revision):
        (tell or _note)(f"no network: {address} is taken from the cache, as {pinned}")
    elif address.revision != pinned.revision:
        (tell or _note)(f"{address} is now {pinned}; name that to get the same weights again")
    return path


def hub_error(address: HubAddress | str, error: Exception) -> UserError:
    """What went wrong with the Hub, in one line that says the way out."""
    from huggingface_hub import constants, errors

    endpoint = constants.ENDPOINT
    if isinstance(error, errors.GatedRepoError):
        return UserError(f"{address}: its owner asks for consent; give it on {endpoint}, log in")
    if isinstance(error, errors.RepositoryNotFoundError):
        return UserError(
            f"{address}: no such repository on {endpoint}, or a private one that your token may "
            "not read; check the name, or log in (`hf auth login`, or set HF_TOKEN)"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return UserError(f"{address}: the repository has no such branch, tag or commit")
    if isinstance(error, errors.EntryNotFoundError):
        return UserError(f"{address} holds no {CONFIG} and {WEIGHTS} of `crosschroma ship --push`")
    if isinstance(error, errors.HfHubHTTPError) and error.response.status_code in (401, 403):
        return UserError(
            f"{address}: {endpoint} does not let you do this; log in (`hf auth login`, or set "
            "HF_TOKEN to a token that may)"
        )
    if isinstance(error, errors.LocalTokenNotFoundError):
        return UserError(f"{address}: no token; log in (`hf auth login`, or set HF_TOKEN)")
    if isinstance(error, (errors.HfHubHTTPError, errors.HFValidationError)):
        return UserError(f"{address}: {error}")
    return UserError(f"{address}: {endpoint} cannot be reached ({error}), try again later")


def _downloaded(address: HubAddress) -> tuple[HubAddress, Path, bool]:
    """The address with its commit, the weights, and whether the Hub answered."""
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    asked = address.revision or "main"
    online, reason = False, None
    try:
        if not (_COMMIT.fullmatch(asked) and _in_cache(address.repo, asked)):
            HfApi().model_info(address.repo, revision=asked, timeout=_TIMEOUT_S)
            online = True
    except (HfHubHTTPError, ValueError) as error:
        if not isinstance(error, HfHubHTTPError) or error.response.status_code < 500:
            raise hub_error(address, error) from error
        reason = error
    except Exception as error:  # whatever the HTTP library raises without a network
        reason = error
    try:
        config = Path(
            hf_hub_download(address.repo, CONFIG, revision=asked, local_files_only=not online)
        )
        commit = config.parent.name  # both files of one commit, also where the branch moves on
        weights = hf_hub_download(
            address.repo, WEIGHTS, revision=commit, local_files_only=not online
        )
    except LocalEntryNotFoundError as error:
        raise UserError(
            f"{address} is not in the cache, and the Hub cannot be reached "
            f"({_line(reason or error)}); connect once, or name a file"
        ) from error
    except Exception as error:
        raise hub_error(address, error) from error
    return HubAddress(address.repo, commit), Path(weights), online


def _in_cache(repo: str, commit: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    files = (try_to_load_from_cache(repo, name, revision=commit) for name in (CONFIG, WEIGHTS))
    return all(isinstance(file, str) for file in files)


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".") or type(error).__name__


def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)
