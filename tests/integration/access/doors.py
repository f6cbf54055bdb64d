"""What one profile gets of one relation through each door, for tests that compare."""

import json
from contextlib import closing
from typing import Any

import httpx
import psycopg
from psycopg import sql

from tests.integration.api.conftest import Api


def by_sql(reader: httpx.Client, relation: str) -> dict[str, list[Any]]:
    """Columns and values by analytic SQL, as JSON; empty when the relation is not there."""
    answer = reader.post("/query/sql", json={"sql": f"select * from {relation}"})
    if answer.status_code == 400:
        return {}
    assert answer.status_code == 200, answer.text
    document = answer.json()
    names = [column["name"] for column in document["columns"]]
    return {name: sorted((str(row[n]) for row in document["rows"]), key=str) for n, name in enumerate(names)}


def by_psql(api: Api, profile: str, relation: str) -> dict[str, list[Any]]:
    """Columns and values as the profile's own role sees them; empty when the relation is not there."""
    with closing(psycopg.connect(api.deployed.service_dsn, autocommit=True)) as connection:
        role = api.deployed.deployment.profile_prefix + profile
        connection.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
        connection.execute(sql.SQL("set search_path to {}").format(sql.Identifier(f"p_{profile}")))
        try:
            cursor = connection.execute(sql.SQL("select * from {}").format(sql.Identifier(relation)))
        except psycopg.errors.UndefinedTable:
            return {}
        names = [column.name for column in cursor.description or []]
        rows = cursor.fetchall()
    return {name: sorted((str(row[n]) for row in rows), key=str) for n, name in enumerate(names)}


def by_manifest(reader: httpx.Client, relation: str) -> dict[str, str | None]:
    """Columns with what redacts them, as the manifest says; empty when it is not there."""
    answer = reader.get(f"/catalog/datasets/by-name/{relation}")
    if answer.status_code == 404:
        return {}
    return {column["name"]: column["action"] for column in answer.json()["columns"]}


def by_search(reader: httpx.Client, profile: str, index: str) -> list[dict[str, Any]]:
    """All hits of an index."""
    answer = reader.post(
        f"/vectors/profile/{profile}/search", json={"index": index, "query": "anything", "k": 50}
    )
    assert answer.status_code == 200, answer.text
    hits: list[dict[str, Any]] = answer.json()["hits"]
    return hits


def everything(api: Api, reader: httpx.Client, profile: str, relation: str, index: str | None) -> str:
    """All that the doors say of a relation, as one text to look for secrets in."""
    said: list[Any] = [
        by_sql(reader, relation),
        by_psql(api, profile, relation),
        reader.get(f"/catalog/datasets/by-name/{relation}").text,
        reader.get(f"/catalog/profiles/{profile}").text,
    ]
    if index is not None:
        body = {"index": index, "query": "anything", "k": 50}
        said.append(reader.post(f"/vectors/profile/{profile}/search", json=body).text)
        said.append(reader.get(f"/vectors/indexes/{index}").text)
    return json.dumps(said)
