package secrets

// ownsModes says that the mode of a file is who may read it; here lists of access
// decide.
const ownsModes = false
