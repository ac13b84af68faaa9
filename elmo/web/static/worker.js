// What the page asks of the engine, by name; in a worker, or on the page itself where there are none.
elmoEngine.push(function (elmo) {
  const KEPT = 4; // sentences whose reading is remembered
  let model = null;
  const readings = new Map();

  function* readingOf(words) {
    const key = words.join("\n");
    if (!readings.has(key)) {
      readings.set(key, yield* elmo.read(model, words));
      if (readings.size > KEPT) readings.delete(readings.keys().next().value);
    }
    return readings.get(key);
  }

  const handlers = {
    *load({ source, withoutSimd }) {
      model = elmo.readModel(source, withoutSimd);
      const { config, senses, cell, words } = model;
      const special = { bos: words[config.bos], eos: words[config.eos], unk: words[config.unk] };
      return { config, senses, cell, special, simd: model.kernel.simd };
    },
    *cut({ text }) {
      const words = elmo.cut(model, text);
      return { words, known: words.map((word) => model.ids.has(word)) };
    },
    *know({ words }) {
      return { words, known: words.map((word) => model.ids.has(word)) };
    },
    *guesses({ words, place }) {
      return elmo.guesses(model, yield* readingOf(words), [place])[0];
    },
    *allGuesses({ words }) {
      const reading = yield* readingOf(words), all = [];
      for (let place = 0; place < words.length; place += 2) {
        const places = place + 1 < words.length ? [place, place + 1] : [place];
        all.push(...elmo.guesses(model, reading, places));
        yield;
      }
      return all;
    },
    *substitutes({ words }) {
      const reading = yield* readingOf(words), all = [];
      for (let place = 0; place < words.length; place++) {
        all.push(elmo.substitutes(model, reading, place));
        yield;
      }
      return all;
    },
    *senses({ words, place, shares }) {
      return elmo.senses(model, yield* readingOf(words), place, shares);
    },
    // Gates and cell of one unit of the forward reader, step by step; step 0 reads the sentence's beginning.
    *inside({ words, layer, unit }) {
      const reading = yield* readingOf(words), { gates, cells } = reading.forward[layer];
      const hidden = model.config.hidden;
      return Array.from({ length: reading.time }, (_, step) => {
        const gate = (number) => gates[(4 * step + number) * hidden + unit];
        return { candidate: gate(0), input: gate(1), forget: gate(2), output: gate(3), cell: cells[step * hidden + unit] };
      });
    },
    // Cosines by layer of a word's vectors in two sentences: once the readers have read it, and before.
    *compare({ first, second }) {
      const readings = [yield* readingOf(first.words), yield* readingOf(second.words)];
      const cosines = (hole) =>
        Array.from({ length: model.config.layers + 1 }, (_, layer) => {
          const vectors = [first, second].map(({ place }, side) => elmo.vector(model, readings[side], layer, place, hole));
          return elmo.cosine(...vectors);
        });
      return { own: cosines(false), hole: cosines(true) };
    },
    // All layers of a sentence, [layer][word] -> [2 * embed]: what tests compare with `Encoder.encode`.
    *layers({ words, hole }) {
      const reading = yield* readingOf(words);
      return Array.from({ length: model.config.layers + 1 }, (_, layer) =>
        words.map((_, place) => elmo.vector(model, reading, layer, place, hole)),
      );
    },
    // Substitute vectors of all words, [word] -> [embed]: what tests compare with `Substitutes.encode`.
    *expected({ words }) {
      const reading = yield* readingOf(words);
      return words.map((_, place) => elmo.expected(model, reading, place).vector);
    },
  };

  elmo.answer = (name, request) => handlers[name](request);

  // Through to the end, for a worker.
  elmo.answerAtOnce = function (name, request) {
    const answering = elmo.answer(name, request);
    let step = answering.next();
    while (!step.done) step = answering.next();
    return step.value;
  };

  elmo.serve = function (scope) {
    scope.onmessage = ({ data: { number, name, request } }) => {
      try {
        scope.postMessage({ number, value: elmo.answerAtOnce(name, request) });
      } catch (error) {
        scope.postMessage({ number, error: error.message });
      }
    };
  };
});
