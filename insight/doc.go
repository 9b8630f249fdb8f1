// Package insight learns from a tenant's finished projects: how a new one will
// go and how sure that is, which inputs speak for it, which past projects are
// like it, and what the history advises.
//
// It is pure functions over values: no I/O, no clock, no global state, and the
// same history gives the same answer bit by bit, in whatever order its projects
// come. A number is finite or an error says why there is none; where the history
// supports nothing, nothing is said.
//
// The way from history to prediction:
//
//   - a Dataset holds the named columns of the finished projects (dataset.go,
//     table.go);
//   - an encoder turns them into standardised features and decides alone about
//     logarithms, categories and missing values (encoder.go);
//   - the target is measured on a scale of its own (scale.go);
//   - two linear models are fitted, a ridge and a sparse one, and mixed by
//     cross-validation (moments.go, ridge.go, relevance.go, fit.go, long.go);
//   - the errors of that cross-validation become intervals (conformal.go);
//   - a Predictor predicts and explains itself (predictor.go, explain.go), and
//     Evaluate judges the whole by leave-one-out (evaluate.go);
//   - a History gathers a tenant's projects into a Dataset, and a Model of it
//     predicts every outcome of a Plan (plan.go, history.go, model.go).
//
// Beside it stand similarity of projects and texts (similar.go, text.go,
// compare.go, reuse.go) and advice (advice.go, team.go).
package insight
