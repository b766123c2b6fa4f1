"""DICOM files that ask for memory, depth or time without end; each function makes one."""

import os
import struct
import zlib

import numpy as np
import pydicom
from made_dicom import write_enhanced, write_series
from mutations import sample_volume
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

MEGABYTE = 1 << 20
NESTED = 20_000
ENDLESS = 0xFFFFFFFF
MODALITY = b"\x08\0\x60\0CS"
PIXELS = b"\xe0\x7f\x10\0OW"
ITEM = b"\xfe\xff\0\xe0"
CSA_HEADER = 0x00291010


def one_slice(folder, **attributes):
    """Write one slice of 48 x 32 pixels and return its file."""
    (path,) = write_series(folder, sample_volume(), order=[2], **attributes)
    return path


def insert(path, content, before=MODALITY):
    whole = path.read_bytes()
    at = whole.index(before)
    path.write_bytes(whole[:at] + content + whole[at:])


def element(tag, vr, length, value=b""):
    return struct.pack("<HH", *tag) + vr + b"\0\0" + struct.pack("<I", length) + value


def item(length, value=b""):
    return ITEM + struct.pack("<I", length) + value


def deflated_bomb(folder, content, times, padding=0):
    """Write a deflated file which goes on with ``times`` as much as ``content``.

    ``padding`` bytes lie before its transfer syntax.
    """
    path = one_slice(folder)
    header = pydicom.dcmread(path)
    del header.PixelData
    header.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    header.save_as(path)
    whole = path.read_bytes()
    (length,) = struct.unpack_from("<I", whole, 140)
    start = 144 + length
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    begin = packer.compress(zlib.decompress(whole[start:], -zlib.MAX_WBITS))
    begin += packer.flush(zlib.Z_FULL_FLUSH)
    # Such pieces do not refer to one another.
    piece = packer.compress(content) + packer.flush(zlib.Z_FULL_FLUSH)
    meta = bytearray(whole[:start])
    if padding:
        at = meta.index(b"\x02\0\x10\0UI")
        meta[at:at] = b"\x02\0\x03\0UI" + struct.pack("<H", padding) + b"1" * padding
        struct.pack_into("<I", meta, 140, length + padding + 8)
    path.write_bytes(bytes(meta) + begin + piece * times + packer.flush())
    return path


def deflate_bomb(folder):
    pixels = element((0x7FE0, 0x0010), b"OW", ENDLESS - 1)
    return deflated_bomb(folder, pixels + bytes(MEGABYTE), 8000)


def deflate_bomb_named_late(folder):
    pixels = element((0x7FE0, 0x0010), b"OW", ENDLESS - 1)
    return deflated_bomb(folder, pixels + bytes(MEGABYTE), 8000, padding=5000)


def deflated_items(folder):
    sequence = element((0x0008, 0x1140), b"SQ", ENDLESS)
    return deflated_bomb(folder, sequence + item(0) * (MEGABYTE // 8), 30)


def nested_without_lengths(folder):
    path = one_slice(folder)
    insert(path, NESTED * (element((0x0008, 0x1140), b"SQ", ENDLESS) + item(ENDLESS)))
    return path


def nested_with_lengths(folder):
    path = one_slice(folder)
    content = b""
    for _ in range(NESTED):
        wrapped = item(len(content), content)
        content = element((0x0008, 0x1140), b"SQ", len(wrapped), wrapped)
    insert(path, content)
    return path


def nested_in_unknown(folder):
    path = one_slice(folder)
    insert(path, element((0x0029, 0x1020), b"UN", ENDLESS), PIXELS)
    implicit = struct.pack("<HHI", 0x0008, 0x1140, ENDLESS)
    insert(path, item(ENDLESS) + NESTED * (implicit + item(ENDLESS)), PIXELS)
    return path


def huge_rows(folder):
    return edited(one_slice(folder), Rows=65535, Columns=65535)


def countless_frames(folder):
    return edited(one_slice(folder), NumberOfFrames=10**9)


def countless_enhanced_frames(folder):
    folder.mkdir(parents=True, exist_ok=True)
    write_enhanced(folder / "scan.dcm", {1.5: sample_volume()})
    return edited(folder / "scan.dcm", NumberOfFrames=10**9)


def thousands_of_planes(folder):
    """They were compared with one another for minutes."""
    folder.mkdir(parents=True)
    volume = sample_volume()
    write_enhanced(folder / "scan.dcm", dict.fromkeys(map(float, range(1, 501)), volume))
    header = pydicom.dcmread(folder / "scan.dcm")
    del header.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence
    for group, angle in zip(header.PerFrameFunctionalGroupsSequence, range(2500), strict=True):
        plane = pydicom.Dataset()
        across, up = np.cos(angle / 2500), np.sin(angle / 2500)
        cosines = [across, up, 0, 0, 0, 1]
        plane.ImageOrientationPatient = [float(f"{value:.8g}") for value in cosines]
        group.PlaneOrientationSequence = [plane]
    header.save_as(folder / "scan.dcm")
    return folder


def countless_mosaic_tiles(folder):
    def field(name, value):
        text = value.encode().ljust(12, b"\0")
        return name.encode().ljust(64, b"\0") + struct.pack("<8i", *(0, 0, 0, 1, 0, 0, 12, 0)) + (
            bytes(4) + text
        )  # fmt: skip

    fields = field("NumberOfImagesInMosaic", "1000000000")
    content = b"SV10" + bytes(4) + struct.pack("<2I", 2, 77) + fields
    path = edited(one_slice(folder), ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"])
    header = pydicom.dcmread(path)
    header.add_new(CSA_HEADER, "OB", content + field("SliceNormalVector", "0"))
    header.save_as(path)
    return path


def claimed_4_gigabytes(folder):
    path = one_slice(folder)
    insert(path, element((0x0009, 0x1001), b"OB", ENDLESS - 1, b"abcd"))
    return path


def pixels_without_end(folder):
    path = one_slice(folder)
    with path.open("r+b") as file:
        file.seek(path.read_bytes().index(PIXELS))
        file.write(element((0x7FE0, 0x0010), b"OW", 3 << 30))
        # They take no disk.
        file.truncate(4 << 30)
    return path


def fragments_without_end(folder):
    path = compressed(one_slice(folder), JPEGLosslessSV1, [b"\xff\xd8"])
    with path.open("r+b") as file:
        file.seek(-8, os.SEEK_END)
        for _ in range(5000):
            file.write(item(MEGABYTE))
            file.seek(MEGABYTE, os.SEEK_CUR)
        file.truncate()
    return path


def run_length_of_huge_rows(folder):
    return edited(
        compressed(one_slice(folder), RLELossless, [bytes(64) + b"\x81\0" * 900]),
        Rows=65535,
        Columns=65535,
    )


def run_length_of_countless_frames(folder):
    frames = [struct.pack("<16I", 2, 64, 80, *[0] * 13) + b"\x81\0" * 16]
    return edited(compressed(one_slice(folder), RLELossless, frames), NumberOfFrames=10**9)


def jpeg_of_huge_rows(folder):
    frame = b"\xff\xd8\xff\xc3" + struct.pack(">HBHHB", 11, 16, 65500, 65500, 1) + b"\1\x11\0"
    scan = b"\xff\xc4\0\x14\0\1" + bytes(16) + b"\xff\xda\0\x08\1\1\0\1\0\0"
    return compressed(one_slice(folder), JPEGLosslessSV1, [frame + scan + bytes(200) + b"\xff\xd9"])


def jpeg_ls_of_huge_rows(folder):
    frame = b"\xff\xd8\xff\xf7" + struct.pack(">HBHHB", 11, 16, 65500, 65500, 1) + b"\1\x11\0"
    scan = b"\xff\xda\0\x08\1\1\0\0\0\0"
    return compressed(one_slice(folder), JPEGLSLossless, [frame + scan + bytes(200) + b"\xff\xd9"])


def jpeg_2000(width, values=1):
    size = struct.pack(">HH8IH", 38 + 3 * values, 0, width, width, 0, 0, width, width, 0, 0, values)
    coding = b"\xff\x52\0\x0c\0\0\0\1\0\5\4\4\0\1" + b"\xff\x5c\0\x13\x40" + b"\x48" * 16
    tile = b"\xff\x90\0\x0a\0\0\0\0\0\0\0\1\xff\x93" + bytes(200) + b"\xff\xd9"
    return b"\xff\x4f\xff\x51" + size + b"\x0f\1\1" * values + coding + tile


def jpeg_2000_of_huge_rows(folder):
    return compressed(one_slice(folder), JPEG2000Lossless, [jpeg_2000(60_000)])


def jpeg_2000_of_many_values(folder):
    return compressed(one_slice(folder), JPEG2000Lossless, [jpeg_2000(32, values=10_000)])


def jpeg_2000_that_says_the_same(folder):
    path = compressed(one_slice(folder), JPEG2000Lossless, [jpeg_2000(60_000)])
    return edited(path, Rows=60_000, Columns=60_000)


def compressed(path, syntax, frames):
    header = pydicom.dcmread(path)
    header.file_meta.TransferSyntaxUID = syntax
    header.PixelData = encapsulate(frames)
    header["PixelData"].is_undefined_length = True
    header.save_as(path)
    return path


def edited(path, **attributes):
    header = pydicom.dcmread(path)
    for keyword, value in attributes.items():
        setattr(header, keyword, value)
    header.save_as(path)
    return path


KINDS = [
    deflate_bomb, deflate_bomb_named_late, deflated_items, nested_without_lengths,
    nested_with_lengths, nested_in_unknown, huge_rows, countless_frames,
    countless_enhanced_frames, thousands_of_planes, countless_mosaic_tiles, claimed_4_gigabytes,
    pixels_without_end, fragments_without_end,
    run_length_of_huge_rows, run_length_of_countless_frames, jpeg_of_huge_rows,
    jpeg_ls_of_huge_rows, jpeg_2000_of_huge_rows, jpeg_2000_of_many_values,
    jpeg_2000_that_says_the_same,
]  # fmt: skip
