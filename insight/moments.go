package insight

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
)

// moments are the sums that a linear model needs of its history: they can be
// added up over parts of it and taken away again, so that cross-validation costs
// one pass over the projects.
type moments struct {
	n    float64
	x    []float64     // sums of the features
	xx   *mat.SymDense // sums of their products
	xz   []float64     // sums of their products with the outcome
	z    float64
	zz   float64
	size int
}

func newMoments(size int) *moments {
	m := &moments{x: make([]float64, size), xz: make([]float64, size), size: size}
	if size > 0 {
		m.xx = mat.NewSymDense(size, nil)
	}
	return m
}

// add counts rows of features, as encoder.matrix returns them, with their
// outcomes.
func (m *moments) add(x, z []float64) {
	m.n += float64(len(z))
	for _, v := range z {
		m.z += v
		m.zz += v * v
	}
	if m.size == 0 || len(z) == 0 {
		return
	}
	rows := blas64.General{Rows: len(z), Cols: m.size, Stride: m.size, Data: x}
	blas64.Syrk(blas.Trans, 1, rows, 1, m.xx.RawSymmetric())
	blas64.Gemv(blas.Trans, 1, rows, blas64.Vector{N: len(z), Inc: 1, Data: z}, 1, blas64.Vector{N: m.size, Inc: 1, Data: m.xz})
	for r := range z {
		for i, v := range x[r*m.size : (r+1)*m.size] {
			m.x[i] += v
		}
	}
}

// plus adds other, times sign.
func (m *moments) plus(other *moments, sign float64) {
	m.n += sign * other.n
	m.z += sign * other.z
	m.zz += sign * other.zz
	for i := range m.size {
		m.x[i] += sign * other.x[i]
		m.xz[i] += sign * other.xz[i]
		for k := i; k < m.size; k++ {
			m.xx.SetSym(i, k, m.xx.At(i, k)+sign*other.xx.At(i, k))
		}
	}
}

// centred are the moments about the means.
type centred struct {
	n     float64
	x     []float64     // means of the features
	z     float64       // mean of the outcome
	gram  *mat.SymDense // Σ (x−x̄)(x−x̄)ᵀ
	cross []float64     // Σ (x−x̄)(z−z̄)
	total float64       // Σ (z−z̄)²
}

func (m *moments) centred() *centred {
	c := &centred{n: m.n, x: make([]float64, m.size), z: m.z / m.n, cross: make([]float64, m.size)}
	c.total = max(m.zz-m.z*c.z, 0)
	if m.size == 0 {
		return c
	}
	c.gram = mat.NewSymDense(m.size, nil)
	for i := range m.size {
		c.x[i] = m.x[i] / m.n
		c.cross[i] = m.xz[i] - c.x[i]*m.z
	}
	for i := range m.size {
		for k := i; k < m.size; k++ {
			c.gram.SetSym(i, k, m.xx.At(i, k)-c.x[i]*m.x[k])
		}
	}
	return c
}

// linear is a linear model of the outcome on its learned scale.
type linear struct {
	intercept float64
	weights   []float64
}

func (c *centred) model(weights []float64) linear {
	l := linear{intercept: c.z, weights: weights}
	for i, w := range weights {
		l.intercept -= w * c.x[i]
	}
	return l
}

func (l linear) predict(x []float64) float64 {
	z := l.intercept
	for i, w := range l.weights {
		z += w * x[i]
	}
	return z
}

// mixed is share of l and the rest of other.
func (l linear) mixed(other linear, share float64) linear {
	m := linear{intercept: share*l.intercept + (1-share)*other.intercept, weights: make([]float64, len(l.weights))}
	for i := range l.weights {
		m.weights[i] = share*l.weights[i] + (1-share)*other.weights[i]
	}
	return m
}
