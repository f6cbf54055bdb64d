"""An administrator's connection is had where its password is known, and nowhere else."""

from pathlib import Path

from app.db.administrator import administering, find_admin_dsn
from app.settings import Settings


async def test_the_admin_of_a_named_server_is_whoever_its_url_names(settings: Settings) -> None:
    async with administering(settings) as connection:
        assert connection is not None
        row = await (await connection.execute("select current_user <> 'lw_service'")).fetchone()
        assert row == (True,)


async def test_without_a_server_or_its_password_there_is_none(tmp_path: Path) -> None:
    assert find_admin_dsn(Settings(home=tmp_path)) is None
    async with administering(Settings(home=tmp_path)) as connection:
        assert connection is None
    nobody = "postgresql://nobody:wrong@127.0.0.1:1/nothing"
    async with administering(Settings(home=tmp_path, database_url=nobody)) as connection:
        assert connection is None
