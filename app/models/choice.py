"""Which configured model somebody means who names one. Pure."""

from collections.abc import Sequence

from app.errors import NotFoundError
from app.models.protocol import ModelInfo


def choose_model(
    infos: Sequence[ModelInfo],
    name: str,
    provider: str | None = None,
    version: str | None = None,
    *,
    preferred: ModelInfo | None = None,
) -> ModelInfo:
    """The one configured model of this name, of that provider and version when they are given.

    `infos` are those that answer. Of several it is the `preferred` one, when that is among them.

    Raises:
        NotFoundError: none is, or more than one.
    """
    found = [
        info
        for info in infos
        if info.name == name and provider in (None, info.provider) and version in (None, info.version)
    ]
    if preferred in found:
        found = [info for info in found if info == preferred]
    if len(found) > 1:
        raise NotFoundError(
            f"more than one configured model is {name[:60]!r}: {_list(found)}. Name its provider, or its version, "
            "to tell them apart (provider, version; --provider, --version)"
        )
    if not found:
        described = " of that provider and version" if provider or version else ""
        raise NotFoundError(
            f"no configured model that answers is {name[:60]!r}{described}; there are: {_list(infos)}. Add it to "
            "models.embedders, or name one of these"
        )
    return found[0]


def _list(infos: Sequence[ModelInfo]) -> str:
    return ", ".join(f"{info.name} ({info.version}, {info.provider})" for info in infos) or "none"
