// Which sense? A word's gap among those of sentences whose sense is marked: by layer, and in a mix of the layers.
elmoEngine.push(function (elmo) {
  const NEIGHBOURS = 5;

  // Vectors of the marked sentences, less the word's mean: [sentence][layer] -> [2 * embed].
  function marked(model, word) {
    const entry = model.senses[word];
    if (!entry.vectors) {
      const layers = model.config.layers + 1, size = 2 * model.config.embed;
      const { values, scales } = model.vectors.senseVectors;
      entry.vectors = entry.sentences.map((_, sentence) =>
        Array.from({ length: layers }, (_, layer) => {
          const row = (entry.first + sentence) * layers + layer;
          return Float32Array.from(values.subarray(row * size, (row + 1) * size), (value) => value * scales[row]);
        }),
      );
      const means = model.vectors.senseMeans, axes = model.vectors.senseAxes;
      entry.means = Array.from({ length: layers }, (_, layer) => {
        const row = entry.number * layers + layer;
        return means.subarray(row * size, (row + 1) * size);
      });
      entry.axes = [0, 1].map((axis) => axes.subarray((2 * entry.number + axis) * size, (2 * entry.number + axis + 1) * size));
      entry.points = entry.vectors.map((byLayer) => byLayer.map((vector) => onMap(entry, vector)));
    }
    return entry;
  }

  const dot = (first, second) => first.reduce((sum, value, k) => sum + value * second[k], 0);
  const onMap = (entry, vector) => entry.axes.map((axis) => dot(axis, vector));

  // sum_j shares[j] * vectors[j]: the scalar mix.
  elmo.mix = function (vectors, shares) {
    return vectors[0].map((_, k) => vectors.reduce((sum, vector, layer) => sum + shares[layer] * vector[k], 0));
  };

  function vote(entry, byLayer, own, passedOver, combine) {
    const target = combine(own);
    const cosines = byLayer.map((vectors, index) => (passedOver(index) ? -Infinity : elmo.cosine(target, combine(vectors))));
    const nearest = elmo.greatest(cosines, NEIGHBOURS).filter((index) => cosines[index] > -Infinity);
    const shares = {};
    for (const index of nearest) {
      const { sense } = entry.sentences[index];
      shares[sense] = (shares[sense] || 0) + 1 / nearest.length;
    }
    return { nearest: nearest.map((index) => ({ index, cosine: cosines[index] })), shares };
  }

  // {points [sentence][axis], own [axis], layers: the vote of each layer alone, mixed: that of the mix}
  elmo.senses = function (model, reading, place, shares) {
    const word = reading.words[place], entry = marked(model, word);
    const text = reading.words.join("");
    const passedOver = (index) => entry.sentences[index].text.replace(/\s/g, "") === text; // the sentence itself
    const own = entry.means.map((mean, layer) =>
      elmo.vector(model, reading, layer, place, true).map((value, k) => value - mean[k]),
    );
    const mix = (vectors) => elmo.mix(vectors, shares);
    return {
      word,
      points: entry.points.map(mix),
      own: mix(own.map((vector) => onMap(entry, vector))),
      layers: own.map((_, layer) => vote(entry, entry.vectors, own, passedOver, (vectors) => vectors[layer])),
      mixed: vote(entry, entry.vectors, own, passedOver, mix),
    };
  };
});
