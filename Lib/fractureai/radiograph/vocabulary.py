"""View, side and body part in free text, in the clinics' languages: whole words only, and rather nothing than a guess.

Texts are series descriptions and protocol names such as "Handgelenk dv links", "RANNE SIVU", "Poignet droit profil" or
"手関節正面 右". A text that names two views or both sides says nothing about the one image.
"""

from __future__ import annotations

import itertools
import re
import unicodedata

from fractureai.radiograph.codes import FRONTAL


def _word_set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_VIEW_WORDS = {
    "PA": (
        "pa dv dp posteroanterior posterioanterior dorsopalmar dorsovolar dorsopalmaire postoanterior dorsopalmaarinen"
    ),
    "AP": "ap anteroposterior anterioposterior palmodorsal volodorsal",
    "LAT": (
        "lat lateral laterale lateralis lateraal laterala lateralt lateraali latero seitlich seitlicher "
        "seitliche seitl seitenaufnahme sivu sivukuva sivulta sidobild sidebillede zijdelings profil "
        "profilo perfil mediolateral lateromedial rlat llat"
    ),
    "OBLIQUE": (
        "obl oblique obliques obliqua oblicua oblicuo obliquo obliqu obliq oblik schrag schraeg "
        "schragaufnahme viisto viistokuva skra sned snett schuin semipronated semisupinated norgaard"
    ),
    "SCAPHOID": (
        "scaphoid scaph scaphoide skaphoid navicular naviculare scafoide scafoideo escafoides escafoide "
        "kahnbein veneluu skafoid skafoideum bateekuva stecher"
    ),
    FRONTAL: "face frontal frontale front",
}
_CJK_VIEWS = {"正面": FRONTAL, "正位": FRONTAL, "側面": "LAT", "侧面": "LAT", "側位": "LAT", "侧位": "LAT"}
_CJK_VIEWS |= {"斜位": "OBLIQUE", "舟状骨": "SCAPHOID", "舟骨": "SCAPHOID"}

_SIDE_WORDS = {
    "L": (
        "l left lt li links linker linke linkes linken lks gauche sinister sinistra sinistro izquierda "
        "izquierdo izq izqda vasen vasemman vasemmalta esquerda esquerdo vanster venstre"
    ),
    "R": (
        "r right rt re rechts rechter rechte rechtes rechten droite droit dexter dextra destra destro derecha "
        "derecho dcha oikea oikean oikealta direita direito hoger hojre hoyre"
    ),
    "B": (
        "bilateral bilat bilaterale bilateraal both beide beidseits beidseitig bds molemmat ambas ambos deux begge bada"
    ),
}
_CJK_SIDES = {"左": "L", "右": "R", "両": "B", "双": "B"}
# "dx" is also English for diagnosis and a modality, "sin" Spanish for without: they count only beside these words.
_LATIN_SIDES = {"dx": "R", "dex": "R", "sin": "L", "sx": "L"}
_LATIN_CONTEXT = _word_set(
    "ranne ranteen rannenivel kasi kaden kyynarvarsi veneluu polso gomito avambraccio scafoide handled handleden "
    "handledd handgelenk underarm skafoid"
)
_FRENCH_CONTEXT = _word_set("face profil gauche droite droit de la radio radiographie incidences")  # of "main": hand

_BODY_PART_WORDS = {
    "WRIST": (
        "wrist wrists handgelenk handgelenks ranne ranteen rannenivel poignet muneca carpo carpe carpus polso "
        "pols handled handleden handledd handwurzel pulso punho scaphoid scaphoide skaphoid kahnbein veneluu "
        "escafoides"
    ),
    "HAND": "hand hands kasi kaden mano mao mittelhand",
    "FOREARM": "forearm unterarm kyynarvarsi kyynarvarren avantbras antebrazo avambraccio onderarm underarm",
    "FINGER": "finger fingers sormi sormen doigt dedo dito vinger",
    "THUMB": "thumb daumen peukalo pouce pulgar pollice duim tumme",
    "ELBOW": "elbow ellbogen ellenbogen kyynarnivel coude codo gomito elleboog armbage",
    "ANKLE": "ankle sprunggelenk nilkka cheville tobillo caviglia enkel fotled",
    "FOOT": "foot fuss jalkatera pied pie piede voet fot",
    "KNEE": "knee knie polvi genou rodilla ginocchio kna",
    "CHEST": "chest thorax",
}
_CJK_BODY_PARTS = {
    "手関節": "WRIST",
    "腕关节": "WRIST",
    "腕": "WRIST",
    "前腕": "FOREARM",
    "前臂": "FOREARM",
    "手": "HAND",
    "胸部": "CHEST",
}


def _inverted(words: dict[str, str]) -> dict[str, str]:
    return {word: meaning for meaning, text in words.items() for word in text.split()}


_VIEWS, _SIDES, _BODY_PARTS = _inverted(_VIEW_WORDS), _inverted(_SIDE_WORDS), _inverted(_BODY_PART_WORDS)

_SEAM = re.compile(  # between words in camel case, and between Chinese or Japanese and Latin letters
    r"(?<=[a-zäöüß])(?=[A-Z])|(?<=[A-Z]{2})(?=[A-Z][a-z])|(?<=[\u3040-\u9fff])(?=[A-Za-z])|(?<=[A-Za-z])(?=[\u3040-\u9fff])"
)
_SWEDISH_ON = re.compile(r"\bpå\b", re.IGNORECASE)  # would be "pa" without its ring
_ABBREVIATION = re.compile(r"(?<![^\W_])([a-z])[.]\s?([a-z])(?![^\W_])[.]?|(?<![^\W_])([adpv])-([adpv])(?![^\W_])")
_COMPOUND = re.compile(
    r"(?<![^\W_])(postero|antero|dorso|palmo|volo|medio|latero)[ -]"
    r"(anterior|posterior|palmar|palmaire|volar|dorsal|lateral|medial)(?![^\W_])"
)
_WORD = re.compile(r"[^\W_]+|[^\w\s]|_")
_NUMBERED = re.compile(r"([^\W\d_]{2,})\d{1,2}")


def view_in_text(text: str) -> str | None:
    """Return the one view a text names: one of `VIEWS` or ``FRONTAL``; None when it names none or several.

    "PA oblique" and "lateral oblique" name one view, OBLIQUE; "PA + oblique" names two. The scaphoid together with a
    frontal or oblique view is one SCAPHOID view.
    """
    words = _words(text)
    places = [(index, _VIEWS[word]) for index, word in enumerate(words) if word in _VIEWS]
    found = {meaning for _, meaning in places} | _in_cjk(text, _CJK_VIEWS)
    if len(found) > 1 and "OBLIQUE" in found and _adjacent(places):
        found = {"OBLIQUE"} | (found & {"SCAPHOID"})
    if len(found) == 2 and "SCAPHOID" in found and "LAT" not in found:
        found = {"SCAPHOID"}
    if len(found) == 2 and FRONTAL in found and found & {"PA", "AP"}:
        found.remove(FRONTAL)
    return found.pop() if len(found) == 1 else None


def side_in_text(text: str) -> str | None:
    """Return ``L`` or ``R`` when a text names one side; None when it names none or both."""
    words = _words(text)
    found = set()
    for index, word in enumerate(words):
        following = words[index + 1] if index + 1 < len(words) else ""
        if word in ("l", "r", "re", "li") and (
            following in ("-", ":", "'", "spine", "ws") or _is_letter_list(words, index)
        ):
            continue
        if word in _SIDES:
            found.add(_SIDES[word])
    if _LATIN_CONTEXT.intersection(words):
        found |= {_LATIN_SIDES[word] for word in words if word in _LATIN_SIDES}
    found |= _in_cjk(text, _CJK_SIDES)
    return found.pop() if len(found) == 1 and "B" not in found else None


def body_part_in_text(text: str) -> str | None:
    """Return the defined term of the one body part a text names; None when it names none or several.

    Wrist beside hand is WRIST: "Hand, wrist", as many protocols are filed.
    """
    words = _words(text)
    named = {_BODY_PARTS[word] for word in words if word in _BODY_PARTS}
    if "main" in words and _FRENCH_CONTEXT.intersection(words):
        named.add("HAND")
    found = named or {part for part in [_longest_cjk(text)] if part}
    if found == {"WRIST", "HAND"}:
        return "WRIST"
    return found.pop() if len(found) == 1 else None


def _words(text: str) -> list[str]:
    """Split a text into lower-case words without accents, and signs; "d.v." and "postero-anterior" become one word."""
    text = _SEAM.sub(" ", unicodedata.normalize("NFKC", text).replace("’", "'"))
    text = _SWEDISH_ON.sub(" ", text)
    text = "".join(char for char in unicodedata.normalize("NFD", text.casefold()) if not unicodedata.combining(char))
    text = text.replace("ø", "o").replace("æ", "ae")
    text = _ABBREVIATION.sub(lambda match: "".join(part for part in match.groups() if part), text)
    text = _COMPOUND.sub(lambda match: f"{match[1]}{match[2]}", text)
    return [_NUMBERED.sub(r"\1", word) if _NUMBERED.fullmatch(word) else word for word in _WORD.findall(text)]


def _adjacent(places: list[tuple[int, str]]) -> bool:
    """Whether the view words follow each other with nothing between them."""
    return all(second[0] - first[0] == 1 for first, second in itertools.pairwise(places))


def _is_letter_list(words: list[str], index: int) -> bool:
    """Whether a single letter belongs to an initialism written with spaces or dots ("A R D S")."""
    around = [words[at] for at in (index - 1, index + 1) if 0 <= at < len(words)]
    return any(len(word) == 1 and word.isalpha() and word not in ("l", "r") for word in around)


def _in_cjk(text: str, meanings: dict[str, str]) -> set[str]:
    return {meaning for word, meaning in meanings.items() if word in text}


def _longest_cjk(text: str) -> str | None:
    found = [word for word in _CJK_BODY_PARTS if word in text]
    return _CJK_BODY_PARTS[max(found, key=len)] if found else None
