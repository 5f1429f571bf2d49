import numpy as np
import pytest
import SimpleITK
from PIL import Image

from fractureai.errors import RadiographError
from fractureai.radiograph import read_header, read_radiograph


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff", ".mha", ".nrrd", ".nii.gz"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_lossless_images_keep_their_values(forge, tmp_path, suffix, dtype):
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (30, 20)).astype(dtype)
    path = forge.image(tmp_path / f"a{suffix}", pixels, spacing=(0.2, 0.3))
    radiograph = read_radiograph(path)
    np.testing.assert_array_equal(radiograph.pixels, pixels)
    assert radiograph.pixels.dtype == np.float32
    if suffix in (".png", ".tif", ".tiff"):
        assert (radiograph.spacing_mm, radiograph.spacing_source) == (None, "none")
        given = read_radiograph(path, spacing_mm=(0.1, 0.2), view="PA", side="L")
        assert (given.spacing_mm, given.spacing_source, given.view_source) == ((0.1, 0.2), "user", "user")
    else:
        assert radiograph.spacing_mm == pytest.approx((0.3, 0.2))
        assert radiograph.spacing_source == "image file"
    header = read_header(path)
    assert (header.rows, header.columns) == (30, 20)
    assert header.sop_instance_uid == radiograph.sop_instance_uid
    assert header.sop_instance_uid.startswith("2.25.")
    assert len(header.sop_instance_uid) <= 64


def test_the_identifier_depends_on_the_content_only(forge, tmp_path):
    pixels = np.arange(100, dtype=np.uint8).reshape(10, 10)
    first, same = forge.image(tmp_path / "a.png", pixels), forge.image(tmp_path / "b.png", pixels)
    other = forge.image(tmp_path / "c.png", pixels + 1)
    uids = [read_header(path).sop_instance_uid for path in (first, same, other)]
    assert uids[0] == uids[1] != uids[2]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "I;16"])
def test_modes_of_png(tmp_path, mode):
    grey = (np.add.outer(np.arange(16), np.arange(12)) * 9).astype(np.uint8)
    image = Image.fromarray(grey)
    if mode == "1":
        image, grey = Image.fromarray(grey > 100), (grey > 100) * 255
    elif mode == "I;16":
        grey = grey.astype(np.uint16) * 257
        image = Image.fromarray(grey)
    else:
        image = image.convert(mode)
    image.save(tmp_path / "m.png")
    pixels = read_radiograph(tmp_path / "m.png").pixels
    np.testing.assert_array_equal(pixels, grey)


def test_white_is_zero_tiff_is_turned(tmp_path):
    grey = (np.arange(64, dtype=np.uint8) * 4).reshape(8, 8)
    Image.fromarray(grey).save(tmp_path / "w.tif", tiffinfo={262: 0})
    assert Image.open(tmp_path / "w.tif").tag_v2[262] == 0
    np.testing.assert_array_equal(read_radiograph(tmp_path / "w.tif").pixels, grey)
    Image.fromarray(grey).convert("LA").save(tmp_path / "la.png")
    with pytest.raises(RadiographError, match="transparency"):
        read_radiograph(tmp_path / "la.png")


def test_jpeg_is_decoded_the_same_every_time(tmp_path):
    grey = np.add.outer(np.arange(64), np.arange(80)).astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "g.jpg", quality=95)
    first = read_radiograph(tmp_path / "g.jpg").pixels
    assert np.abs(first - grey).max() <= 3
    Image.fromarray(grey).convert("RGB").save(tmp_path / "rgb.jpg", quality=95)
    assert np.abs(read_radiograph(tmp_path / "rgb.jpg").pixels - grey).max() <= 4
    np.testing.assert_array_equal(first, read_radiograph(tmp_path / "g.jpg").pixels)


def test_colour_is_refused(tmp_path):
    colour = np.zeros((16, 16, 3), np.uint8)
    colour[..., 0] = 200
    for name in ("c.png", "c.jpg", "c.tif"):
        Image.fromarray(colour).save(tmp_path / name)
        with pytest.raises(RadiographError, match="colour"):
            read_radiograph(tmp_path / name)


@pytest.mark.parametrize("name", ["t.png", "t.jpg", "t.tif", "progressive.jpg"])
def test_every_cut_image_is_an_error(tmp_path, name, capfd):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / name, **({"progressive": True} if "prog" in name else {}))
    whole = (tmp_path / name).read_bytes()
    for length in [*range(1, len(whole), 397), len(whole) - 1]:
        (tmp_path / name).write_bytes(whole[:length])
        with pytest.raises(RadiographError) as caught:
            read_radiograph(tmp_path / name)
        assert caught.value.path == tmp_path / name
    if "jpg" in name:
        assert capfd.readouterr().err == ""


def test_a_jpeg_with_a_thumbnail_is_judged_by_its_own_end(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "t.jpg")
    whole = (tmp_path / "t.jpg").read_bytes()
    thumbnail = b"\xff\xd8\xff\xd9"
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    (tmp_path / "t.jpg").write_bytes(whole[:2] + segment + whole[2:] + b"\0" * 100)
    assert read_radiograph(tmp_path / "t.jpg").shape == (64, 64)
    (tmp_path / "t.jpg").write_bytes(whole[:2] + segment + whole[2:-50])
    with pytest.raises(RadiographError, match="cut off"):
        read_radiograph(tmp_path / "t.jpg")


def test_volumes_and_stacks_are_refused(forge, tmp_path):
    path = tmp_path / "volume.mha"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.zeros((3, 4, 5), np.int16)), str(path))
    with pytest.raises(RadiographError, match="3 images"):
        read_radiograph(path)
    pages = [Image.fromarray(np.zeros((9, 9), np.uint8))] * 2
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(RadiographError, match="2 images"):
        read_radiograph(tmp_path / "pages.tif")


def test_a_huge_png_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / "huge.png"
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(path)
    raw = bytearray(path.read_bytes())
    import zlib

    raw[16:24] = (60_000).to_bytes(4, "big") * 2
    raw[29:33] = zlib.crc32(raw[12:29]).to_bytes(4, "big")
    path.write_bytes(raw)
    with pytest.raises(RadiographError, match="60000 x 60000"):
        read_header(path)
