package cli

import "io/fs"

// readableByOthers cannot be told from the mode on Windows, where a user's
// directory for configuration is that user's alone.
func readableByOthers(fs.FileInfo) bool { return false }
