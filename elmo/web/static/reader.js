// The two readers: LSTMs with projection, each over the sentence in its own direction, with all gates and cells.
//
//   a, i, f, o = split(x W_x + h W_h + b)
//   c' = clip(sigmoid(f) c + sigmoid(i) tanh(a))
//   h' = clip((sigmoid(o) tanh(c')) W_p), and from layer 2 on the layer's input is added to what it gives out
elmoEngine.push(function (elmo) {
  const sigmoid = (x) => 1 / (1 + Math.exp(-x));
  const clip = (x, limit) => (limit === null ? x : Math.max(-limit, Math.min(limit, x)));

  // inputs [time * size] times a matrix, plus a bias: [time * rows]
  function project(model, matrix, inputs, time, bias) {
    const { kernel, work } = model;
    const { rows, size } = matrix;
    const outputs = new Float32Array(time * rows);
    for (let step = 0; step < time; step += 4) {
      const count = Math.min(4, time - step);
      work.states.fill(0);
      work.states.set(inputs.subarray(step * size, (step + count) * size));
      kernel.four(matrix.floats, rows, size, work.states, work.results);
      outputs.set(work.results.subarray(0, count * rows), step * rows);
    }
    for (let step = 0; step < time; step++) for (let r = 0; r < bias.length; r++) outputs[step * rows + r] += bias[r];
    return outputs;
  }

  // One layer over inputs [time * size]: outputs [time * size], gates [time * 4 * hidden] as candidate, input, forget,
  // output after their squashing, and cells [time * hidden].
  function readLayer(model, name, inputs, time) {
    const { kernel, work, config, matrices, vectors } = model;
    const hidden = config.hidden, size = elmo.padded(config.embed);
    const recurrent = matrices[`${name}.recurrent`], projection = matrices[`${name}.projection`];
    const gates = project(model, matrices[`${name}.input`], inputs, time, vectors[`${name}.bias`]);
    const cells = new Float32Array(time * hidden), outputs = new Float32Array(time * size);
    work.states.fill(0);
    for (let step = 0; step < time; step++) {
      kernel.one(recurrent.floats, recurrent.rows, size, work.states, work.gates);
      const here = step * 4 * hidden, now = step * hidden;
      for (let unit = 0; unit < hidden; unit++) {
        const [i, f, o] = [here + hidden + unit, here + 2 * hidden + unit, here + 3 * hidden + unit];
        const candidate = Math.tanh(gates[here + unit] + work.gates[unit]);
        const input = sigmoid(gates[i] + work.gates[hidden + unit]);
        const forget = sigmoid(gates[f] + work.gates[2 * hidden + unit]);
        const output = sigmoid(gates[o] + work.gates[3 * hidden + unit]);
        const before = step ? cells[now - hidden + unit] : 0;
        const cell = clip(forget * before + input * candidate, config.cellClip);
        cells[now + unit] = cell;
        work.output[unit] = output * Math.tanh(cell);
        gates[here + unit] = candidate;
        gates[i] = input;
        gates[f] = forget;
        gates[o] = output;
      }
      kernel.one(projection.floats, projection.rows, projection.size, work.output, work.results);
      for (let k = 0; k < size; k++) work.states[k] = clip(work.results[k], config.projClip);
      outputs.set(work.states.subarray(0, size), step * size);
    }
    return { outputs, gates, cells };
  }

  // A generator, so that a page without a worker can breathe between layers.
  elmo.read = function* (model, words) {
    const { config } = model;
    const size = elmo.padded(config.embed), time = words.length + 1;
    const ids = elmo.idsOf(model, words);
    const reading = { words, ids, time, size };
    for (const [direction, first, order] of [
      ["forward", config.bos, ids],
      ["backward", config.eos, [...ids].reverse()],
    ]) {
      const inputs = new Float32Array(time * size), { floats } = model.matrices.embedding;
      [first, ...order].forEach((id, step) => inputs.set(floats.subarray(id * size, (id + 1) * size), step * size));
      const layers = [{ outputs: inputs }];
      for (let layer = 0; layer < config.layers; layer++) {
        const below = layers[layer].outputs;
        const read = readLayer(model, `${direction}.${layer}`, below, time);
        if (layer > 0 && config.skip) for (let k = 0; k < below.length; k++) read.outputs[k] += below[k];
        layers.push(read);
        yield;
      }
      reading[direction] = layers;
    }
    return reading;
  };

  // What a layer of a direction gave out just before it read the word at a place ("hole"), or just after ("own").
  elmo.state = function (reading, direction, layer, place, hole) {
    const order = direction === "forward" ? place : reading.words.length - 1 - place;
    const step = order + (hole ? 0 : 1);
    return reading[direction][layer].outputs.subarray(step * reading.size, (step + 1) * reading.size);
  };

  // Both directions' numbers beside each other, as `Encoder.encode` gives them: [2 * embed].
  elmo.vector = function (model, reading, layer, place, hole) {
    const embed = model.config.embed, vector = new Float32Array(2 * embed);
    vector.set(elmo.state(reading, "forward", layer, place, hole).subarray(0, embed));
    vector.set(elmo.state(reading, "backward", layer, place, hole).subarray(0, embed), embed);
    return vector;
  };
});
