// What the readers expect at a place: the softmax over all words, of each reader alone and of both together.
elmoEngine.push(function (elmo) {
  // Probabilities [words] for each of up to four states.
  function probabilities(model, states) {
    const { kernel, work, config } = model;
    const { floats, rows, size } = model.matrices.softmax, bias = model.vectors.softmaxBias;
    work.states.fill(0);
    states.forEach((state, index) => work.states.set(state, index * size));
    kernel.four(floats, rows, size, work.states, work.results);
    return states.map((_, index) => {
      const scores = work.results.subarray(index * rows, index * rows + config.words);
      let most = -Infinity, sum = 0;
      for (let word = 0; word < scores.length; word++) {
        scores[word] += bias[word];
        if (scores[word] > most) most = scores[word];
      }
      const shares = new Float32Array(scores.length);
      for (let word = 0; word < scores.length; word++) sum += shares[word] = Math.exp(scores[word] - most);
      return scale(shares, 1 / sum);
    });
  }

  function scale(shares, factor) {
    for (let word = 0; word < shares.length; word++) shares[word] *= factor;
    return shares;
  }

  // Places of the `count` greatest scores, greatest first.
  elmo.greatest = function (scores, count) {
    const best = [];
    for (let index = 0; index < scores.length; index++) {
      const score = scores[index];
      if (best.length === count && !(score > scores[best[count - 1]])) continue;
      let at = best.length;
      while (at > 0 && score > scores[best[at - 1]]) at--;
      best.splice(at, 0, index);
      if (best.length > count) best.pop();
    }
    return best;
  };

  function rankOf(scores, id) {
    const own = scores[id];
    let rank = 1;
    for (let index = 0; index < scores.length; index++) if (scores[index] > own) rank++;
    return rank;
  }

  // Both readers together: P(word | left) P(word | right) / P(word), of words alone, made to sum to one. Each reader has
  // counted how frequent the word is, and once is enough; by Zipf's law it is one divided by the word's rank.
  function together(model, left, right) {
    const shares = new Float32Array(left.length);
    let sum = 0;
    for (let word = 0; word < left.length; word++) shares[word] = left[word] * right[word] * (word + 1);
    for (const name of ["bos", "eos", "unk"]) shares[model.config[name]] = 0;
    for (let word = 0; word < shares.length; word++) sum += shares[word];
    return scale(shares, 1 / (sum || 1));
  }

  function list(model, shares, id, count) {
    const known = id !== model.config.unk;
    return {
      top: elmo.greatest(shares, count).map((word) => ({ word: model.words[word], share: shares[word] })),
      rank: known ? rankOf(shares, id) : null,
      share: known ? shares[id] : null,
    };
  }

  // [left, right] for each of one or two gaps, {place, layer}.
  function expectations(model, reading, gaps) {
    const states = gaps.flatMap(({ place, layer }) =>
      ["forward", "backward"].map((direction) => elmo.state(reading, direction, layer, place, true)),
    );
    const found = probabilities(model, states);
    return gaps.map((_, index) => found.slice(2 * index, 2 * index + 2));
  }

  // For the words at one or two places: {left, right, both}, each the ten likeliest, and the word's own rank and share.
  elmo.guesses = function (model, reading, places, count = 10) {
    const gaps = places.map((place) => ({ place, layer: model.config.layers }));
    return expectations(model, reading, gaps).map(([left, right], index) => {
      const id = reading.ids[places[index]], both = together(model, left, right);
      return {
        left: list(model, left, id, count),
        right: list(model, right, id, count),
        both: list(model, both, id, count),
      };
    });
  };

  // What could stand in the word's place, best first, by layer. Layer 0 knows no sentence: the words nearest to the
  // word's own vector. Above, a word has to fit the gap and to resemble the word.
  const LIKENESS = 8; // how many nats a cosine of 1 is worth

  elmo.substitutes = function (model, reading, place, count = 4) {
    const id = reading.ids[place], { config } = model;
    const own = id === config.unk ? new Float32Array(config.words) : cosines(model, id);
    const pick = (scores) => {
      for (const other of [config.bos, config.eos, config.unk, id]) scores[other] = -Infinity;
      return elmo.greatest(scores, count).map((word) => model.words[word]);
    };
    const rows = [id === config.unk ? [] : pick(Float32Array.from(own))];
    const gaps = Array.from({ length: config.layers }, (_, index) => ({ place, layer: index + 1 }));
    for (let first = 0; first < gaps.length; first += 2) {
      for (const [left, right] of expectations(model, reading, gaps.slice(first, first + 2))) {
        const fit = together(model, left, right);
        for (let word = 0; word < fit.length; word++) fit[word] = Math.log(fit[word]) + LIKENESS * own[word];
        rows.push(pick(fit));
      }
    }
    return rows;
  };

  function cosines(model, id) {
    const { floats, size } = model.matrices.embedding, { config, kernel, work } = model;
    if (!model.lengths) {
      model.lengths = new Float32Array(config.words);
      for (let word = 0; word < config.words; word++) {
        let sum = 0;
        for (let k = word * size; k < (word + 1) * size; k++) sum += floats[k] * floats[k];
        model.lengths[word] = Math.sqrt(sum) || 1;
      }
    }
    work.states.fill(0);
    work.states.set(floats.subarray(id * size, (id + 1) * size));
    kernel.one(floats, elmo.padded(config.words), size, work.states, work.results);
    const found = new Float32Array(config.words), { lengths } = model;
    for (let word = 0; word < config.words; word++) found[word] = work.results[word] / (lengths[id] * lengths[word]);
    return found;
  }

  elmo.cosine = function (first, second) {
    let dot = 0, a = 0, b = 0;
    for (let k = 0; k < first.length; k++) {
      dot += first[k] * second[k];
      a += first[k] * first[k];
      b += second[k] * second[k];
    }
    return dot / (Math.sqrt(a * b) || 1);
  };
});
