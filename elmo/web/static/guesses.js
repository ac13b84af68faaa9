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

  // Both readers together, with the weights of `Substitutes` in elmo/encoding/substitutes.py: how many times more often
  // than usual they expect a word, in the geometric mean, sqrt(P(word | left) P(word | right)) / P(word), made to sum to
  // one. By Zipf's law P(word) is proportional to 1 / (rank + SHIFT); the vocabulary is ordered by frequency.
  const SHIFT = 2.7;

  function together(model, left, right) {
    const shares = new Float32Array(left.length);
    let sum = 0;
    for (let word = 0; word < left.length; word++) shares[word] = Math.sqrt(left[word] * right[word]) * (word + SHIFT);
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

  // {weights [words], vector [embed]} of what both readers expect at a place. The weights are those of `together`; the
  // vector is the mean by these weights of the words' vectors in the softmax, each scaled to length 1. It takes a pass
  // over all words, so it is remembered.
  elmo.expected = function (model, reading, place) {
    reading.expected = reading.expected || new Map();
    if (!reading.expected.has(place)) {
      const [[left, right]] = expectations(model, reading, [{ place, layer: model.config.layers }]);
      const weights = together(model, left, right);
      reading.expected.set(place, { weights, vector: meanDirection(model, weights) });
    }
    return reading.expected.get(place);
  };

  function meanDirection(model, weights) {
    const { softmax } = model.matrices, { floats, size } = softmax, lengths = lengthsOf(softmax, weights.length);
    const mean = new Float64Array(size);
    for (let word = 0; word < weights.length; word++) {
      const factor = weights[word] / lengths[word];
      for (let k = 0; k < size; k++) mean[k] += factor * floats[word * size + k];
    }
    return Float32Array.from(mean.subarray(0, model.config.embed));
  }

  // Lengths of a matrix's first rows, computed once; 1 for a row of zeros.
  function lengthsOf(matrix, count) {
    if (!matrix.lengths) {
      const { floats, size } = matrix;
      matrix.lengths = new Float32Array(count);
      for (let row = 0; row < count; row++) {
        let sum = 0;
        for (let k = row * size; k < (row + 1) * size; k++) sum += floats[k] * floats[k];
        matrix.lengths[row] = Math.sqrt(sum) || 1;
      }
    }
    return matrix.lengths;
  }

  // What could stand in the word's place, best first, by layer. Layer 0 knows no sentence: the words nearest to the
  // word's own vector. Above, a word has to fit the gap and to resemble the word.
  const LIKENESS = 8; // nats that a cosine of 1 adds

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
    const { embedding } = model.matrices, { floats, size } = embedding, { config, kernel, work } = model;
    const lengths = lengthsOf(embedding, config.words);
    work.states.fill(0);
    work.states.set(floats.subarray(id * size, (id + 1) * size));
    kernel.one(floats, elmo.padded(config.words), size, work.states, work.results);
    const found = new Float32Array(config.words);
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
