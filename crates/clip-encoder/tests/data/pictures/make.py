"""Small pictures and what Pillow makes of them: python make.py. Needs Pillow; nothing else does.

Writes the pictures and expected.json: size and some pixels of Image.open(...).convert("RGB") for each."""
import json, os
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))


def stripes(mode, colours):
    image = Image.new(mode, (24, 16))
    for at, colour in enumerate(colours):
        image.paste(colour, (at * 24 // len(colours), 0, 24, 16))
    return image


palette = stripes("P", [2, 1, 0, 2])
palette.putpalette([255, 0, 0, 0, 255, 0, 10, 20, 200] + [0] * 759)
three = [(9, 8, 7), (200, 100, 50), (9, 8, 7)]
exif = Image.Exif()
exif[0x0112] = 6  # "turn by 90 degrees"
frames = [Image.new("P", (24, 16), index) for index in (1, 0, 2)]
for frame in frames:
    frame.putpalette(palette.getpalette())
PICTURES = {
    "palette.png": (palette, {"transparency": 2}),
    "palette_alphas.png": (palette, {"transparency": bytes([255, 128, 0])}),
    "palette.gif": (palette, {"transparency": 2}),
    "frames.gif": (frames[0], {"save_all": True, "append_images": frames[1:], "transparency": 1}),
    "rgb.png": (stripes("RGB", three), {"transparency": three[0]}),
    "grey.png": (stripes("L", [9, 200, 9]), {"transparency": 9}),
    "turned.jpg": (stripes("RGB", three), {"exif": exif, "progressive": True, "quality": 95}),
    "restarts.jpg": (stripes("RGB", three), {"restart_marker_blocks": 1, "quality": 95}),
    "palette.bmp": (palette, {}),
    "plain.webp": (stripes("RGB", three), {"lossless": True}),
}
expected = {}
for name, (image, options) in PICTURES.items():
    path = os.path.join(HERE, name)
    image.save(path, **options)
    rgb = Image.open(path).convert("RGB")
    expected[name] = {"size": rgb.size, "pixels": [[x, y, *rgb.getpixel((x, y))] for x in range(1, rgb.width, 7) for y in (1, rgb.height - 2)]}
with open(os.path.join(HERE, "expected.json"), "w") as file:
    json.dump(expected, file)
