//go:build unix

package secrets

// ownsModes says that the mode of a file is who may read it.
const ownsModes = true
