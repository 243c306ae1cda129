"""Which of sixteen languages in Latin script a text is in, by its commonest words; unsure, none.

A word that two of the lists share counts for neither, so that each hit speaks for one language.
"""

from __future__ import annotations

import re
from collections import Counter

from .asked import asks_for_another

PROMPT_HITS, ANSWER_HITS = 2, 8
"""Words that speak for a language before it is believed, in a prompt and in an answer."""
DOMINANCE = 3
"""How many times as many as for the next language."""
ANSWER_SHARE = 0.1
"""Of the answer's words."""
_WORD = re.compile(r"[^\W\d_]+")
_LISTS = {
    "english":
    "the and of to is that it for you with this are was not have from your they be by at "
    "which would will can what there their been has were when who where how i my we our do "
    "does did if about these those into than then some could should please here him his she "
    "he but or as an",
    "german":
    "der und das ist nicht ich sie den mit sich auf für von dem wir ein eine einen auch "
    "wird wie sind oder aber noch nach bei aus wenn kann haben werden diese dieser ihr ihre "
    "mein zu im zum zur über dass nur mehr bitte warum kein keine hat was wo doch sehr",
    "french":
    "le les des est et une dans pour que qui vous nous ne pas sur avec il ce cette sont "
    "mais ou où par plus au aux du je elle ils être avez votre notre mes c'est comme tout "
    "fait été ces leur quelle quel comment pourquoi s'il très aussi",
    "spanish":
    "el los las y una es del por con para como pero más su este esta son está hay cuando "
    "muy sobre también fue ser tiene desde todo usted nos sin puede cómo qué dónde yo hasta "
    "porque ellos donde mi al lo gracias",
    "italian":
    "il di che è e per una sono della con non gli delle dei nel alla più anche come ma "
    "questo questa essere ho ha dal sul degli nella perché cosa tutti molto mio suo lei ci "
    "quando dove sia grazie dopo ancora",
    "portuguese":
    "o os uma não para com em do da dos das mais por se como foi ao ele você são pelo pela "
    "isso esta meu minha seu sua também já está muito ou quando nós eles fazer ser um à às "
    "onde obrigado até depois",
    "dutch":
    "de het een van en dat niet zijn voor met op te ik je wij naar aan bij ook als maar om "
    "dit nog wordt heeft hebben worden kunnen geen deze uw mijn hoe waar wat ze zou veel "
    "door over",
    "polish":
    "w i na z się nie do to jest że jak o co po ale dla od za jego są przez tym czy tak jej "
    "był może być ten tego która który które oraz już mnie ich proszę tylko bardzo mój",
    "swedish":
    "och att det som är på av för med inte den till har jag ett om vi men ni kan från så "
    "hur var sig ska också efter eller när mycket där vad bara mig din dig",
    "danish or norwegian":
    "og det som er på av for med ikke den til har jeg et om vi men de kan fra så hvordan af "
    "sig skal også efter etter eller når meget mye hvor hva hvad bare mig meg din",
    "finnish":
    "ja on ei se että hän oli ovat mutta kun niin kuin joka myös voi sen ole minun sinun "
    "mitä missä miten tämä tai jos sitten vain hyvin kanssa olen minä sinä kiitos",
    "turkish":
    "bir ve bu için ile çok da ne var mı değil olarak daha gibi sonra kadar olan ben sen "  # noqa: RUF001
    "ama nasıl neden nerede her şey benim senin mi veya en lütfen",  # noqa: RUF001
    "czech":
    "a je se na že v to s z do o jsem jako ale pro by si jak tak jsou bylo byl ve nebo když "
    "který která jeho jen už mi prosím můj kde co velmi také",
    "romanian":
    "și în de la este nu pe cu că un o din mai care pentru sunt dar ce sau fost am ai acest "
    "această lui al ale fi prin după dacă cum unde când foarte vă rog",
    "indonesian or malay":
    "yang dan di ini itu dengan untuk tidak dari dalam akan pada juga saya anda ke karena "
    "ada bisa adalah oleh seperti mereka atau kami kita sudah telah apa bagaimana",
    "vietnamese":
    "và của là có không được cho các trong một người này với những khi để tôi bạn đã như từ "
    "đến cũng về nhiều ra làm gì thế nào",
}  # fmt: skip
_COUNTS = Counter(word for words in _LISTS.values() for word in set(words.split()))
LANGUAGE_OF = {
    word: language
    for language, words in _LISTS.items()
    for word in words.split()
    if _COUNTS[word] == 1
}
"""Word to the one language whose list has it."""
COMMON = frozenset(_COUNTS)
"""The commonest words of all these languages."""


def words_of(text: str) -> list[str]:
    """Returns the words of a text, in lower case."""
    return _WORD.findall(text.casefold())


def hits_of(words: list[str]) -> Counter[str]:
    """Returns how many words speak for each language."""
    return Counter(filter(None, map(LANGUAGE_OF.get, words)))


def language_of(words: list[str], at_least: int, share: float = 0.0) -> str | None:
    """Returns the language of the words, or None where it is not plain."""
    ranked = hits_of(words).most_common(2)
    if not ranked:
        return None
    language, hits = ranked[0]
    second = ranked[1][1] if len(ranked) > 1 else 0
    plain = hits >= max(at_least, DOMINANCE * second, share * len(words))
    return language if plain else None


def switched(prompt: str, prompt_words: list[str], words: list[str]) -> bool:
    """Returns whether an answer is plainly in another language than plainly its prompt's.

    Not where the prompt has words of the answer's language, or speaks of languages.
    """
    asked = language_of(prompt_words, PROMPT_HITS)
    if asked is None:
        return False
    given = language_of(words, ANSWER_HITS, ANSWER_SHARE)
    if given is None or given == asked:
        return False
    return hits_of(prompt_words)[given] == 0 and not asks_for_another(prompt)


def switched_to_latin(prompt: str, words: list[str]) -> bool:
    """Returns whether an answer is plainly in one of the languages, for a prompt without Latin."""
    given = language_of(words, ANSWER_HITS, ANSWER_SHARE)
    return given is not None and not asks_for_another(prompt)
