package insight

// blockRows is how many rows of features are in memory at once.
const blockRows = 4096

// fitLong fits a history of more than manyRows projects. The columns are prepared
// once for all folds; each fold is then a sum of moments, taken away from those
// of the whole.
func (p *Predictor) fitLong(z []float64, count, workers int) (pair, []held, error) {
	sample, target := p.sample()
	draft, err := fitRidge(sample, p.measure.all(target.Values), nil)
	if err != nil {
		return pair{}, nil, err
	}
	e := newEncoder(p.history, z, codedColumns(sample, draft.errors), mostFeatures)

	bounds := foldBounds(len(z), count)
	sums := make([]*moments, count)
	inParallel(workers, count, func(k int) {
		sums[k] = newMoments(len(e.features))
		for from := bounds[k]; from < bounds[k+1]; from += blockRows {
			to := min(from+blockRows, bounds[k+1])
			sums[k].add(e.matrix(p.history, from, to), z[from:to])
		}
	})
	all := newMoments(len(e.features))
	for _, s := range sums {
		all.plus(s, 1)
	}

	parts := make([]held, count)
	var whole pair
	var wholeErr error
	inParallel(workers, count+1, func(k int) {
		if k == count {
			whole, wholeErr = fitMoments(e, all)
			return
		}
		rest := newMoments(len(e.features))
		rest.plus(all, 1)
		rest.plus(sums[k], -1)
		h := &parts[k]
		if h.pair, h.err = fitMoments(e, rest); h.err != nil {
			return
		}
		for from := bounds[k]; from < bounds[k+1]; from += blockRows {
			h.predict(p.history, z, from, min(from+blockRows, bounds[k+1]))
		}
	})
	return whole, parts, firstError(wholeErr, parts)
}

func fitMoments(e *encoder, m *moments) (pair, error) {
	c := m.centred()
	r, ok := newRidge(c)
	if !ok {
		return pair{}, wrong("", "the inputs cannot be decomposed")
	}
	return pair{encoder: e, ridge: r.model(r.generalised()), sparse: relevance(c)}, nil
}
