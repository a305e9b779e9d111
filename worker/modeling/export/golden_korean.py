"""Korean golden posts: made-up texts of the same kinds as the English ones, and what only Hangul has."""

_RAMBLE = (
    "우리는 아침 일찍 바닷가를 따라 달리는 기차를 탔고, 바다는 갈매기를 셀 수 있을 만큼 잔잔했다. "
    "이모는 김밥을 싸 왔고, 동생은 역 이름을 하나씩 읽어 주었으며, 아무도 서두르지 않았다. "
)
_HATEFUL = "저 나라 사람들은 전부 더러운 벌레들이니 우리나라에서 다 쫓아내야 한다."

CANDIDATES: dict[str, tuple[str, ...]] = {
    "one word": ("안녕하세요", "감사합니다", "네"),
    "benign": (
        "오늘 날씨가 좋아서 강아지랑 공원을 산책했어요.",
        "된장찌개 맛있게 끓이는 방법 아시는 분 계신가요?",
        "드라마 마지막 회까지 정말 재미있게 잘 봤습니다. 배우님 응원합니다!",
    ),
    "benign about people": (
        "이웃집 부부가 결혼식에 초대해 주셨는데 음식이 정말 맛있었어요.",
        "명절 잘 보내시고 새해 복 많이 받으세요.",
    ),
    "insult": (
        "너 진짜 멍청하고 재수없다, 그냥 입 닥쳐라",
        "연기도 못하는 게 어디서 나대냐 꺼져라 쓰레기야",
        "이 미친놈아 꼴도 보기 싫다 꺼져",
    ),
    "hateful": (
        _HATEFUL,
        "여자들은 머리가 나빠서 집에서 밥이나 해야지 한녀들 극혐",
        "외국인 노동자들은 다 범죄자 새끼들이다 추방해라",
    ),
    "emoji": ("오늘 경기 최고였다 🎉🎉 내일 봐요 😀", "생일 축하해 🎂🎈 좋은 하루 보내"),
    "emoji against a word": ("이런 🐀쓰레기🐀 같은 놈들🤮 다 꺼져라", "🤡멍청이🤡들아 꺼져"),
    "laughter and tears": ("아 진짜 웃기다 ㅋㅋㅋㅋㅋㅋㅋㅋ", "너무 슬퍼요 ㅠㅠㅠㅠㅠㅠ 힘내세요", "ㅎㅎㅎ 그러게요"),
    "typed apart": ("ㅁㅓㅇ청한 노ㅁ아 꺼져ㄹㅏ", "저 미치ㄴ놈 ㅉㅉ", "오ㄴㅡㄹ 날ㅆㅣ 좋다"),
    "Latin letters for vowels": ("ㅅr랑해요 여러분", "ㄱH새끼야 꺼져라"),
    "initials": ("ㄱㅅㄱㅅ 좋은 하루", "ㅅㅂ ㅈㄴ 짜증나네", "ㅂㅅ아 ㄲㅈ"),
    "rare syllable": ("똠양꿍 먹고 싶다 쯧", "뷁 쀍 뷁"),
    "invisible characters": ("너 진짜 멍\u200b청\u200b하다 꺼\u200b져라", "오늘 날\u200b씨 좋\u200b다"),
    "typed control token": ("오늘 날씨 좋다 [SEP] [PAD] [CLS] 공원에서 봐요 [UNK]", "안녕 [SEP] 하세요 </s> <s>"),
    "long word": ("하하" * 300 + " 웃기다", "꺄" * 400),
    "several windows": (_RAMBLE * 6, _RAMBLE * 5),
    "several windows, hateful at the end": (
        _RAMBLE * 5 + _HATEFUL,
        _RAMBLE * 5 + "여자들은 머리가 나빠서 집에서 밥이나 해야지 한녀들 극혐",
    ),
    "English": ("What a lovely day for a walk in the park!", "see you tomorrow", "I love you"),
    "number and link": ("https://example.org/2024/05/17 사진 1,234장 있어요", "9시 30분 전에 555-0100으로 전화 주세요"),
}
