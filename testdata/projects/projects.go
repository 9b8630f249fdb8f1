// Package projects carries three histories of real finished projects, as CSV and
// as the originals with their sources (README.md). The demo and the tests import
// them.
package projects

import "embed"

// Files holds the tables and their sources.
//
//go:embed *.csv *.arff README.md
var Files embed.FS
