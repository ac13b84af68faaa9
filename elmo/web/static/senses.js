// Which sense? A word's vectors in a sentence, compared with those in sentences whose sense is marked. There is a row
// for each layer, the state before the word is read, then a row for the words that both readers expect there, and a mix.
elmoEngine.push(function (elmo) {
  const NEIGHBOURS = 5, WORDS = 8;

  // A row's vector with room for every row, so that a mix is a sum: layers share their room, the last row has its own.
  function placed({ embed, layers }, row, vector) {
    const room = new Float32Array(3 * embed);
    room.set(vector, row > layers ? 2 * embed : 0);
    return room;
  }

  // Vectors of the marked sentences, less the word's mean: [sentence][row].
  function marked(model, word) {
    const entry = model.senses[word];
    if (!entry.vectors) {
      const { config, vectors } = model, { embed } = config, layers = config.layers + 1;
      const unpack = ({ values, scales, size }, row) =>
        Float32Array.from(values.subarray(row * size, (row + 1) * size), (value) => value * scales[row]);
      const byRow = (layer, expected) => [...Array.from({ length: layers }, (_, row) => layer(row)), expected];
      const part = (array, size, number) => array.subarray(number * size, (number + 1) * size);
      entry.vectors = entry.sentences.map((_, sentence) => {
        const place = entry.first + sentence;
        const ofLayer = (layer) => unpack(vectors.senseVectors, place * layers + layer);
        const rows = byRow(ofLayer, unpack(vectors.senseExpected, place));
        return rows.map((vector, row) => placed(config, row, vector));
      });
      entry.means = byRow(
        (layer) => part(vectors.senseMeans, 2 * embed, entry.number * layers + layer),
        part(vectors.senseExpectedMeans, embed, entry.number),
      );
      entry.axes = [0, 1].map((axis) => part(vectors.senseAxes, 3 * embed, 2 * entry.number + axis));
      entry.points = entry.vectors.map((rows) => rows.map((vector) => onMap(entry, vector)));
    }
    return entry;
  }

  const dot = (first, second) => first.reduce((sum, value, k) => sum + value * second[k], 0);
  const onMap = (entry, vector) => entry.axes.map((axis) => dot(axis, vector));

  // The reader's own vectors, in the same way: [row].
  function ownRows(model, reading, place, entry, expected) {
    return entry.means.map((mean, row) => {
      const isLayer = row <= model.config.layers, stretch = isLayer ? 1 : entry.stretch;
      const vector = isLayer ? elmo.vector(model, reading, row, place, true) : expected;
      return placed(model.config, row, vector.map((value, k) => stretch * (value - mean[k])));
    });
  }

  // sum_j shares[j] * vectors[j]: the scalar mix.
  elmo.mix = function (vectors, shares) {
    return vectors[0].map((_, k) => vectors.reduce((sum, vector, row) => sum + shares[row] * vector[k], 0));
  };

  function vote(entry, own, passedOver, combine) {
    const target = combine(own);
    const likeness = (rows, index) => (passedOver(index) ? -Infinity : elmo.cosine(target, combine(rows)));
    const cosines = entry.vectors.map(likeness);
    const nearest = elmo.greatest(cosines, NEIGHBOURS).filter((index) => cosines[index] > -Infinity);
    const shares = {};
    for (const index of nearest) {
      const { sense } = entry.sentences[index];
      shares[sense] = (shares[sense] || 0) + 1 / nearest.length;
    }
    return { nearest: nearest.map((index) => ({ index, cosine: cosines[index] })), shares };
  }

  // {points [sentence][axis], own [axis], rows: the vote of each row alone, mixed: that of the mix, expected: the words
  // that the last row is made of, the first few}
  elmo.senses = function (model, reading, place, shares) {
    const word = reading.words[place], entry = marked(model, word);
    const text = reading.words.join("");
    const passedOver = (index) => entry.sentences[index].text.replace(/\s/g, "") === text; // the sentence itself
    const { weights, vector } = elmo.expected(model, reading, place);
    const own = ownRows(model, reading, place, entry, vector);
    const mix = (vectors) => elmo.mix(vectors, shares);
    return {
      word,
      points: entry.points.map(mix),
      own: mix(own.map((each) => onMap(entry, each))),
      rows: own.map((_, row) => vote(entry, own, passedOver, (vectors) => vectors[row])),
      mixed: vote(entry, own, passedOver, mix),
      expected: elmo.greatest(weights, WORDS).map((id) => model.words[id]),
    };
  };
});
