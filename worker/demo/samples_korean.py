"""The demo's posts for a Korean bundle: made up, as the English ones are."""

from worker.demo.samples import Deleted, Post, Raw, Sample

LONG = (
    "저는 이 동네에서 삼십 년을 살았는데 예전에는 어땠는지 이야기해 드릴게요. " * 8
    + "그런데 외국인들이 몰려왔다. 더러운 벌레 같은 놈들 다 쫓아내야 한다. "
    + "아무튼 모퉁이 빵집 소금빵이 동네에서 제일 맛있었어요. " * 8
)

SAMPLES: tuple[Sample, ...] = (
    Post("우승 축하드립니다! 정말 멋진 결승전이었어요."),
    Post("진짜 멍청하네. 꺼져라 쓰레기야."),
    Post("화가 납니다. 닷새째 기차가 늦는데 아무 설명도 없네요!"),
    Post("외국인 노동자들은 다 범죄자다. 우리나라에서 전부 쫓아내라."),
    Raw('{"id": "cut-off", "text": "중간에 잘린 기'.encode(), "broken JSON"),
    Post("김치찌개 맛있게 끓이는 법 아시는 분?"),
    Post("오늘 호수 노을 🌅🦆 정말 평화롭다"),
    Deleted(),
    Post("입 닥\u200b쳐 이 미\u200b친놈아, 필터가 모를 줄 알았지."),
    Post(LONG, title="옛날 우리 동네"),
    Raw(b'{"id": "no-text", "title": "A post that lost its text"}', "a post without a text"),
    Post("기사 내용에는 동의하지 않지만 글은 잘 쓰셨네요."),
    Post("ㅋㅋㅋㅋㅋㅋㅋ 진짜 웃기다"),
    Post("ㅁㅣ친 노ㅁ 꼴도 보기 싫다"),
    Post("여자들은 운전하면 안 된다 김여사들 극혐"),
    Post("할머니 생신 축하드려요! 🎂🎈"),
    Post("업데이트 하고 나서 앱이 계속 꺼져요. 고쳐 주세요."),
    Post("연기 못하는 건 여전하네 얼굴도 못생긴 게"),
    Post("가나에서 온 이웃이 끓여 준 스튜가 정말 맛있었어요."),
    Post("월요일 싫다 ㅠㅠㅠㅠ"),
    Post("장관은 사퇴해야 합니다. 이 정책은 실패했습니다."),
    Post("너네 엄마가 널 보면 부끄럽겠다 한심한 놈"),
    Post("늙은이들은 짐이다 빨리 좀 사라져라"),
    Raw(b"[1, 2, 3]", "a list, not a post"),
    Post("도서관 토요일에 몇 시에 여나요?"),
    Post("사진 멋지네요! 어디서 찍으셨어요?"),
    Post("목요일에 봐요, 케이크 가져오세요."),
)
