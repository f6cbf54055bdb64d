import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import ProviderError
from app.models.protocol import normalise_vectors

components = st.floats(allow_nan=False, allow_infinity=False)


@settings(deadline=None)
@given(st.lists(st.lists(components, min_size=3, max_size=3).filter(any), min_size=1, max_size=5))
def test_what_is_finite_and_not_zero_becomes_length_one(rows):
    vectors = normalise_vectors(rows, len(rows), 3, "p")
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert (np.sign(vectors) * np.sign(rows) >= 0).all()


@pytest.mark.parametrize(
    "answer",
    [
        [],
        [[]],
        [[1.0, 2.0]],
        [[1.0, 2.0, 3.0]] * 2,
        [1.0, 2.0, 3.0],
        [[[1.0, 2.0, 3.0]]],
        [[1.0, 2.0, 3.0], [1.0]],
        [[1.0, float("nan"), 3.0]],
        [[1.0, float("inf"), 3.0]],
        [[0.0, 0.0, -0.0]],
        None,
        [["a", "b", "c"]],
    ],
)
def test_anything_else_is_the_providers_error(answer):
    with pytest.raises(ProviderError, match=r"^p answered"):
        normalise_vectors(answer, 1, 3, "p")
