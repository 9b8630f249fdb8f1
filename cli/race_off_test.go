//go:build !race

package cli_test

// underRace says that the race detector is on, which takes several times the
// memory.
const underRace = false
