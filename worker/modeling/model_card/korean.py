"""What the model card of a Korean bundle says about its limits, and the sentences it is shown with."""

LIMITS = """\
- **Korean only**, and short comments above all. Other languages get scores too; they mean nothing.
- **Not for sole decisions.** It is made to sort posts for people to look at.
- **One source, one register, one time**: 7,892 comments under Korean entertainment news. Elsewhere (politics, games,
  region, religion, migration, forum slang, later years) it knows little; names of persons who were attacked there may
  carry score by themselves. It was measured on comments of the same source alone.
- The labels are the source's: *offensive* holds rude criticism and sarcasm, *hate* contempt as well as bias against a
  group, so it is broader than hatred of protected groups. Two thirds of the comments are offensive: expect it to flag
  much. The development part is small; mind the 95 % intervals above. On *offensive* it is hardly better than counting
  words (the TF-IDF floor above); what it adds is *hate*.
- Known blind spots: a sentence that only names a group may be scored as hate; irony and context outside the comment are
  not seen; quoted or countered hate is taken for hate; new slang and dialect are unknown; initials (consonants alone)
  are known only as far as the comments held them.
- Spelling: single letters typed apart, Latin letters for vowels, laughter and tears of any length are folded. Not
  folded: digits or dots between syllables, Hangul typed on a Latin keyboard, syllables that no piece spells (about
  9,400 rare ones of 11,172: they are one unknown token, the syllables around them are seen).
- A long post is scored in windows and takes its highest score, so very long posts are flagged more often.
- Rounding to int8 moves single scores by .02 on average and by up to .29; AUROC stays within .004 of float32, but about
  one decision in 25 at a threshold is another one.
- Probabilities are calibrated to the source's mixture, not to your traffic, where hate is rarer.
"""

PROBES = (
    "오늘 날씨 정말 좋네요",
    "드라마 너무 재밌게 봤어요 ㅋㅋㅋㅋ",
    "이 폰 진짜 쓰레기네",
    "입 닥쳐 이 미친놈아",
    "외국인들은 다 쫓아내야 한다",
    "여자는 남자보다 열등하다",
    "나는 여자를 싫어하지 않아",
    "우리 동네 무슬림 이웃들 참 친절해요",
    "성소수자도 똑같은 권리를 가져야 한다",
    "그가 이민자는 벌레라고 해서 나는 나가라고 했다",
    "ㅁㅣ친 노ㅁ",
    "미1친 놈",
)
"""Chosen to show blind spots, not to look good."""

MAKE_IT_AGAIN = """\
## Make it again

Get the data set from its authors (above) and write each part as a file of JSON Lines, UTF-8, one post a line, in
`data/beep_ko.train.jsonl` and `data/beep_ko.dev.jsonl`:

```json
{post}
```

`id` is any string; a label is 1, 0, or null where the source does not say.

```sh
make -f worker/modeling/recipes/korean.mk DATA=data OUT=korean
```

The recipe holds every command and option; the seed is {seed}. Development posts are those of the same source{split}.
Training on another CPU gives slightly different weights.
"""
