"""Whether a prompt asks for another language or script: by a word for translating, or a name."""

from __future__ import annotations

_TRANSLATE = (
    "translat", "übersetz", "traduc", "tradui", "traduz", "vertaal", "vertal", "tłumacz",
    "przetłum", "översätt", "oversæt", "oversett", "přelož", "çevir", "terjemah", "переве",
    "перевод", "переклад", "翻译", "翻譯", "翻訳", "译", "訳", "번역", "ترجم", "अनुवाद", "dịch",
    "μετάφρα", "แปล", "תרגם", "multilingual", "bilingual", "foreign", "language", "alphabet",
    "transliterat", "script", "hieroglyph", "symbols", "how do you say", "how to say",
    "pronounce", "emoji", "unicode", "lorem ipsum", "sprache", "langue", "idioma", "lingua",
    "taal", "język", "язык", "语", "語",
)  # fmt: skip
_NAMES = (
    "english", "german", "french", "spanish", "italian", "portugues", "brazilian", "dutch",
    "polish", "swedish", "danish", "norwegian", "finnish", "turkish", "czech", "romanian",
    "indonesian", "vietnamese", "latin", "russian", "ukrainian", "bulgarian", "serbian",
    "cyrillic", "greek", "arabic", "persian", "farsi", "urdu", "hebrew", "hindi", "sanskrit",
    "devanagari", "bengali", "tamil", "telugu", "chinese", "mandarin", "cantonese", "hanzi",
    "japanese", "kanji", "hiragana", "katakana", "haiku", "korean", "hangul", "thai", "georgian",
    "armenian", "esperanto", "swahili", "catalan", "hungarian", "welsh", "irish", "gaelic",
    "yiddish", "klingon", "malay", "tagalog", "deutsch", "englisch", "französisch", "spanisch",
    "russisch", "chinesisch", "japanisch", "anglais", "allemand", "français", "espagnol", "russe",
    "chinois", "japonais", "inglés", "alemán", "francés", "español", "ruso", "chino", "japonés",
    "inglese", "tedesco", "francese", "spagnolo", "inglês", "alemão", "engels", "duits", "frans",
    "angielsk", "niemieck", "engelsk", "tysk", "английск", "немецк", "русск", "французск",
    "испанск", "китайск", "японск", "英文", "中文", "日文", "日本", "韩文", "法文", "德文",
    "俄文", "漢字", "汉字", "영어", "한국", "일본", "중국", "انجليزي", "عربي", "अंग्रेज़ी",
    "हिन्दी", "हिंदी", "ελληνικ", "αγγλικ", "อังกฤษ", "ไทย", "אנגלית",
)  # fmt: skip


def asks_for_another(prompt: str) -> bool:
    """Returns whether the prompt may want an answer in another language or script than its own.

    Too often rather than too seldom: such prompts are not judged in this respect.
    """
    text = prompt.casefold()
    return any(word in text for word in _TRANSLATE) or any(name in text for name in _NAMES)
