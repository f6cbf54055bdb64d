"""Pure decisions about profiles."""

import re

from app.errors import InvalidInputError, InvalidNameError
from app.profiles.models import ProfileRequest

SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


def plan_profile(request: ProfileRequest) -> ProfileRequest:
    """The request, when it can be a profile.

    Raises:
        InvalidNameError: the id is not a slug.
        InvalidInputError: a dataset is named twice, or pgvector would refuse the HNSW config.
    """
    if SLUG.fullmatch(request.id) is None:
        raise InvalidNameError(
            f"profile id {request.id[:60]!r}: use lower-case letters, digits, - and _, "
            "beginning with a letter or digit, at most 40 characters"
        )
    doubles = {name for name in request.bound_datasets if request.bound_datasets.count(name) > 1}
    if doubles:
        raise InvalidInputError(f"bound_datasets names twice: {', '.join(sorted(doubles))}")
    config = request.hnsw_config
    if config.ef_construction < 2 * config.m:
        raise InvalidInputError(
            f"hnsw_config: ef_construction must be at least 2 * m, that is {2 * config.m}, not {config.ef_construction}"
        )
    return request
