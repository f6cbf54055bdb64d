"""The OpenAPI document is complete, and the API does what it says: schemathesis asks."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.api.conftest import Api

ROOT = Path(__file__).resolve().parents[3]


def test_the_document_names_every_route_of_the_surface(api: Api) -> None:
    document = api.client(None).get("/schema").json()
    wanted = {
        "/health",
        "/ready",
        "/whoami",
        "/access/keys",
        "/access/keys/{key_id}",
        "/access/roles",
        "/access/roles/{name}",
        "/access/users",
        "/access/users/{name}",
        "/ingest/file",
        "/catalog/datasets",
        "/catalog/datasets/by-name/{name}",
        "/catalog/datasets/by-name/{name}/metadata",
        "/catalog/profiles",
        "/catalog/profiles/{profile_id}",
        "/catalog/profiles/{profile_id}/diff",
        "/catalog/profiles/{profile_id}/explain",
        "/vectors/index",
        "/vectors/jobs",
        "/vectors/jobs/{job_id}",
        "/vectors/profile/{profile_id}/activate",
        "/vectors/profile/{profile_id}/search",
        "/vectors/indexes",
        "/vectors/indexes/{name}",
        "/query/sql",
        "/catalog/migrate-buckets",
        "/profile/{profile_id}/activate",
        "/profile/{profile_id}/deactivate",
        "/storage/buckets",
        "/storage/bucket-health",
        "/storage/errors",
        "/storage/buckets/{bucket}/objects",
        "/storage/buckets/{bucket}/objects/{key}",
        "/catalog/erasures",
        "/catalog/erasures/{erasure_id}",
        "/catalog/erasures/{erasure_id}/receipt",
    }
    assert wanted <= set(document["paths"])
    bodies = document["components"]["schemas"]
    assert bodies["SearchRequest"]["additionalProperties"] is False


@pytest.mark.parametrize(
    "phases",
    ["examples,coverage", pytest.param("examples,coverage,fuzzing,stateful", marks=pytest.mark.slow)],
)
def test_schemathesis_finds_nothing(api: Api, phases: str) -> None:
    key = api.settings.admin_key_file.read_text().strip()
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{api.url}/schema/openapi.json"),
        *("-H", f"X-API-Key: {key}", "--seed", "7", "--max-examples", "10", "--no-color", "--phases", phases),
        # it would revoke the key it calls with
        *("--exclude-operation-id-regex", "DeleteKey"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "Tested: 24" in done.stdout or "24/24" in done.stdout or "passed" in done.stdout
