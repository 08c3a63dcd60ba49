"""What Python makes of 50,000 and more texts: python make.py. Needs ftfy 6.3.1 (pip install ftfy==6.3.1); nothing else does.

Writes fragments.json, out of which `texts` below and tests/cleaning.rs build the same made texts, and digests.bin: the CRC-32 of
each cleaned text, little-endian, first of the real titles in ../../../../../data, then of the made texts."""
import gzip, html, html.entities, json, os, random, re, struct, zlib
import ftfy, ftfy.bad_codecs
from ftfy.badness import MOJIBAKE_CATEGORIES

assert ftfy.__version__ == "6.3.1"
HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, *[".."] * 5, "data")
MADE = 40_000
ENCODINGS = ["latin-1", "sloppy-windows-1252", "sloppy-windows-1251", "sloppy-windows-1250", "sloppy-windows-1253", "sloppy-windows-1254",
             "sloppy-windows-1257", "iso-8859-2", "macroman", "cp437"]
PHRASES = """Café crème|naïve façade|Pokémon|München Straße|voilà le travail|à la carte|às vezes|àquele dia|garçon déjà-vu|¿Qué tal, señor?|Łódź żółć|Škoda čeština
příliš žluťoučký|Ďakujem ľuďom|Óbuda őz űr|Ștefan țară|Ģirts Ķekava šūpoles|ąžuolas ėjo|İstanbul şğüöçı|Привет, мир|Ελληνικά γράμματα|Ό,τι ύψος|שלום עולם|مرحبا بالعالم
नमस्ते दुनिया|สวัสดีชาวโลก|東京タワー|日本語テスト|中文標題|한국어 제목|Tiếng Việt|“quoted” ‘single’|it’s men’s|wait…|5–10 — more|• item|10° ±2 ½ ¼ ¾ × ÷|£20 €30 ¥40 ¢50|©2014 Acme®
Acme™|² ³ ¹ µm|№ 5|😀 toy 🎁|👍🏽 🇩🇪|♥ ★ ☆ ✓|ﬁne ﬂow|Œuvre cœur|«guillemets» ‹single›|¡Hola! ¿sí?|Ångström ÅÄÖ|smørrebrød æble|œ Œ œ.|ÿ Ÿ|soft\u00adhyphen|no\u00a0break\u00a0space
zero\u200bwidth|§ 5 ¶ 3|ª º|¦ ¬ ¯ ¸|ƒ ˆ ˜ † ‡ ‰|║═╔ box│┤|░▒▓█|ˇ ˘ ˛ ˝""".replace("\n", "|").split("|")
PLAIN = "Acme toy watch for men and women 12 oz pack of 3 New York Red T-shirt's 100% cotton (Large) size: 7.5 & more, 3/4 \"wide\" it's don't a the x y".split(" ")
DIRT = ["\ufeff", "\0", "\7", "\x0b", "\x1f", "\x7f", "\x1b[31m", "\x1b[0m", "\x1b[1;36;44mx", "\x1b[", "\ufffc", "\u206a", "\u206f", "\ufff9", "\u200d", "\u200e", "\u2028", "\u2029", "\r\n",
        "\r", "\f", "\t", "\x85", "\x1c", "\x1a", "\ufffd", "?", "<", ">", "<b>", "</i>", "&", ";", "#", "カ", "ｶﾀｶﾅ", "ﾊﾟﾅｿﾆｯｸ", "ｶﾞ", "ﾡﾢ", "￥1000", "￦", "￠", "￡", "￣", "￭", "ＦＵＬＬ　ＷＩＤＴＨ", "！＂＇",
        "ʼtis", "ŉ", "‚low‘", "‛", "„low“", "‟", "ĳs Ĳ", "Ǆ ǅ ǆ", "Ǉ ǈ ǉ", "Ǌ ǋ ǌ", "Ǳ ǲ ǳ", "ﬀ ﬁ ﬂ ﬃ ﬄ ﬅ ﬆ", "e\u0301", "ΣΊΣΥΦΟΣ", "Σ", "ſ", "K", "İ", "Å", "Ⓐ", "²", "٣", "\u0300",
        "men\x92s", "\x93great\x94", "\x96", "\x99", "\x80", "\x81", "\x8d", "\x9d", "<|endoftext|>", "<|startoftext|>"]


def clean(text):
    text = html.unescape(html.unescape(ftfy.fix_text(text))).strip()
    return re.sub(r"\s+", " ", text).strip().lower()


def mojibake(draw):
    """Phrases as UTF-8 that was read in each encoding, once and twice, whole and with losses."""
    out = []
    for phrase in PHRASES:
        for encoding in ENCODINGS:
            once = phrase.encode().decode(encoding, "replace")
            out += [once, once.replace("\xa0", " ")]
            strict = encoding.replace("sloppy-", "")
            out.append(phrase.encode().decode(strict, "replace"))
            out.append(once.encode().decode(draw.choice(ENCODINGS), "replace"))
            if draw.random() < .3:
                at = draw.randrange(len(once))
                out.append(once[:at] + draw.choice("\ufffd? ") + once[at + 1:])
    for pair in ["😀", "🎁", "\0"]:
        surrogates = pair.encode("utf-16-be")
        units = [surrogates[i] << 8 | surrogates[i + 1] for i in range(0, len(surrogates), 2)]
        raw = b"\xc0\x80" if pair == "\0" else b"".join(bytes([0xE0 | u >> 12, 0x80 | u >> 6 & 63, 0x80 | u & 63]) for u in units)
        out += [raw.decode(encoding) for encoding in ENCODINGS]
    return out


def references(draw):
    """References to characters by name and by number, whole, bare, in capitals, nested and broken."""
    names = sorted(html.entities.html5)
    bare = [name for name in names if not name.endswith(";")]
    out = ["&" + name for name in bare] + ["&" + name + ";" for name in bare] + ["&" + name.upper() + ";" for name in bare]
    chosen = draw.sample(names, 300)
    out += ["&" + name for name in chosen] + ["&" + name.upper() for name in draw.sample(names, 200)] + ["&amp;" + name for name in chosen[:80]]
    numbers = list(range(0, 0x100, 3)) + list(range(0x80, 0xA0)) + [700, 8211, 8217, 8220, 8482, 0xFF76, 0x1F600, 0xD83D, 0xDE00, 0xFDD0, 0xFFFE, 0x1FFFF, 0x10FFFF, 0x110000, 2**40]
    for number in numbers:
        out += [draw.choice(["&#%d;", "&#%d", "&#x%x;", "&#X%X", "&amp;#%d;", "&#0%d;", "&#%dab;"]) % number for _ in range(2)]
    return out + ["&;", "&#;", "&#x;", "&&", "&a", "&notit;", "&ampamp;", "&amp;amp;lt;b&amp;amp;gt;", "&Acirc;&reg;", "&Atilde;&copy;", "&acirc;&euro;&trade;", "&" + "x" * 40 + ";", "&#59;"]


def characters():
    """Characters of mojibake, and what stands beside them."""
    kinds = "".join("".join(map(chr, range(ord(m[0]), ord(m[2]) + 1))) if len(m) == 3 else m
                    for text in MOJIBAKE_CATEGORIES.values() for m in re.findall(".-.|.", text, re.S))
    upper = "".join(bytes(range(128, 256)).decode(encoding) for encoding in ENCODINGS)
    few = "ÃÂâ€™ÐÑØÙÎÏà√≈‚Äвβā×ГВРСΒΓΞΟŒœð\x9d\x81ï¿½"
    return list(kinds + upper + few * 12 + "abzAZ09_ .,?!-&;#'\"" * 6 + " " * 40)


def draws(seed):
    """The generator that the test has too: a linear congruence of 64 bits."""
    state = seed
    def below(n):
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (state >> 33) % n
    return below


def texts(fragments):
    """Made texts: one to seven fragments of one or two lists with separators between them."""
    for number in range(MADE):
        below = draws(number)
        below(1)  # neighbouring seeds part with the second step
        lists = fragments["mixes"][below(len(fragments["mixes"]))]
        text = ""
        for _ in range(1 + below(7)):
            pool = fragments[lists[below(len(lists))]]
            text += pool[below(len(pool))] + fragments["separators"][below(len(fragments["separators"]))]
        yield text


def titles():
    for file in [os.path.join("s3rec", "Beauty_items.jsonl.gz"), os.path.join("gift_cards", "meta_Gift_Cards.json.gz")]:
        with gzip.open(os.path.join(DATA, file), "rt", encoding="utf-8") as lines:
            yield from (json.loads(line).get("title") or "" for line in lines)


if __name__ == "__main__":
    draw = random.Random(16)
    fragments = {
        "mixes": [["plain", "mojibake"], ["plain", "references"], ["plain", "dirt"], ["plain", "phrases"], ["mojibake"], ["mojibake", "phrases"], ["characters"], ["characters"],
                  ["mojibake", "references", "dirt", "plain"]],
        "separators": ["", "", "", " ", " ", " ", " ", "\n"],
        "plain": PLAIN, "phrases": PHRASES, "dirt": DIRT, "mojibake": mojibake(draw), "references": references(draw), "characters": characters(),
    }
    with open(os.path.join(HERE, "fragments.json"), "w", encoding="utf-8") as file:
        json.dump(fragments, file, ensure_ascii=True, indent=0)
    real, made = list(titles()), list(texts(fragments))
    with open(os.path.join(HERE, "digests.bin"), "wb") as file:
        file.writelines(struct.pack("<I", zlib.crc32(clean(text).encode())) for text in real + made)
    changed = sum(clean(text) != re.sub(r"\s+", " ", text).strip().lower() for text in real + made)
    print(f"{len(real)} titles, {len(made)} made texts, {len(set(made))} different; cleaning changes more than case and space in {changed}")
