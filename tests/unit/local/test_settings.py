"""What a stack was asked to be outlives the process that asked, and its directory says all."""

from dataclasses import asdict
from pathlib import Path

from local.home import PROJECT, Home, shown, write_json
from local.ports import Ports
from local.settings import Settings


def test_settings_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert Settings.read(home) is None
    settings = Settings(Ports(gateway=1), "docker", "https://rpc.example/?key=1")
    write_json(home.settings, asdict(settings))
    assert Settings.read(home) == settings


def test_a_stack_of_an_older_version_can_still_be_stopped(tmp_path: Path) -> None:
    home = Home(tmp_path)
    old = {"ports": {"gateway": 1}, "backends": "embedded", "rpc_url": ""}
    write_json(home.settings, old)
    assert Settings.read(home) == Settings(Ports(gateway=1))


def test_removing_a_home_can_spare_its_logs(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    home.log("part").write_text("why")
    home.remove(keep_logs=True)
    assert [entry.name for entry in home.path.iterdir()] == ["logs"]
    home.remove()
    assert not home.path.exists()


def test_paths_are_shown_as_a_developer_types_them(tmp_path: Path) -> None:
    assert shown(PROJECT / ".local" / "logs") == ".local/logs"
    assert shown(tmp_path) == str(tmp_path)
