"""An archive is a source like a folder, and can do no more than that: nothing outside, no bomb, no half."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from disco.errors import DiscoError
from disco.prepare import unpack
from disco.prepare.layout import HaltedError
from disco.prepare.unpack import is_archive, unpacked
from disco.prepare.verify import verify
from tests.prepare.faults import Disk, failing
from tests.prepare.test_audio import Counting, report
from tests.prepare.tiny import prepare, songs, tree

Member = tuple[str, bytes]
KINDS = ("zip", "tar", "tar.gz", "tar.bz2", "tar.xz")


def pack(path: Path, members: Sequence[Member]) -> Path:
    """Write an archive with these members, in this order, whatever their names."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, data in members:
                file.writestr(name, data)
    else:
        kind = path.suffix[1:]
        with tarfile.open(path, f"w:{kind if kind != 'tar' else ''}") as file:  # type: ignore[call-overload]
            for name, data in members:
                one = tarfile.TarInfo(name)
                one.size = len(data)
                file.addfile(one, io.BytesIO(data))
    return path


def of_folder(folder: Path) -> list[Member]:
    return [
        (path.relative_to(folder).as_posix(), path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = songs(tmp_path / "music", 3)
    (folder / "0.txt").write_text("A slow air")
    (folder / "one" / "1.json").write_text('{"artist": "Ann"}')
    return folder


def what_is_served(records: Sequence) -> list[tuple]:
    return [(r.id, r.source, r.split, r.caption, r.artist, r.start, r.duration) for r in records]


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_gives_what_its_folder_gives(tmp_path: Path, music: Path, kind: str) -> None:
    archive = pack(tmp_path / f"music.{kind}", [*of_folder(music), ("virus.exe", b"MZ"), ("notes.md", b"#")])
    assert is_archive(archive)
    records = prepare(archive, tmp_path / "set")
    assert what_is_served(records) == what_is_served(prepare(music, tmp_path / "plain"))
    found, plain = tree(tmp_path / "set"), tree(tmp_path / "plain")
    sounds = {name for name in plain if name.startswith(("audio/processed", "audio/features"))}
    assert sounds
    assert {name: found[name] for name in sounds} == {name: plain[name] for name in sounds}
    assert verify(tmp_path / "set") == {}
    assert not [name for name in found if name.endswith((".exe", ".md"))], "only what is asked for"
    counting = Counting()
    assert prepare(archive, tmp_path / "set", executor=counting) == records
    assert counting.names == []
    assert tree(tmp_path / "set") == found, "an unchanged archive is not unpacked again"


def test_another_archive_of_the_same_name_is_unpacked_anew(tmp_path: Path, music: Path) -> None:
    archive = pack(tmp_path / "music.zip", of_folder(music))
    prepare(archive, tmp_path / "set")
    (music / "3.wav").write_bytes(songs(tmp_path / "more", 4).joinpath("3.wav").read_bytes())
    (music / "0.wav").unlink()
    pack(archive, of_folder(music))
    records = prepare(archive, tmp_path / "set")
    assert {record.source for record in records} == {"3.wav", "one/1.wav", "two/2.wav"}
    assert len(list((tmp_path / "set" / "audio" / "raw").glob("unpacked-*"))) == 1


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with tarfile.open(path, "w") as file:
            one = tarfile.TarInfo(name)
            one.type, one.linkname = kind, target
            file.addfile(one)
            two = tarfile.TarInfo(f"{name}/passwd.wav")
            two.size = 4
            file.addfile(two, io.BytesIO(b"RIFF"))

    return write


def zip_link(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        one = zipfile.ZipInfo("etc.wav")
        one.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(one, "/etc/passwd")


def named(*names: str) -> Callable[[Path], None]:
    return lambda path: void(pack(path, [("good.wav", b"RIFF"), *((name, b"RIFF....") for name in names)]))


def void(_: object) -> None:
    return None


OUTSIDE = "would be written outside the target"
HOSTILE: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "parent in zip": ("a.zip", named("../x.wav"), OUTSIDE),
    "parent in tar": ("a.tar", named("../x.wav"), OUTSIDE),
    "parent in the middle": ("a.tar", named("a/../../x.wav"), OUTSIDE),
    "absolute in zip": ("a.zip", named("/tmp/x.wav"), OUTSIDE),
    "absolute in tar": ("a.tar", named("/tmp/x.wav"), OUTSIDE),
    "drive": ("a.zip", named("C:\\x.wav"), OUTSIDE),
    "backslashes": ("a.zip", named("..\\..\\x.wav"), OUTSIDE),
    "symbolic link": ("a.tar", link("out", "/etc"), "is a link or a device"),
    "link to the parent": ("a.tar", link("out", ".."), "is a link or a device"),
    "hard link": ("a.tar", link("out", "/etc/passwd", tarfile.LNKTYPE), "is a link or a device"),
    "device": ("a.tar", link("zero.wav", "", tarfile.CHRTYPE), "is a link or a device"),
    "pipe": ("a.tar", link("pipe.wav", "", tarfile.FIFOTYPE), "is a link or a device"),
    "symbolic link in zip": ("a.zip", zip_link, "is a link or a device"),
    "twice": ("a.tar", named("x.wav", "x.wav"), "stands in it twice"),
    "file as folder": ("a.tar", named("x.wav", "x.wav/y.wav"), "stands in it twice"),
    "long name": ("a.tar", named("x" * 400 + ".wav"), "is no name for a file"),
    "long path": ("a.tar", named("d/" * 1500 + "x.wav"), "is no name for a file"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_is_refused_and_leaves_nothing(tmp_path: Path, kind: str) -> None:
    name, write, words = HOSTILE[kind]
    (tmp_path / "in").mkdir()
    write(tmp_path / "in" / name)
    before = tree(tmp_path)
    with pytest.raises(DiscoError, match=words) as told:
        prepare(tmp_path / "in" / name, tmp_path / "deep" / "down" / "set")
    assert name in str(told.value)
    assert "unpack it yourself if you trust it" in str(told.value)
    assert tree(tmp_path) == before, "not one file, inside the target or outside"
    assert not Path("/tmp/x.wav").exists()


def test_a_bomb_is_refused_before_it_goes_off(tmp_path: Path) -> None:
    zeros = bytes(1 << 24)
    with (
        zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file,
        file.open("z.wav", "w") as out,
    ):
        for _ in range(5):
            out.write(zeros)
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", compresslevel=1) as file:
        for number in range(5):
            one = tarfile.TarInfo(f"{number}.wav")
            one.size = len(zeros)
            file.addfile(one, io.BytesIO(zeros))
    for name in ("a.zip", "a.tar.gz"):
        assert (tmp_path / name).stat().st_size < 500_000
        with pytest.raises(DiscoError, match="as a bomb does"):
            prepare(tmp_path / name, tmp_path / "set")
    claims = tmp_path / "claims.tar"
    head = tarfile.TarInfo("huge.wav")
    head.size = 1 << 40
    claims.write_bytes(head.tobuf() + bytes(1024))
    with pytest.raises(DiscoError, match="as a bomb does"):
        prepare(claims, tmp_path / "set")
    assert not [name for name in tree(tmp_path / "set") if not name.endswith(".lock")]


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_that_never_ends_is_not_read_into_memory(
    tmp_path: Path, kind: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = tarfile.TarInfo("long")
    head.type, head.size = kind, 1 << 32
    path = tmp_path / "a.tar"
    path.write_bytes(head.tobuf(tarfile.USTAR_FORMAT if kind == tarfile.XHDTYPE else tarfile.GNU_FORMAT))
    os.truncate(path, 1 << 33)  # a hole
    asked: list[int] = []
    read = unpack._Bounded.read
    monkeypatch.setattr(unpack._Bounded, "read", lambda self, size: asked.append(size) or read(self, size))
    with pytest.raises(DiscoError, match="longer than any need be"):
        prepare(path, tmp_path / "set")
    assert sum(asked) < 4 << 20


DAMAGED: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[: len(data) * 2 // 3],
    "flipped": lambda data: data[:200] + bytes([data[200] ^ 0x55]) + data[201:],
}


@pytest.mark.parametrize("damage", DAMAGED)
@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.xz", "tar.bz2"])
def test_a_damaged_archive_is_named_and_leaves_nothing(
    tmp_path: Path, music: Path, kind: str, damage: str
) -> None:
    archive = pack(tmp_path / f"music.{kind}", of_folder(music))
    archive.write_bytes(DAMAGED[damage](archive.read_bytes()))
    with pytest.raises(DiscoError, match=rf"music\.{kind} is (damaged|not a folder)"):
        prepare(archive, tmp_path / "set")
    assert tree(tmp_path / "set") == {} if (tmp_path / "set").exists() else True


def test_a_locked_archive_says_so(tmp_path: Path) -> None:
    archive = pack(tmp_path / "a.zip", [("a.wav", b"RIFF" * 100)])
    data = bytearray(archive.read_bytes())
    for place in (data.find(b"PK\x03\x04") + 6, data.find(b"PK\x01\x02") + 8):
        data[place] |= 1  # encrypted
    archive.write_bytes(data)
    with pytest.raises(DiscoError, match=r"cannot be unpacked .*password"):
        prepare(archive, tmp_path / "set")


def test_a_stopped_unpacking_is_done_again_and_its_draft_swept(tmp_path: Path, music: Path) -> None:
    archive = pack(tmp_path / "music.zip", of_folder(music))
    target = tmp_path / "set"
    wanted = what_is_served(prepare(archive, tmp_path / "clean"))
    for fail_at in range(4, 22, 3):
        with failing(Disk(target / "audio" / "raw", fail_at=fail_at)), pytest.raises(HaltedError):
            prepare(archive, target)
        assert not list((target / "audio" / "raw").glob("unpacked-*"))
    (target / "audio" / "raw" / ".unpacked-0123456789abcdef.77.draft" / "one").mkdir(parents=True)
    (target / "audio" / "raw" / ".unpacked-0123456789abcdef.77.draft" / "one" / "1.wav").write_bytes(b"half")
    assert what_is_served(prepare(archive, target)) == wanted
    assert not list((target / "audio" / "raw").glob(".*"))


def test_an_archive_without_sound_and_a_file_that_is_none_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(DiscoError, match=r"empty\.zip holds no"):
        prepare(pack(tmp_path / "empty.zip", [("readme.txt", b"nothing to hear")]), tmp_path / "set")
    (tmp_path / "song.rar").write_bytes(b"Rar!\x1a\x07\0" + bytes(600))
    with pytest.raises(DiscoError, match="nor a ZIP or TAR archive"):
        prepare(tmp_path / "song.rar", tmp_path / "set")
    assert not is_archive(tmp_path / "nowhere")


def test_archives_within_a_folder_are_named_and_not_opened(tmp_path: Path, music: Path) -> None:
    pack(music / "more.zip", [("../x.wav", b"RIFF")])
    pack(music / "old.tar", [("x.wav", b"RIFF")])
    prepare(music, tmp_path / "set")
    assert report(tmp_path / "set") == {"more.zip": ["archive"], "old.tar": ["archive"]}


def test_a_name_of_another_alphabet_and_folders_come_through(tmp_path: Path, music: Path) -> None:
    sound = (music / "0.wav").read_bytes()
    for kind in ("zip", "tar"):
        archive = pack(tmp_path / f"a.{kind}", [("日本/曲 ü.wav", sound), ("-x/$(touch y).wav", sound[:-8])])
        place = unpacked(archive, tmp_path / kind)
        assert sorted(path.name for path in place.rglob("*.wav")) == ["$(touch y).wav", "曲 ü.wav"]
