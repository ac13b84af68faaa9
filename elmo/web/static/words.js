// From a sentence to words: the likeliest cut, if every word stood alone with its frequency (Zipf's law by rank).
elmoEngine.push(function (elmo) {
  const LONGEST = 8; // characters of a word that is looked up
  const UNKNOWN = -25; // log-probability of a character that no word begins with
  const RUN = /[\p{Script=Latin}\p{N}]+(?:\.\p{N}+)?%?/uy; // one word, whatever the vocabulary has of it

  // Words of a text, without its white space. Surrogate pairs, combining marks and joined emoji are not torn apart.
  elmo.cut = function (model, text) {
    return text.split(/\s+/u).filter(Boolean).flatMap((piece) => cutPiece(model, piece));
  };

  function characters(text) {
    if (typeof Intl === "object" && Intl.Segmenter) {
      return Array.from(new Intl.Segmenter("zh", { granularity: "grapheme" }).segment(text), (part) => part.segment);
    }
    return Array.from(text);
  }
  elmo.characters = characters;

  function cutPiece(model, piece) {
    const units = unitsOf(piece);
    const best = new Float64Array(units.length + 1), ends = new Int32Array(units.length + 1);
    for (let begin = units.length - 1; begin >= 0; begin--) {
      best[begin] = UNKNOWN + best[begin + 1];
      ends[begin] = begin + 1;
      let word = "";
      for (let end = begin + 1; end <= Math.min(units.length, begin + LONGEST); end++) {
        word += units[end - 1];
        const id = model.ids.get(word);
        if (id === undefined || isSpecial(model, id)) continue;
        const score = best[end] - Math.log((id + 1) * Math.log(model.words.length));
        if (score > best[begin]) {
          best[begin] = score;
          ends[begin] = end;
        }
      }
    }
    const words = [];
    for (let begin = 0; begin < units.length; begin = ends[begin]) words.push(units.slice(begin, ends[begin]).join(""));
    return words;
  }

  const isSpecial = (model, id) => id === model.config.bos || id === model.config.eos || id === model.config.unk;
  elmo.isSpecial = isSpecial;

  function unitsOf(piece) {
    const units = [];
    for (let place = 0; place < piece.length; ) {
      RUN.lastIndex = place;
      const run = RUN.exec(piece);
      if (run) {
        units.push(run[0]);
        place += run[0].length;
        continue;
      }
      const next = piece.slice(place).search(/[\p{Script=Latin}\p{N}]/u);
      const stop = next < 0 ? piece.length : place + Math.max(next, 1);
      units.push(...characters(piece.slice(place, stop)));
      place = stop;
    }
    return units;
  }

  elmo.idsOf = (model, words) => words.map((word) => model.ids.get(word) ?? model.config.unk);
});
