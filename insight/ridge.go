package insight

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// penalties are the ridge penalties tried: 10⁻³ to 10⁵ in half decades. The
// features are standardised, so a penalty is a number of projects: as many as it
// would take to believe an effect half.
var penalties = func() []float64 {
	grid := make([]float64, 17)
	for i := range grid {
		grid[i] = math.Pow(10, -3+float64(i)/2)
	}
	return grid
}()

// ridge is linear regression with a penalty on the weights' squares (Hoerl and
// Kennard 1970). The penalty is the one with the least leave-one-out error, which
// has a closed form (PRESS: Allen 1974; Golub, Heath and Wahba 1979):
// the error of a project left out is its residual divided by 1 − its leverage.
type ridge struct {
	values  []float64  // eigenvalues of the Gram matrix
	vectors *mat.Dense // its eigenvectors, in columns
	cross   []float64  // the cross moments in that basis
	c       *centred
}

// newRidge returns false when the decomposition does not converge, which finite
// standardised features do not make happen.
func newRidge(c *centred) (*ridge, bool) {
	if len(c.cross) == 0 {
		return &ridge{c: c}, true
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(c.gram, true) {
		return nil, false
	}
	r := &ridge{values: eigen.Values(nil), vectors: new(mat.Dense), c: c, cross: make([]float64, len(c.cross))}
	eigen.VectorsTo(r.vectors)
	for k := range r.values {
		r.values[k] = max(r.values[k], 0)
	}
	mat.NewVecDense(len(r.cross), r.cross).MulVec(r.vectors.T(), mat.NewVecDense(len(c.cross), c.cross))
	return r, true
}

// model returns the model with a penalty.
func (r *ridge) model(penalty float64) linear {
	weights := make([]float64, len(r.cross))
	if len(weights) == 0 {
		return r.c.model(weights)
	}
	scaled := make([]float64, len(r.cross))
	for k, q := range r.cross {
		scaled[k] = q / (r.values[k] + penalty)
	}
	mat.NewVecDense(len(weights), weights).MulVec(r.vectors, mat.NewVecDense(len(scaled), scaled))
	return r.c.model(weights)
}

// leaveOneOut returns the penalty with the least squared leave-one-out error,
// and the errors with it. x are the rows that the moments were made of. Where a
// leverage is 1 to the last digits, and so the closed form is nothing divided by
// nothing, the penalty falls to generalised cross-validation.
func (r *ridge) leaveOneOut(x, z []float64) (float64, []float64) {
	n, p := len(z), len(r.cross)
	rotated := make([]float64, n*p)
	if p > 0 {
		centredRows := mat.NewDense(n, p, nil)
		for i := range n {
			row := centredRows.RawRowView(i)
			for k := range row {
				row[k] = x[i*p+k] - r.c.x[k]
			}
		}
		mat.NewDense(n, p, rotated).Mul(centredRows, r.vectors)
	}
	best, least := r.generalised(), math.Inf(1)
	var bestErrors []float64
	for _, penalty := range penalties {
		errors, ok := r.errors(rotated, z, penalty)
		if !ok {
			continue
		}
		var sum float64
		for _, e := range errors {
			sum += e * e
		}
		if sum < least*(1-1e-9) {
			best, least, bestErrors = penalty, sum, errors
		}
	}
	if bestErrors == nil {
		bestErrors, _ = r.errors(rotated, z, best)
	}
	return best, bestErrors
}

// errors returns the leave-one-out errors with a penalty, and whether all
// leverages allow the closed form.
func (r *ridge) errors(rotated, z []float64, penalty float64) ([]float64, bool) {
	p := len(r.cross)
	inverse := make([]float64, p)
	for k := range inverse {
		inverse[k] = 1 / (r.values[k] + penalty)
	}
	errors := make([]float64, len(z))
	ok := true
	for i := range z {
		leverage, fitted := 1/r.c.n, r.c.z
		for k, u := range rotated[i*p : (i+1)*p] {
			scaled := u * inverse[k]
			leverage += u * scaled
			fitted += r.cross[k] * scaled
		}
		if leverage > 1-1e-8 {
			ok = false
			leverage = 1 - 1e-8
		}
		errors[i] = (z[i] - fitted) / (1 - leverage)
	}
	return errors, ok
}

// generalised returns the penalty by generalised cross-validation (Golub, Heath
// and Wahba 1979), which needs the moments only: for histories so long that no
// single leverage matters.
func (r *ridge) generalised() float64 {
	best, least := penalties[len(penalties)-1], math.Inf(1)
	for _, penalty := range penalties {
		residual, freedom := r.c.total, r.c.n-1
		for k, d := range r.values {
			q, s := r.cross[k], d+penalty
			residual += q * q * (d/s - 2) / s
			freedom -= d / s
		}
		if freedom < 0.5 {
			continue
		}
		if score := max(residual, 0) / (freedom * freedom); score < least*(1-1e-9) {
			best, least = penalty, score
		}
	}
	return best
}
