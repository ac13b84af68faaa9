// Every text of the page, in English and Chinese; {name} is filled in.
var elmoLive = elmoLive || {};

((live) => {
  const TABLE = {
    sentence: ["Your sentence", "你的句子"],
    placeholder: ["Type a Chinese sentence", "输入一句中文"],
    examples: ["Or one of these:", "或者试试："],
    language: ["中文", "English"],
    loading: ["Loading the model …", "正在读取模型……"],
    touch: ["Type a sentence or choose a word. The model loads then.", "输入句子或点一个词，模型随即载入。"],
    failed_missing: [
      "The model {file} can't be read. Copy the whole folder of pages, or make it again (make book, elmo export --to web).",
      "模型文件{file}无法读取：请复制整个网页文件夹，或重新生成（make book、elmo export --to web）。",
    ],
    failed_damaged: [
      "The model {file} is damaged or cut off. Copy it again, or make it again (make book, elmo export --to web).",
      "模型文件{file}已损坏或不完整：请重新复制，或重新生成（make book、elmo export --to web）。",
    ],
    failed_other: ["The page has stopped: {reason}. Please reload it.", "页面出错：{reason}。请刷新。"],
    empty: ["Type a sentence, or choose an example.", "请输入一句话，或选一个例子。"],
    cut_off: ["The page reads only the first {count} words.", "只读前{count}个词。"],
    words: ["Words of the sentence", "句子里的词"],
    boundaries: ["Move word boundaries", "调整分词"],
    boundaries_done: ["Done", "完成"],
    boundaries_help: ["Click between two characters to split or join them.", "点击两个字之间，可切开或合并。"],
    cut_here: ["Cut after {before}", "在{before}后切开"],
    join_here: ["Join {before} and {after}", "合并{before}和{after}"],
    unknown: ["Not in the vocabulary. The model reads it as an unknown word.", "不在词表中，按未知词读入"],
    views: ["What to look at", "看什么"],
    view_guesses: ["Two models guess", "两个模型猜词"],
    view_senses: ["Which sense?", "哪个意思？"],
    view_substitutes: ["What else fits", "还能填什么"],
    view_inside: ["Inside", "内部"],
    view_compare: ["Compare", "比较"],
    guess_intro: [
      "ELMo is two language models. Neither of them has read the chosen word. Which words do they expect there?",
      "ELMo是两个语言模型，都没有读过选中的词。它们期待那里是什么词？",
    ],
    left: ["From the left", "从左读"],
    right: ["From the right", "从右读"],
    both: ["Both together", "合在一起"],
    left_knows: ["has read only the words before it", "只读过前文"],
    right_knows: ["has read only the words after it, from the end", "只从句末倒着读过后文"],
    both_knows: ["expected words: those that both models expect more often than usual", "期待的词：两个模型都比平常更期待"],
    own_rank: ["{word} has rank {rank} of {count} ({share})", "{word}排第{rank}（共{count}个词，{share}）"],
    own_unknown: ["{word} is not in the vocabulary and has no rank", "{word}不在词表中，没有名次"],
    special_bos: ["start", "句首"],
    special_eos: ["end", "句末"],
    special_unk: ["a rare word", "生僻词"],
    no_senses: ["This sentence has no word whose senses are marked. Choose one of these words:", "句中没有标注过词义的词。试试："],
    senses_none: ["This page has no marked sentences.", "本页没有标注词义的句子。"],
    senses_intro: [
      "Each dot is one of our sentences, in which a person has marked the sense of {word}. The star is your sentence. It is near the sentences in which the models expect similar words in the place of {word}.",
      "每个点是一个例句，其中“{word}”的意思由人标注。星号是你的句子：在“{word}”的位置上，模型期待的词和哪些例句相似，它就靠近哪些例句。",
    ],
    map_text: [
      "Map of {count} marked sentences with {word}. The senses of those nearest to yours: {nearest}.",
      "{count}个含“{word}”的标注例句的地图。离你的句子最近的例句的义项：{nearest}。",
    ],
    yours: ["your sentence", "你的句子"],
    sure: ["How certain is the sense?", "有多确定？"],
    sure_text: ["Share of each sense among the five nearest marked sentences", "最近的五个标注例句中各义项的比例"],
    layer: ["Layer {layer}", "第{layer}层"],
    layer_words: ["Layer 0 (the two neighbours)", "第0层（左右邻词）"],
    layer_static: ["Layer 0 (the word alone)", "第0层（词本身）"],
    expected: ["Expected words", "期待的词"],
    expected_here: ["Expected words in the place of {word}: {words}.", "“{word}”的位置上，期待的词：{words}。"],
    mixed: ["Your mix", "你的混合"],
    mix: ["Mix in the layers", "混入各层"],
    mix_text: [
      "The map and the nearest sentences use the expected words. Move the sliders to mix in the layers, as a task does with its weights.",
      "地图和最近的例句用的是期待的词。移动滑块可以混入各层，就像任务给各层加权。",
    ],
    nearest: ["Nearest marked sentences", "最近的标注例句"],
    all_sentences: ["All marked sentences as a list", "全部标注例句（列表）"],
    static_title: ["word2vec", "word2vec"],
    static_text: [
      "One vector for {word}, so one dot for every sentence. Its nearest words: {neighbours}.",
      "“{word}”只有一个向量，所以无论什么句子都只有一个点。它的近邻：{neighbours}。",
    ],
    substitutes_intro: [
      "Under each word are words that could replace it. Layer 0 knows only the word. The layers above also know the sentence.",
      "每个词下面是可以替换它的词。第0层只认得这个词，不看句子；上面各层也看句子。",
    ],
    inside_intro: [
      "The model that reads from the left has {hidden} memory cells in each layer. Follow one of them, word by word.",
      "从左读的模型每层有{hidden}个记忆单元。逐词跟踪其中一个。",
    ],
    quotation: ["The quotation-mark cell", "引号单元"],
    quotation_text: [
      "Layer {layer}, cell {unit}: its value is correlated with “between quotation marks” (correlation {correlation} over our sentences with quotations).",
      "第{layer}层第{unit}个单元：它的值与“在引号内”相关（在我们带引号的句子上，相关系数{correlation}）。",
    ],
    quotation_none: ["This sentence has no quotation marks “ ”.", "本句没有引号“ ”。"],
    quotation_try: ["Read a sentence with quotation marks", "读一句带引号的"],
    cell_number: ["Cell", "单元"],
    step: ["Word", "词"],
    step_back: ["One word back", "退一个词"],
    step_on: ["One word forward", "进一个词"],
    step_all: ["All words", "全部"],
    input_gate: ["Input gate", "输入门"],
    forget_gate: ["Forget gate", "遗忘门"],
    output_gate: ["Output gate", "输出门"],
    candidate: ["Candidate", "候选值"],
    cell: ["Cell", "单元值"],
    compare_intro: [
      "How similar are the two vectors of a word that both sentences share? 1 means the same direction.",
      "两句共有的词：两个向量有多像？1表示方向相同。",
    ],
    second: ["Second sentence", "第二句"],
    shared: ["Word in both", "共有的词"],
    nothing_shared: ["The two sentences have no word in common.", "两句没有共同的词。"],
    own_vector: ["After the word is read", "读过该词之后"],
    hole_vector: ["Before the word is read", "读该词之前"],
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
    ["他背着包袱进城。", "这个包袱把观众逗笑了。"],
    ["演员在后台化妆。", "网站的后台出了问题。"],
  ];
  live.quotation = "老师说：“苹果熟了。”我们都笑了。";
})(elmoLive);
