"""A task in each of 12 languages and more, written for these tests: an instruction and its output."""

# ruff: noqa: RUF001, E501 (letters and signs of other scripts are meant, and wide letters count twice)
from __future__ import annotations

TASKS = {
    "en": (
        "Explain to a ten-year-old why bread dough has to rest before it is baked.",
        "Yeast eats the sugar in the dough and makes tiny bubbles of gas. When the dough rests, these bubbles have time to grow, so the bread becomes soft and light.",
    ),
    "zh": (
        "请向十岁的孩子解释，为什么面团在烤之前要先静置一段时间。",
        "酵母会吃掉面团里的糖，产生许多小气泡。静置的时候，气泡慢慢变大，所以烤出来的面包又软又轻。",
    ),
    "ja": (
        "パン生地を焼く前に休ませる理由を、十歳の子どもに説明してください。",
        "酵母は生地の中の糖を食べて、小さなガスの泡を作ります。休ませると泡が大きくなるので、パンはふんわりと軽くなります。",
    ),
    "ko": (
        "빵 반죽을 굽기 전에 왜 잠시 두어야 하는지 열 살 아이에게 설명해 주세요.",
        "효모는 반죽 속의 설탕을 먹고 작은 기포를 만듭니다. 반죽을 쉬게 하면 기포가 커져서 빵이 부드럽고 가벼워집니다.",
    ),
    "es": (
        "Explica a una niña de diez años por qué la masa del pan tiene que reposar antes de hornearse.",
        "La levadura se come el azúcar de la masa y forma burbujitas de gas. Mientras la masa reposa, las burbujas crecen, y por eso el pan queda blando y ligero.",
    ),
    "fr": (
        "Explique à un enfant de dix ans pourquoi la pâte à pain doit reposer avant la cuisson.",
        "La levure mange le sucre de la pâte et fabrique de petites bulles de gaz. Pendant le repos, ces bulles grandissent, et le pain devient moelleux et léger.",
    ),
    "de": (
        "Erkläre einem zehnjährigen Kind, warum Brotteig vor dem Backen ruhen muss.",
        "Die Hefe frisst den Zucker im Teig und bildet kleine Gasblasen. Während der Teig ruht, werden die Blasen größer, und das Brot wird weich und locker.",
    ),
    "pt": (
        "Explique a uma criança de dez anos por que a massa do pão precisa descansar antes de ir ao forno.",
        "O fermento come o açúcar da massa e forma pequenas bolhas de gás. Enquanto a massa descansa, as bolhas crescem, e por isso o pão fica macio e leve.",
    ),
    "ar": (
        "اشرح لطفل في العاشرة من عمره لماذا يجب أن يرتاح عجين الخبز قبل أن يُخبز.",
        "تأكل الخميرة السكر الموجود في العجين وتصنع فقاعات صغيرة من الغاز. وحين يرتاح العجين تكبر هذه الفقاعات، فيصبح الخبز طريًّا وخفيفًا.",
    ),
    "hi": (
        "दस साल के बच्चे को समझाइए कि रोटी का आटा सेंकने से पहले कुछ देर क्यों रखा जाता है।",
        "ख़मीर आटे की शक्कर खाकर गैस के छोटे-छोटे बुलबुले बनाता है। जब आटा रखा रहता है तो ये बुलबुले बड़े हो जाते हैं, इसलिए रोटी नरम और हल्की बनती है।",
    ),
    "th": (
        "อธิบายให้เด็กอายุสิบขวบเข้าใจว่าทำไมต้องพักแป้งขนมปังก่อนนำไปอบ",
        "ยีสต์จะกินน้ำตาลในแป้งแล้วทำให้เกิดฟองก๊าซเล็ก ๆ เมื่อพักแป้งไว้ ฟองเหล่านี้จะโตขึ้น ขนมปังจึงนุ่มและเบา",
    ),
    "ru": (
        "Объясни десятилетнему ребёнку, почему тесто для хлеба должно постоять перед выпечкой.",
        "Дрожжи едят сахар в тесте и выделяют маленькие пузырьки газа. Пока тесто отдыхает, пузырьки растут, и поэтому хлеб получается мягким и лёгким.",
    ),
    "sw": (
        "Mweleze mtoto wa miaka kumi kwa nini unga wa mkate unapaswa kupumzika kabla ya kuokwa.",
        "Hamira hula sukari iliyo kwenye unga na kutengeneza viputo vidogo vya gesi. Unga unapopumzika, viputo hivyo hukua, na mkate huwa laini na mwepesi.",
    ),
    "vi": (
        "Hãy giải thích cho một em bé mười tuổi vì sao bột bánh mì phải được ủ trước khi nướng.",
        "Men ăn đường trong bột và tạo ra những bong bóng khí nhỏ. Khi bột được ủ, các bong bóng này lớn dần lên, nhờ đó bánh mì mềm và nhẹ.",
    ),
    "tr": (
        "On yaşındaki bir çocuğa ekmek hamurunun pişirilmeden önce neden dinlenmesi gerektiğini anlat.",
        "Maya hamurdaki şekeri yer ve küçük gaz kabarcıkları oluşturur. Hamur dinlenirken bu kabarcıklar büyür, böylece ekmek yumuşak ve hafif olur.",
    ),
}
