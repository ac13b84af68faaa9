// Every text of the page, in English and Chinese; {name} is filled in.
var elmoLive = elmoLive || {};

((live) => {
  const TABLE = {
    sentence: ["Your sentence", "你的句子"],
    placeholder: ["Type a Chinese sentence", "输入一句中文"],
    examples: ["Or one of these:", "或者试试："],
    language: ["中文", "English"],
    loading: ["The model is being read …", "正在读取模型……"],
    touch: ["Type, or choose a word: the model is read then.", "输入句子或点一个词，模型随即载入。"],
    failed_missing: [
      "The model {file} can't be read: copy the whole folder of pages, or make it again (make book, elmo export --to web).",
      "模型文件{file}无法读取：请复制整个网页文件夹，或重新生成（make book、elmo export --to web）。",
    ],
    failed_damaged: [
      "The model {file} is damaged or cut off: copy it again, or make it again (make book, elmo export --to web).",
      "模型文件{file}已损坏或不完整：请重新复制，或重新生成（make book、elmo export --to web）。",
    ],
    failed_other: ["The page can't go on: {reason}. Load it again.", "页面出错：{reason}。请刷新。"],
    empty: ["Type a sentence, or choose an example.", "请输入一句话，或选一个例子。"],
    cut_off: ["Only the first {count} words are read.", "只读前{count}个词。"],
    words: ["Words of the sentence", "句子里的词"],
    boundaries: ["Move word boundaries", "调整分词"],
    boundaries_done: ["Done", "完成"],
    boundaries_help: ["Click between two characters to cut or to join.", "点击两个字之间，可切开或合并。"],
    cut_here: ["Cut after {before}", "在{before}后切开"],
    join_here: ["Join {before} and {after}", "合并{before}和{after}"],
    unknown: ["not in the vocabulary: read as an unknown word", "不在词表中，按未知词读入"],
    views: ["What to look at", "看什么"],
    view_guesses: ["Two readers guess", "两个读者猜词"],
    view_senses: ["Which sense?", "哪个意思？"],
    view_substitutes: ["What else fits", "还能填什么"],
    view_inside: ["Inside", "内部"],
    view_compare: ["Compare", "比较"],
    guess_intro: [
      "ELMo is two readers. Neither has seen the word that you point at: what would they put there?",
      "ELMo是两个读者，都没看见你指的词：它们会在那里填什么？",
    ],
    left: ["From the left", "从左读"],
    right: ["From the right", "从右读"],
    both: ["Both together", "合在一起"],
    left_knows: ["has read only what stands before", "只读过前文"],
    right_knows: ["has read only what stands behind, backwards", "只倒着读过后文"],
    both_knows: ["the product of the two, divided by the word's frequency: a guess for the gap", "两者概率之积，再除以词频：填空的答案"],
    own_rank: ["{word} is guess {rank} of {count} ({share})", "{word}排第{rank}（共{count}个词，{share}）"],
    own_unknown: ["{word} is not in the vocabulary, so it has no rank", "{word}不在词表中，没有名次"],
    special_bos: ["start", "句首"],
    special_eos: ["end", "句末"],
    special_unk: ["a rare word", "生僻词"],
    no_senses: ["This sentence holds none of the words whose senses are marked. Try one of them:", "句中没有标注过词义的词。试试："],
    senses_none: ["This page comes without marked sentences.", "本页没有标注词义的句子。"],
    senses_intro: [
      "Each dot is a sentence of ours in which somebody has marked the sense of {word}. The star is your sentence: it goes where the gap that {word} leaves sounds like theirs.",
      "每个点是一个例句，其中“{word}”的意思由人标注。星号是你的句子：空出“{word}”之后，上下文像谁，就靠近谁。",
    ],
    map_text: [
      "Map of {count} marked sentences with {word}. Yours is among: {nearest}.",
      "{count}个含“{word}”的标注例句的地图。你的句子附近是：{nearest}。",
    ],
    yours: ["your sentence", "你的句子"],
    sure: ["How sure, by layer", "各层有多确定"],
    sure_text: ["Shares of the senses among the five nearest marked sentences", "最近的五个标注例句中各义项的比例"],
    layer: ["Layer {layer}", "第{layer}层"],
    layer_words: ["Layer 0 (the words beside it)", "第0层（左右邻词）"],
    layer_static: ["Layer 0 (the word alone)", "第0层（词本身）"],
    mixed: ["The mix below", "下面的混合"],
    mix: ["Mix the layers", "混合各层"],
    mix_text: ["A task weighs the layers. Move the weights, and the map moves.", "任务会给各层加权。移动权重，地图随之变化。"],
    nearest: ["Nearest marked sentences", "最近的标注例句"],
    all_sentences: ["All marked sentences as a list", "全部标注例句（列表）"],
    static_title: ["word2vec", "word2vec"],
    static_text: [
      "One dot, whatever you type: word2vec has one vector for {word}. Its neighbours: {neighbours}.",
      "无论输入什么，只有一个点：word2vec给“{word}”一个向量。它的近邻：{neighbours}。",
    ],
    substitutes_intro: [
      "Under each word, what could stand in its place. Layer 0 knows the word and no sentence; the layers above know the sentence, too.",
      "每个词下面是可以替换它的词。第0层只认得这个词，不看句子；上面各层也看句子。",
    ],
    inside_intro: [
      "The reader from the left has {hidden} memory cells in each layer. Follow one of them, word by word.",
      "从左读的读者每层有{hidden}个记忆单元。逐词跟踪其中一个。",
    ],
    quotation: ["The quotation-mark cell", "引号单元"],
    quotation_text: [
      "Layer {layer}, cell {unit}: its value goes with “between quotation marks” (correlation {correlation} over our sentences with quotations).",
      "第{layer}层第{unit}个单元：它的值与“在引号内”相关（在我们带引号的句子上，相关系数{correlation}）。",
    ],
    quotation_none: ["This sentence has no quotation marks “ ”.", "本句没有引号“ ”。"],
    quotation_try: ["Read one with quotation marks", "读一句带引号的"],
    cell_number: ["Cell", "单元"],
    step: ["Word", "词"],
    step_back: ["One word back", "退一个词"],
    step_on: ["One word on", "进一个词"],
    step_all: ["All words", "全部"],
    input_gate: ["Input gate", "输入门"],
    forget_gate: ["Forget gate", "遗忘门"],
    output_gate: ["Output gate", "输出门"],
    candidate: ["Candidate", "候选值"],
    cell: ["Cell", "单元值"],
    compare_intro: [
      "A word that both sentences share: how alike are its two vectors? 1 is the same.",
      "两句共有的词：两个向量有多像？1表示相同。",
    ],
    second: ["Second sentence", "第二句"],
    shared: ["Shared word", "共有的词"],
    nothing_shared: ["The two sentences share no word.", "两句没有共同的词。"],
    own_vector: ["The word's vector", "词的向量"],
    hole_vector: ["Its gap", "它的空位"],
    more: ["More on the page “ELMo live”", "更多见“ELMo live”一页"],
  };

  live.languages = ["en", "zh"];

  live.label = function (language, key, values = {}) {
    const text = TABLE[key][language === "zh" ? 1 : 0];
    return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
  };

  // Sentences to begin with; those of one word stand together, and are what the comparison begins with.
  live.examples = [
    ["我买了1斤苹果。", "我新买了1个苹果X。"],
    ["奶奶用小米熬了一锅粥。", "小米发布了新手机。"],
    ["他每天打篮球。", "妈妈给我打电话。"],
    ["这个词是什么意思？", "这部电影真没意思。"],
  ];
  live.quotation = "老师说：“苹果熟了。”我们都笑了。";
})(elmoLive);
