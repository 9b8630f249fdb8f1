package insight

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// Bounds of the search for relevance.
const (
	relevanceRounds  = 200
	relevanceSettled = 1e-3 // sum of the weights' changes, in standard deviations of the outcome
	irrelevant       = 1e4  // precision of a weight's prior from which its feature is out
)

// relevance fits a sparse linear model: a ridge with a penalty for each feature,
// found by maximising the evidence, so that features that say nothing fall out
// (automatic relevance determination: MacKay 1994; Tipping 2001, "Sparse Bayesian
// learning and the relevance vector machine"). The iteration is MacKay's: the
// precision of a weight's prior becomes γ/w², with γ = 1 − precision × posterior
// variance.
func relevance(c *centred) linear {
	weights := make([]float64, len(c.cross))
	variance := c.total / c.n
	if len(weights) == 0 || variance <= 0 {
		return c.model(weights)
	}
	deviation := math.Sqrt(variance)

	kept := make([]int, len(weights))
	precision := make([]float64, len(weights))
	for i := range kept {
		kept[i], precision[i] = i, 1
	}
	noise := 1.0 // precision of the residuals, on the standardised outcome
	for range relevanceRounds {
		posterior, ok := posteriorOf(c, kept, precision, noise)
		if !ok {
			break
		}
		mean := make([]float64, len(kept))
		for i := range kept {
			for k, at := range kept {
				mean[i] += noise * posterior.At(i, k) * c.cross[at] / deviation
			}
		}
		residual := c.total / variance
		for i, a := range kept {
			residual -= 2 * mean[i] * c.cross[a] / deviation
			for k, b := range kept {
				residual += mean[i] * c.gram.At(a, b) * mean[k]
			}
		}
		var change, determined float64
		remaining := kept[:0:0]
		for i, at := range kept {
			change += math.Abs(weights[at] - mean[i])
			weights[at] = mean[i]
			gamma := 1 - precision[at]*posterior.At(i, i)
			determined += gamma
			precision[at] = (gamma + 2e-6) / (mean[i]*mean[i] + 2e-6)
			if precision[at] < irrelevant {
				remaining = append(remaining, at)
			} else {
				weights[at] = 0
			}
		}
		noise = (c.n - determined + 2e-6) / (max(residual, 0) + 2e-6)
		kept = remaining
		if change < relevanceSettled || len(kept) == 0 {
			break
		}
	}
	for i := range weights {
		weights[i] *= deviation
	}
	return c.model(weights)
}

// posteriorOf returns the posterior covariance of the weights of the features
// kept.
func posteriorOf(c *centred, kept []int, precision []float64, noise float64) (*mat.SymDense, bool) {
	inner := mat.NewSymDense(len(kept), nil)
	for i, a := range kept {
		for k := i; k < len(kept); k++ {
			inner.SetSym(i, k, noise*c.gram.At(a, kept[k]))
		}
		inner.SetSym(i, i, inner.At(i, i)+precision[a])
	}
	var factor mat.Cholesky
	if !factor.Factorize(inner) {
		return nil, false
	}
	covariance := new(mat.SymDense)
	if err := factor.InverseTo(covariance); err != nil {
		return nil, false
	}
	return covariance, true
}
